import { type RequestContext, viewerId } from '../context.ts'
import { type ConversationView, noConversation, visibleFrom } from '../features/conversations/access.ts'
import type { Position } from '../features/conversations/changes.ts'
import { requireUuid } from '../lib/ids.ts'
import type { FeedEvent, FeedSubscriber } from './feed.ts'
import { createQueue, type LiveStream, type Overflow } from './queue.ts'
import { createReader } from './reader.ts'

/** What a subscription makes of a conversation's events. */
export interface Following<Item> {
  /** Where to go on from; left out: from now on. */
  after?: Position
  /** The item of an event, by which the subscriber has got to `at`; undefined where it is of no interest. */
  select(event: FeedEvent, at: Position): Item | undefined
  /** What comes before all else. */
  first?(at: Position): Promise<Item[]>
  /** What says that all that was missed has been passed on; again after 30 s without any item. */
  caughtUp?(at: Position): Item
  /** What comes last when access is over. */
  revoked?(at: Position): Item
  /** For what may be dropped when it is read too slowly. */
  overflow?: Overflow
}

/** After so much quiet a stream that says that it is caught up says so again, as a sign of life. */
const QUIET_MS = 30_000

/**
 * What a viewer may see of one conversation's events, until access ends. `view` is what it was let in by.
 * @throws NotFoundError where access ended while this began.
 */
export async function followConversation<Item>(
  ctx: RequestContext,
  { id, joinedVersion }: ConversationView,
  { after, select, first, caughtUp, revoked, overflow }: Following<Item>,
): Promise<LiveStream<Item>> {
  let quiet: NodeJS.Timeout | undefined
  let isOpen = true
  const reader = createReader({
    readChanges: (position) => ctx.live.readChanges(id, position),
    pass(event) {
      const item = select(event, reader.position())
      if (item !== undefined) push(item)
    },
    end() {
      if (revoked) push(revoked(reader.position()))
      queue.end()
    },
    faults: ctx.live.faults,
  })
  const subscriber: FeedSubscriber = (_, event) => reader.receive(event)
  const queue = createQueue<Item>({
    ...(overflow && { overflow }),
    onClose() {
      isOpen = false
      clearTimeout(quiet)
      ctx.live.unfollow([id], subscriber)
    },
    async readMissed() {
      if (reader.isLive()) return false
      const more = await reader.readMissed()
      if (!more) sayCaughtUp()
      return more
    },
  })

  function push(item: Item) {
    quiet?.refresh()
    queue.push(item)
  }

  function sayCaughtUp() {
    if (!caughtUp || !isOpen) return
    queue.push(caughtUp(reader.position()))
    quiet = setTimeout(sayCaughtUp, QUIET_MS)
  }

  try {
    await ctx.live.follow([id], subscriber)
    // Once more: a feed begins with the table's position, and tells of no end of access that came before that.
    const view = await requireLiveView(ctx, id)
    if (view.joinedVersion !== joinedVersion) throw noConversation('conversationId')
    const from = after ?? { version: view.version, seq: view.lastSeq }
    if (first) for (const item of await first(from)) push(item)
    reader.start({ userId: view.viewerId, since: view.version, from: visibleFrom(view) }, from)
    if (!after) {
      reader.goLive()
      if (reader.isLive()) sayCaughtUp()
    }
  } catch (error) {
    queue.end()
    throw error
  }
  return queue.stream
}

/** The conversation of a global id, as the viewer sees it. @throws BadUserInputError, NotFoundError. */
export function requireLiveConversation(ctx: RequestContext, globalId: string): Promise<ConversationView> {
  return requireLiveView(ctx, requireUuid('Conversation', globalId, 'conversationId'))
}

/** The same by internal id; read together with what others ask for, as many subscribe at once after an outage. */
async function requireLiveView(ctx: RequestContext, id: string): Promise<ConversationView> {
  const view = await ctx.live.readView({ id, viewer: viewerId(ctx) })
  if (!view) throw noConversation('conversationId')
  return view
}
