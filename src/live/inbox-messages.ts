import { type RequestContext, requireUser } from '../context.ts'
import { RESUME_MAX } from '../features/conversations/changes.ts'
import type { MessageRow } from '../features/messages/message.ts'
import { followInbox } from './inbox.ts'
import { createQueue, type LiveStream } from './queue.ts'
import { snapshotOf, tooOld } from './resume.ts'

/**
 * The new messages of all of the viewer's conversations; with an inbox cursor, those too that the cursor's answer could
 * not see. In order for each conversation; some may come once more.
 */
export async function messagesOfInbox(ctx: RequestContext, after: string | null): Promise<LiveStream<MessageRow>> {
  const viewer = requireUser(ctx)
  const since = after === null ? null : await snapshotOf(ctx, after)

  async function missed(): Promise<Map<string, number>> {
    if (since === null) return new Map()
    const unseen = await ctx.live.readUnseenMessages({ userId: viewer.id, since })
    if (unseen.reduce((sum, { count }) => sum + count, 0) > RESUME_MAX) throw tooOld()
    return new Map(unseen.map(({ id, seq }) => [id, seq]))
  }

  const inbox = followInbox(ctx, {
    pass(_, event) {
      if (event.type === 'message') queue.push(event.message)
    },
    missed,
  })
  const queue = createQueue<MessageRow>({
    onClose: () => inbox.leave(),
    readMissed: () => inbox.readMissed(),
  })
  await inbox.ready
  return queue.stream
}
