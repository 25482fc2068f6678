import type { RequestContext } from '../context.ts'
import type { MessageRow } from '../features/messages/message.ts'
import { followConversation, requireLiveConversation } from './follow.ts'
import { messagesOfInbox } from './inbox-messages.ts'
import type { LiveStream } from './queue.ts'
import { messagePositionOf } from './resume.ts'

/**
 * The new messages of one conversation, or of all of the viewer's; one's own too. With `after` from that cursor on.
 * @throws ResetRequiredError where nothing can go on from it.
 */
export async function messageAdded(
  ctx: RequestContext,
  { conversationId, after }: { conversationId?: string | null | undefined; after?: string | null | undefined },
): Promise<LiveStream<MessageRow>> {
  if (conversationId == null) return messagesOfInbox(ctx, after ?? null)
  const view = await requireLiveConversation(ctx, conversationId)
  return followConversation(ctx, view, {
    ...(after != null && { after: messagePositionOf(ctx, view, after) }),
    select: (event) => (event.type === 'message' ? event.message : undefined),
  })
}
