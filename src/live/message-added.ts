import { type RequestContext, requireUser } from '../context.ts'
import { requireConversation } from '../features/conversations/access.ts'
import type { MessageRow } from '../features/messages/message.ts'
import { followConversation } from './access.ts'
import { followInbox } from './inbox.ts'
import { createQueue } from './queue.ts'

/** The new messages of one conversation, or of all of the viewer's; one's own too. */
export async function messageAdded(
  ctx: RequestContext,
  conversationId: string | null | undefined,
): Promise<AsyncIterableIterator<MessageRow>> {
  if (conversationId == null) return messagesOfInbox(ctx)
  const view = await requireConversation(ctx, conversationId)
  return followConversation(ctx, view, (event) => (event.type === 'message' ? event.message : undefined))
}

async function messagesOfInbox(ctx: RequestContext) {
  requireUser(ctx)
  const queue = createQueue<MessageRow>(() => inbox.leave())
  const inbox = followInbox(ctx, {
    feed: (_, event) => {
      if (event.type === 'message') queue.push(event.message)
    },
  })
  await inbox.ready
  return queue.iterator
}
