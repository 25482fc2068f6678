import { type RequestContext, viewerId } from '../context.ts'
import { type ConversationView, noConversation, visibleFrom } from '../features/conversations/access.ts'
import type { Position } from '../features/conversations/changes.ts'
import { requireUuid } from '../lib/ids.ts'
import type { Faults } from './faults.ts'
import type { FeedEvent } from './feed.ts'
import type { Hub } from './hub.ts'
import { createQueue, type LiveStream, type Overflow, type Queue, type QueueOptions } from './queue.ts'
import { createReader, type Reader, type ReaderTo } from './reader.ts'

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
  following: Following<Item>,
): Promise<LiveStream<Item>> {
  const follower = new Follower(ctx.live, id, following)
  const { reader, queue } = follower
  const { after, first } = following
  try {
    await ctx.live.follow([id], reader)
    // Once more: a feed begins with the table's position, and tells of no end of access that came before that.
    const view = await requireLiveView(ctx, id)
    if (view.joinedVersion !== joinedVersion) throw noConversation('conversationId')
    const from = after ?? { version: view.version, seq: view.lastSeq }
    if (first) for (const item of await first(from)) follower.push(item)
    reader.start({ userId: view.viewerId, since: view.version, from: visibleFrom(view) }, from)
    if (!after) {
      reader.goLive()
      if (reader.isLive()) follower.sayCaughtUp()
    }
  } catch (error) {
    queue.end()
    throw error
  }
  return queue.stream
}

/** What leads from a reader to its queue. A class, so that each of thousands is one object and no closures. */
class Follower<Item> implements ReaderTo, QueueOptions {
  readonly faults: Faults
  readonly reader: Reader
  readonly queue: Queue<Item>
  private readonly live: Hub
  private readonly id: string
  private readonly following: Following<Item>
  private isOpen = true
  private quiet: NodeJS.Timeout | null = null

  constructor(live: Hub, id: string, following: Following<Item>) {
    this.live = live
    this.id = id
    this.following = following
    this.faults = live.faults
    this.reader = createReader(this)
    this.queue = createQueue(this)
  }

  get overflow(): Overflow {
    return this.following.overflow ?? 'fail'
  }

  readChanges(after: Position) {
    return this.live.readChanges(this.id, after)
  }

  pass(event: FeedEvent) {
    const item = this.following.select(event, this.reader.position())
    if (item !== undefined) this.push(item)
  }

  end() {
    const { revoked } = this.following
    if (revoked) this.push(revoked(this.reader.position()))
    this.queue.end()
  }

  push(item: Item) {
    this.quiet?.refresh()
    this.queue.push(item)
  }

  sayCaughtUp() {
    const { caughtUp } = this.following
    if (!caughtUp || !this.isOpen) return
    this.queue.push(caughtUp(this.reader.position()))
    this.quiet = setTimeout(() => this.sayCaughtUp(), QUIET_MS)
  }

  onClose() {
    this.isOpen = false
    if (this.quiet) clearTimeout(this.quiet)
    this.live.unfollow([this.id], this.reader)
  }

  async readMissed() {
    if (this.reader.isLive()) return false
    const more = await this.reader.readMissed()
    if (!more) this.sayCaughtUp()
    return more
  }
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
