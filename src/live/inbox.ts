import { setTimeout as delay } from 'node:timers/promises'
import { type RequestContext, requireUser } from '../context.ts'
import type { Position } from '../features/conversations/changes.ts'
import { type ListChange, type PlaceRow, readPlace } from '../features/conversations/places.ts'
import type { FeedEvent, FeedSubscriber } from './feed.ts'
import type { UserSubscriber } from './hub.ts'
import { createReader, type Reader } from './reader.ts'

export type InboxChange = ListChange['change']

/** What a follower of the whole inbox is told. */
export interface InboxTo {
  /** What the viewer may see of one of its conversations. */
  pass(conversationId: string, event: FeedEvent): void
  /** What comes and goes in the list itself, and the viewer's own state. */
  changed?(conversationId: string, change: InboxChange): void
  /** The newest message that is known of conversations in which some were missed; asked for once all are followed. */
  missed?(): Promise<Map<string, number>>
}

/** All conversations of a viewer, those that are joined later too. */
export interface Inbox {
  /** From when it resolves on, nothing that happens is missed. */
  ready: Promise<void>
  /** Reads a page of what was missed, of some conversations at once. False once nothing is left. */
  readMissed(): Promise<boolean>
  /** Whether every conversation that the viewer is known to be in is followed, and nothing in it is still to be read. */
  isSettled(): boolean
  leave(): void
}

/** After what time a conversation that could not be followed is tried again. */
const RETRY_MS = 1_000
/** Conversations of which a page is read at once. */
const READ_AT_ONCE = 4

/** A conversation that is followed: the stay that it is followed in, and how far. */
interface Followed {
  joinedVersion: number
  reader: Reader
  /** Its pages are read when the subscriber asks for them, and not before. */
  isPaged: boolean
}

export function followInbox(ctx: RequestContext, to: InboxTo): Inbox {
  const viewer = requireUser(ctx)
  const followed = new Map<string, Followed>()
  /** Conversations whose joining is under way; true where it was told of again meanwhile. */
  const joining = new Map<string, boolean>()
  /** Conversations that the viewer came into before the others were followed. */
  let early: Set<string> | null = new Set()
  let left = false

  const onFeed: FeedSubscriber = { receive: (event, id) => followed.get(id)?.reader.receive(event) }
  const onUser: UserSubscriber = {
    receive(event) {
      if (event.type !== 'inbox') return
      if (event.change === 'JOINED') {
        if (early) early.add(event.conversationId)
        else void join(event.conversationId)
      } else to.changed?.(event.conversationId, event.change)
    },
  }

  /** Makes a reader, which holds what comes until it is started. */
  function add({ id, joinedVersion }: PlaceRow) {
    const reader = createReader({
      readChanges: (after) => ctx.live.readChanges(id, after),
      pass: (event) => to.pass(id, event),
      end: () => {
        drop([id])
        to.changed?.(id, 'LEFT')
      },
      faults: ctx.live.faults,
    })
    followed.set(id, { joinedVersion, reader, isPaged: false })
  }

  function drop(ids: Iterable<string>) {
    for (const id of ids) {
      followed.delete(id)
      ctx.live.unfollow([id], onFeed)
    }
  }

  /**
   * Follows the places that `read` gives, and starts their readers where `startAt` says. Gives back those that were still
   * there then.
   */
  async function follow<Row extends PlaceRow>(
    read: () => Promise<Row[]>,
    startAt: (place: Row) => Position,
  ): Promise<Row[]> {
    const before = await read()
    const ids = before.map(({ id }) => id)
    const mine = new Set(ids)
    before.forEach(add)
    try {
      await ctx.live.follow(ids, onFeed)
      // Once more: a feed begins with the table's position, and tells of no end of access that came before that.
      const places = (await read()).filter(({ id }) => mine.has(id))
      const still = new Set(places.map(({ id }) => id))
      drop(ids.filter((id) => left || !still.has(id)))
      for (const place of places) start(place, startAt(place))
      return places
    } catch (error) {
      drop(ids)
      throw error
    }
  }

  function start({ id, since, from }: PlaceRow, at: Position) {
    followed.get(id)?.reader.start({ userId: viewer.id, since, from }, at)
  }

  /** Follows a conversation from the viewer's coming into it on; told of it again, it finds that it does already. */
  async function join(id: string) {
    if (joining.has(id)) return void joining.set(id, true)
    joining.set(id, false)
    while (!left) {
      try {
        await joinOnce(id)
        if (!joining.get(id)) break
        joining.set(id, false)
      } catch (err) {
        ctx.log.warn({ err, conversationId: id }, 'a new conversation could not be followed; trying again')
        await delay(RETRY_MS, undefined, { ref: false })
      }
    }
    joining.delete(id)
  }

  async function joinOnce(id: string) {
    const known = followed.get(id)
    if (known) {
      const [place] = await readOne(id)
      // Known, and still the same stay; the end of an earlier one may still be on its way.
      if (!place || place.joinedVersion === known.joinedVersion) return known.isPaged ? undefined : readAllMissed(id)
      drop([id])
    }
    const places = await follow(
      () => readOne(id),
      ({ since, joinedSeq }) => ({ version: since, seq: joinedSeq }),
    )
    if (places.length > 0) to.changed?.(id, 'JOINED')
    await readAllMissed(id)
  }

  async function readOne(id: string) {
    const place = await readPlace(ctx.db.query, viewer.id, id)
    return place ? [place] : []
  }

  async function readAllMissed(id: string) {
    const { reader } = followed.get(id) ?? {}
    let more = true
    while (more && !left) more = (await reader?.readMissed()) ?? false
  }

  async function begin() {
    try {
      await ctx.live.followUser(viewer.id, onUser)
      const places = await follow(
        () => ctx.live.readPlaces(viewer.id),
        ({ version, seq }) => ({ version, seq }),
      )
      const missed = (await to.missed?.()) ?? new Map<string, number>()
      for (const place of places) {
        const known = missed.get(place.id)
        const conversation = followed.get(place.id)
        if (known !== undefined && known < place.seq) start(place, { version: place.version, seq: known })
        else conversation?.reader.goLive()
        if (conversation && !conversation.reader.isLive()) conversation.isPaged = true
      }
      const joined = early ?? []
      early = null
      for (const id of joined) void join(id)
    } catch (error) {
      leave()
      throw error
    }
  }

  async function readMissed(): Promise<boolean> {
    const paged = [...followed.values()].filter(({ reader, isPaged }) => isPaged && !reader.isLive())
    await Promise.all(paged.slice(0, READ_AT_ONCE).map(({ reader }) => reader.readMissed()))
    return paged.length > 0
  }

  function leave() {
    left = true
    ctx.live.unfollowUser(viewer.id, onUser)
    drop([...followed.keys()])
  }

  const isSettled = () => joining.size === 0 && [...followed.values()].every(({ reader }) => reader.isLive())

  return { ready: begin(), readMissed, isSettled, leave }
}
