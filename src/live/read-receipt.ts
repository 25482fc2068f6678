import type { RequestContext } from '../context.ts'
import type { FeedEvent } from './feed.ts'
import { followConversation, requireLiveConversation } from './follow.ts'
import { oncePerEvent } from './once-per-event.ts'
import type { LiveStream } from './queue.ts'

/** A participant's read position moved. */
export interface ReceiptOf {
  conversationId: string
  userId: string
  readAt: Date
}

/** The receipts of a conversation from now on, the viewer's own included. */
export async function readReceipts(ctx: RequestContext, conversationId: string): Promise<LiveStream<ReceiptOf>> {
  const view = await requireLiveConversation(ctx, conversationId)
  return followConversation(ctx, view, {
    // From then on a receipt that is lost on its way is noticed.
    first: async () => {
      await ctx.live.receipts(view.id)
      return []
    },
    select: (event, at) =>
      event.type === 'read' ? receiptOf(event, { conversationId: view.id, at, epoch: ctx.db.epoch }) : undefined,
  })
}

const receiptOf = oncePerEvent<Extract<FeedEvent, { type: 'read' }>, ReceiptOf>(
  ({ userId, readAt }, { conversationId }) => ({ conversationId, userId, readAt }),
)
