import type { RequestContext } from '../context.ts'
import { requireConversation } from '../features/conversations/access.ts'
import { followConversation } from './access.ts'

/** A participant's read position moved. */
export interface Receipt {
  conversationId: string
  userId: string
  readAt: Date
}

/** The receipts of a conversation from now on, the viewer's own included. */
export async function readReceipts(
  ctx: RequestContext,
  conversationId: string,
): Promise<AsyncIterableIterator<Receipt>> {
  const view = await requireConversation(ctx, conversationId)
  return followConversation(ctx, view, (event) => {
    if (event.type !== 'read') return undefined
    return { conversationId: view.id, userId: event.user.id, readAt: event.readAt }
  })
}
