import type { RequestContext } from '../context.ts'
import { followConversation, requireLiveConversation } from './follow.ts'

/** A participant's read position moved. */
export interface ReceiptOf {
  conversationId: string
  userId: string
  readAt: Date
}

/** The receipts of a conversation from now on, the viewer's own included. */
export async function readReceipts(
  ctx: RequestContext,
  conversationId: string,
): Promise<AsyncIterableIterator<ReceiptOf>> {
  const view = await requireLiveConversation(ctx, conversationId)
  return followConversation(ctx, view, {
    // From then on a receipt that is lost on its way is noticed.
    first: async () => {
      await ctx.live.receipts(view.id)
      return []
    },
    select: (event) =>
      event.type === 'read' ? { conversationId: view.id, userId: event.userId, readAt: event.readAt } : undefined,
  })
}
