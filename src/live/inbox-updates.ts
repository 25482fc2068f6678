import { type RequestContext, requireUser } from '../context.ts'
import { createGather } from './gather.ts'
import { followInbox, type InboxChange } from './inbox.ts'
import { createInboxCursor } from './inbox-cursor.ts'
import { createQueue, type LiveStream } from './queue.ts'
import { snapshotOf } from './resume.ts'

/** A conversation of the viewer's list changed. */
export interface InboxUpdate {
  cursor: string
  conversationId: string
  change: InboxChange
}

/**
 * What changes in the viewer's list, each conversation at most once a second; with a cursor, first what its answer could
 * not see.
 */
export async function inboxUpdates(
  ctx: RequestContext,
  after: string | null | undefined,
): Promise<LiveStream<InboxUpdate>> {
  const viewer = requireUser(ctx)
  // The one that all this is read from, whatever comes after it.
  const { epoch } = ctx.db
  // Taken before the stream begins: resuming from it may repeat, and omits nothing.
  const since = after == null ? await ctx.live.readSnapshot() : await snapshotOf(ctx, after)
  const gather = createGather((conversationId, change) => {
    cursors.told(conversationId)
    queue.push({ cursor: cursors.current(), conversationId, change })
  })
  const queue = createQueue<InboxUpdate>({
    onClose() {
      gather.close()
      inbox.leave()
    },
    readMissed: () => inbox.readMissed(),
  })
  const inbox = followInbox(ctx, {
    pass(conversationId, event) {
      if (event.type === 'read') {
        if (event.userId === viewer.id) gather.add(conversationId, 'STATE')
      } else if (event.type !== 'typing') gather.add(conversationId, 'ACTIVITY')
    },
    changed: gather.add,
  })
  const cursors = createInboxCursor(epoch, since, ctx.live, gather, inbox)
  try {
    await inbox.ready
    const missed = after == null ? [] : await ctx.live.readListChanges({ userId: viewer.id, since })
    for (const { conversationId, change } of missed) gather.add(conversationId, change)
  } catch (error) {
    queue.end()
    throw error
  }
  cursors.begin()
  return queue.stream
}
