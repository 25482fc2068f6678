import type { Bus } from '../bus/bus.ts'
import { conversationTopic, type Topic, type UserEvent, userTopic } from '../bus/topics.ts'
import type { Db } from '../db/client.ts'
import { readNewPlaces } from '../features/conversations/places.ts'
import type { Receipt } from '../features/reads/receipts.ts'
import { readRefused } from '../features/users/standing.ts'
import type { Clock } from '../lib/clock.ts'
import { tellSoon } from '../lib/end-of-turn.ts'
import { UnavailableError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Faults } from './faults.ts'
import { createFeed, type Feed, type FeedSubscriber } from './feed.ts'
import { createReads, type Head, type Reads } from './reads.ts'
import { createTopics } from './topics.ts'

export interface UserSubscriber {
  receive(event: UserEvent): void
}

/** What a comparison with the table has seen. */
export interface Comparison {
  /** Comparisons are numbered in the order in which they begin, from 1. */
  number: number
  /** A pg_snapshot: all that it sees has been passed on by the feeds. */
  snapshot: string
}

/** This node's interest in what happens: which topics it listens to, and who gets what comes in. */
export interface Hub extends Reads {
  /**
   * From the moment it resolves on, the subscriber gets what happens in these conversations. Checks no access.
   */
  follow(conversationIds: readonly string[], subscriber: FeedSubscriber): Promise<void>
  unfollow(conversationIds: Iterable<string>, subscriber: FeedSubscriber): void
  /** The same for what concerns a user; coming into a conversation may be told twice. */
  followUser(userId: string, subscriber: UserSubscriber): Promise<void>
  unfollowUser(userId: string, subscriber: UserSubscriber): void
  /** The present receipts of a conversation that is followed. */
  receipts(conversationId: string): Promise<Receipt[]>
  /** Calls back when the database turns out to have another history: what was passed on may not be in it. */
  onNewHistory(callback: () => void): void
  /** The number of the last comparison that began. */
  comparisons(): number
  /** The last comparison, of all that there is to compare, after which the feeds had got as far as the table. */
  lastComparison(): Comparison | null
  readonly faults: Faults
  close(): Promise<void>
}

/** How often the feeds are compared with the table while the bus is away, in milliseconds. */
const COMPARE_MS = 1_000
/** The same while it is up, every so many times: an event that was lost comes 5 s late at most. */
const TICKS_WITH_BUS = 5
/** Users' own state, which takes a look at all of their places, every so many times; a multiple of that. */
const TICKS_OF_STATES = 15

export interface HubDeps {
  bus: Bus
  db: Db
  /** The number of topics of each kind. */
  shards: number
  log: Logger
  clock: Clock
  faults?: Faults | undefined
}

export function createHub({ bus, db, shards, log, clock, faults = {} }: HubDeps): Hub {
  const feeds = new Map<string, Feed>()
  const users = new Map<string, Set<UserSubscriber>>()
  const topics = createTopics(subscribe)
  const reads = createReads(db)
  const historyCallbacks: (() => void)[] = []
  let comparing = false
  let ticks = 0
  /** Whether announcements were lost since the last comparison. */
  let outage = false
  let comparisons = 0
  /** What the last comparison of places had seen, as a pg_snapshot; taken before the first user reads its own. */
  let placesSeen: string | null = null
  /** The same of users' own state, which is compared less often. */
  let statesSeen: string | null = null
  /** A comparison whose feeds may still be reading what they lack. */
  let unconfirmed: (Comparison & { heads: Head[] }) | null = null
  let confirmed: Comparison | null = null

  function tellUser(event: UserEvent) {
    for (const subscriber of users.get(event.key) ?? []) subscriber.receive(event)
  }

  function subscribe(topic: Topic): Promise<() => Promise<void>> {
    if (isUserTopic(topic)) {
      return bus.subscribe(topic, {
        wants: (key) => users.has(key),
        receive: tellUser,
      })
    }
    return bus.subscribe(topic, {
      wants: (key) => feeds.has(key),
      receive: (event) => feeds.get(event.key)?.receive(event),
    })
  }

  /** One statement for all feeds: where the table is ahead, the feed reads what it lacks. */
  async function compareHeads(): Promise<Head[]> {
    if (feeds.size === 0 || faults.compareHeads === false) return []
    const heads = (await reads.readHeads([...feeds.keys()])).filter((head) => head !== null)
    for (const { id, version, seq } of heads) feeds.get(id)?.head({ version, seq })
    return heads
  }

  /** One statement for all users: tells of the conversations that they came into since the last time, once more. */
  async function comparePlaces(states = false): Promise<string | null> {
    if (users.size === 0) return null
    const statesSince = states ? statesSeen : null
    const { changes, snapshot } = await readNewPlaces(db.query, [...users.keys()], placesSeen, statesSince)
    placesSeen = snapshot
    if (states || statesSeen === null) statesSeen = snapshot
    for (const { userId, conversationId, change } of changes) {
      if (change === 'JOINED' || change === 'STATE') tellUser({ type: 'inbox', key: userId, conversationId, change })
    }
    return snapshot
  }

  /** Has those look again who may no longer be let in: what told of it may have been lost. */
  async function compareStandings() {
    if (users.size === 0) return
    for (const id of await readRefused(db.query, [...users.keys()])) tellUser({ type: 'standing', key: id })
  }

  async function compareAll() {
    if (comparing) return
    comparing = true
    const afterOutage = outage
    const states = afterOutage || ticks % TICKS_OF_STATES === 0
    outage = false
    try {
      if (await db.refreshEpoch()) newHistory()
      confirm()
      const number = ++comparisons
      // First, so that the heads are no older than what it sees.
      const snapshot = await comparePlaces(states)
      const heads = await compareHeads()
      if (states) await compareStandings()
      if (snapshot && states) unconfirmed = { number, snapshot, heads }
      if (afterOutage) for (const feed of feeds.values()) feed.compareReceipts()
    } catch (error) {
      outage ||= afterOutage
      log.warn({ err: error }, 'live conversations could not be compared with the database; trying again')
    } finally {
      comparing = false
    }
  }

  function newHistory() {
    log.warn({ epoch: db.epoch }, 'the database has another history: all clients are to fetch anew')
    placesSeen = null
    statesSeen = null
    unconfirmed = null
    confirmed = null
    // What they passed on may be none of it; whoever follows now begins anew.
    for (const [id, feed] of feeds) unfollowAll(id, feed)
    for (const callback of historyCallbacks) callback()
  }

  function confirm() {
    if (!unconfirmed?.heads.every(({ id, version }) => feeds.get(id)?.hasPassed(version) ?? true)) return
    confirmed = { number: unconfirmed.number, snapshot: unconfirmed.snapshot }
    unconfirmed = null
  }

  const timer = setInterval(() => {
    if (++ticks % TICKS_WITH_BUS === 0 || outage || !bus.isUp()) void compareAll()
  }, COMPARE_MS).unref()
  const offReconnect = bus.onReconnect(() => {
    outage = true
    void compareAll()
  })

  function feedOf(id: string): Feed {
    let feed = feeds.get(id)
    if (!feed) {
      feed = createFeed(id, { ...reads, log, clock, faults, soon: tellSoon })
      feeds.set(id, feed)
    }
    return feed
  }

  function unfollow(ids: Iterable<string>, subscriber: FeedSubscriber) {
    for (const id of ids) {
      const feed = feeds.get(id)
      if (!feed?.subscribers.delete(subscriber)) continue
      topics.unlisten(conversationTopic(id, shards))
      if (feed.subscribers.size > 0) continue
      feed.close()
      feeds.delete(id)
    }
  }

  function unfollowAll(id: string, feed: Feed) {
    for (const subscriber of feed.subscribers) unfollow([id], subscriber)
  }

  function unfollowUser(userId: string, subscriber: UserSubscriber) {
    const subscribers = users.get(userId)
    if (!subscribers?.delete(subscriber)) return
    topics.unlisten(userTopic(userId, shards))
    if (subscribers.size === 0) users.delete(userId)
  }

  return {
    ...reads,
    async follow(ids, subscriber) {
      const added = ids.filter((id) => !feedOf(id).subscribers.has(subscriber))
      for (const id of added) feedOf(id).subscribers.add(subscriber)
      try {
        // Listen first, then read: what is committed in between comes over the bus.
        await Promise.all(added.map((id) => topics.listen(conversationTopic(id, shards))))
        const heads = added.length === 1 ? [await reads.readHead(added[0]!)] : await reads.readHeads(added)
        for (const head of heads) if (head) feeds.get(head.id)?.head({ version: head.version, seq: head.seq })
        const isFollowed = added.every((id) => feeds.get(id)?.subscribers.has(subscriber))
        // The database turned out to have another history meanwhile.
        if (!isFollowed) throw new UnavailableError('The subscription was broken off. Subscribe again.')
      } catch (error) {
        unfollow(added, subscriber)
        throw error
      }
    },
    unfollow,
    async followUser(userId, subscriber) {
      const subscribers = users.get(userId) ?? new Set()
      users.set(userId, subscribers.add(subscriber))
      try {
        await topics.listen(userTopic(userId, shards))
        if (placesSeen === null) await comparePlaces()
      } catch (error) {
        unfollowUser(userId, subscriber)
        throw error
      }
    },
    unfollowUser,
    receipts: async (conversationId) => (await feeds.get(conversationId)?.receipts()) ?? [],
    onNewHistory: (callback) => void historyCallbacks.push(callback),
    comparisons: () => comparisons,
    lastComparison: () => confirmed,
    faults,
    async close() {
      clearInterval(timer)
      offReconnect()
      for (const feed of feeds.values()) feed.close()
      feeds.clear()
      users.clear()
      await topics.close()
    },
  }
}

function isUserTopic(topic: Topic): topic is `u:${number}` {
  return topic.startsWith('u:')
}
