import { type RequestContext, requireUser } from '../context.ts'
import type { UserSubscriber } from './hub.ts'
import { createQueue, type LiveStream } from './queue.ts'

/** A contact of the viewer's changed, or is no more. */
export interface ContactChange {
  contactId: string
}

/** What changes of the viewer's contacts from now on. */
export async function contactChanges(ctx: RequestContext): Promise<LiveStream<ContactChange>> {
  const viewer = requireUser(ctx)
  const queue = createQueue<ContactChange>({ onClose: () => ctx.live.unfollowUser(viewer.id, onUser) })
  const onUser: UserSubscriber = {
    receive(event) {
      if (event.type === 'contact') queue.push({ contactId: event.contactId })
    },
  }
  try {
    await ctx.live.followUser(viewer.id, onUser)
  } catch (error) {
    queue.end()
    throw error
  }
  return queue.stream
}
