import { setTimeout as delay } from 'node:timers/promises'
import { type RequestContext, requireUser } from '../context.ts'
import { readChanges } from '../features/messages/changes.ts'
import { inboxCursor } from '../lib/cursors.ts'
import { accessEnds } from './access.ts'
import type { FeedEvent, FeedSubscriber } from './feed.ts'
import type { UserSubscriber } from './hub.ts'
import { createQueue } from './queue.ts'

/** From the least to the most telling: of what is gathered, the last wins. */
const CHANGES = ['STATE', 'ACTIVITY', 'JOINED', 'LEFT'] as const
export type InboxChange = (typeof CHANGES)[number]

/** A conversation of the viewer's list changed. */
export interface InboxUpdate {
  cursor: string
  conversationId: string
  change: InboxChange
}

/** How often one conversation is told of at most. */
const GATHER_MS = 1_000
/** After what time a conversation that could not be followed is tried again. */
const RETRY_MS = 1_000

/** What changes in the viewer's list, each conversation at most once a second. */
export async function inboxUpdates(ctx: RequestContext): Promise<AsyncIterableIterator<InboxUpdate>> {
  const viewer = requireUser(ctx)
  // Taken before the stream begins: resuming from it may repeat, and omits nothing.
  const [{ snapshot }] = (await ctx.db.query<{ snapshot: string }>(
    'SELECT pg_current_snapshot()::text AS snapshot',
  )) as [{ snapshot: string }]
  const cursor = inboxCursor(ctx.db.epoch, snapshot)
  const gather = createGather((conversationId, change) => queue.push({ cursor, conversationId, change }))
  const queue = createQueue<InboxUpdate>(() => {
    gather.close()
    inbox.leave()
  })
  const inbox = followInbox(ctx, {
    feed: (conversationId, event) => {
      if (event.type === 'message' || event.type === 'changed') gather.add(conversationId, 'ACTIVITY')
      if (event.type === 'read' && event.user.id === viewer.id) gather.add(conversationId, 'STATE')
    },
    changed: gather.add,
  })
  await inbox.ready
  return queue.iterator
}

/** Passes on the first change of each conversation at once, and the most telling of those that follow after a second. */
function createGather(passOn: (conversationId: string, change: InboxChange) => void) {
  /** What came since a conversation was last told of. */
  const waiting = new Map<string, { timer: NodeJS.Timeout; change: InboxChange | null }>()

  function tell(conversationId: string, change: InboxChange) {
    waiting.set(conversationId, { timer: setTimeout(() => flush(conversationId), GATHER_MS), change: null })
    passOn(conversationId, change)
  }

  function flush(conversationId: string) {
    const change = waiting.get(conversationId)?.change
    waiting.delete(conversationId)
    if (change) tell(conversationId, change)
  }

  return {
    add(conversationId: string, change: InboxChange) {
      const entry = waiting.get(conversationId)
      if (!entry) tell(conversationId, change)
      else if (CHANGES.indexOf(change) > CHANGES.indexOf(entry.change ?? 'STATE') || !entry.change)
        entry.change = change
    },
    close() {
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
    },
  }
}

/** The viewer's place in a conversation: the version that gave it, and what comes by it. */
interface PlaceRow {
  id: string
  since: number
  /** Messages from this seq on, */
  from: number
}

interface Place extends Omit<PlaceRow, 'id'> {
  /** and beyond this version. */
  after: number
}

/**
 * Follows all conversations of the viewer, those that are joined later too. `feed` gets what the viewer may see in
 * them, `changed` what comes and goes in the list itself, from when `ready` resolves on.
 */
export function followInbox(
  ctx: RequestContext,
  to: { feed: FeedSubscriber; changed?: (conversationId: string, change: InboxChange) => void },
): { ready: Promise<void>; leave: () => void } {
  const viewer = requireUser(ctx)
  const places = new Map<string, Place>()
  /** What comes in a conversation while what was sent before this node followed it is still being read. */
  const held = new Map<string, FeedEvent[]>()
  let left = false

  const feed: FeedSubscriber = (conversationId, event) => {
    const waiting = held.get(conversationId)
    if (waiting) waiting.push(event)
    else pass(conversationId, event)
  }
  const user: UserSubscriber = (event) => {
    if (event.type !== 'inbox') return
    if (event.change === 'JOINED') void join(event.conversationId)
    else to.changed?.(event.conversationId, event.change)
  }

  function pass(conversationId: string, event: FeedEvent) {
    const place = places.get(conversationId)
    if (!place) return
    if (accessEnds(event, viewer.id, place.since)) {
      places.delete(conversationId)
      ctx.live.unfollow([conversationId], feed)
      return to.changed?.(conversationId, 'LEFT')
    }
    if (event.type === 'message') {
      if (event.message.seq < place.from || event.message.version <= place.after) return
      place.after = event.message.version
    }
    to.feed(conversationId, event)
  }

  /** Gives back those that were not held already. */
  function hold(ids: readonly string[]): string[] {
    const mine = ids.filter((id) => !held.has(id))
    for (const id of mine) held.set(id, [])
    return mine
  }

  function release(ids: readonly string[]) {
    for (const id of ids) {
      const waiting = held.get(id) ?? []
      held.delete(id)
      for (const event of waiting) pass(id, event)
    }
  }

  /** Follows a conversation from the viewer's coming into it on; told of it again, it finds that it does already. */
  async function join(conversationId: string) {
    if (held.has(conversationId)) return
    let told = places.has(conversationId)
    // Held until it succeeds: what came before the conversation was read must not be overtaken.
    hold([conversationId])
    while (!left) {
      try {
        await follow([conversationId])
        if (!told && places.has(conversationId)) to.changed?.(conversationId, 'JOINED')
        told = true
        await replay(conversationId)
        return release([conversationId])
      } catch (err) {
        ctx.log.warn({ err, conversationId }, 'a new conversation could not be followed; trying again')
        await delay(RETRY_MS, undefined, { ref: false })
      }
    }
  }

  /** Passes on what the table has beyond what the viewer has got. */
  async function replay(conversationId: string) {
    const place = places.get(conversationId)
    if (!place || left) return
    const { messages, ended, version, more } = await readChanges(ctx.db, conversationId, place.after)
    if (ended.length > 0) pass(conversationId, { type: 'changed', ended })
    for (const message of messages) pass(conversationId, { type: 'message', message })
    place.after = version
    if (more) await replay(conversationId)
  }

  /**
   * Follows the viewer's conversations, or those of them that are named. What comes in them is held meanwhile; gives back
   * those that are then to be released.
   */
  async function follow(only: string[] | null): Promise<string[]> {
    const before = await readPlaces(only)
    const ids = before.map(({ id }) => id)
    const mine = hold(ids)
    take(before)
    await ctx.live.follow(ids, feed)
    // Once more: a feed begins with the table's version, and tells of no end of access that came before that.
    const now = await readPlaces(ids)
    take(now)
    const still = new Set(now.map(({ id }) => id))
    const gone = ids.filter((id) => !still.has(id))
    for (const id of gone) places.delete(id)
    ctx.live.unfollow(left ? ids : gone, feed)
    return mine
  }

  function readPlaces(only: string[] | null): Promise<PlaceRow[]> {
    return ctx.db.query<PlaceRow>(
      `SELECT p.conversation_id AS id, p.visible_from_seq AS from, p.version AS since
         FROM participants p JOIN conversations c ON c.id = p.conversation_id AND c.deleted_at IS NULL
        WHERE p.user_id = $1 AND p.left_at IS NULL AND ($2::uuid[] IS NULL OR p.conversation_id = ANY($2))`,
      [viewer.id, only],
    )
  }

  function take(rows: readonly PlaceRow[]) {
    for (const { id, from, since } of rows) {
      places.set(id, { since, from, after: Math.max(places.get(id)?.after ?? 0, since) })
    }
  }

  function leave() {
    left = true
    ctx.live.unfollowUser(viewer.id, user)
    ctx.live.unfollow(places.keys(), feed)
  }

  async function start() {
    try {
      await ctx.live.followUser(viewer.id, user)
      release(await follow(null))
    } catch (error) {
      leave()
      throw error
    }
  }

  return { ready: start(), leave }
}
