import { type RequestContext, viewerId } from '../context.ts'
import { type ConversationView, requireView, visibleFrom } from '../features/conversations/access.ts'
import type { FeedEvent, FeedSubscriber } from './feed.ts'
import { createQueue } from './queue.ts'

/** Whether an event ends the access of a user that was given at a version. A service's ends with the conversation. */
export function accessEnds(event: FeedEvent, userId: string | null, since: number): boolean {
  if (event.type !== 'changed') return false
  return event.ended === 'ALL' || event.ended.some((each) => each.userId === userId && each.version > since)
}

/**
 * What a viewer may see of one conversation's events, from now on until access ends; `select` makes items of them.
 * What comes before visibleFromSeq is kept back here, for every subscription.
 * @throws NotFoundError where access ended while this began.
 */
export async function followConversation<Item>(
  ctx: RequestContext,
  { id }: ConversationView,
  select: (event: FeedEvent) => Item | undefined,
): Promise<AsyncIterableIterator<Item>> {
  const viewer = viewerId(ctx)
  const queue = createQueue<Item>(() => ctx.live.unfollow([id], subscriber))
  /** What came before access was read again. */
  const held: FeedEvent[] = []
  let view: ConversationView | null = null

  const subscriber: FeedSubscriber = (_, event) => {
    if (view) pass(event, view)
    else held.push(event)
  }

  function pass(event: FeedEvent, access: ConversationView) {
    if (accessEnds(event, viewer, access.version)) return queue.end()
    if (event.type === 'message' && event.message.seq < visibleFrom(access)) return
    const item = select(event)
    if (item !== undefined) queue.push(item)
  }

  try {
    await ctx.live.follow([id], subscriber)
    // Once more: a feed begins with the table's version, and tells of no end of access that came before that.
    const now = await requireView(ctx, id)
    view = now
    for (const event of held) pass(event, now)
  } catch (error) {
    queue.end()
    throw error
  }
  return queue.iterator
}
