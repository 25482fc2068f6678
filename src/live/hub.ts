import type { Bus } from '../bus/bus.ts'
import { conversationTopic, type Topic, type UserEvent, userTopic } from '../bus/topics.ts'
import type { Db } from '../db/client.ts'
import { readNewPlaces } from '../features/conversations/places.ts'
import { readChanges } from '../features/messages/changes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { createFeed, type Feed, type FeedSubscriber } from './feed.ts'

export type UserSubscriber = (event: UserEvent) => void

/** This node's interest in what happens: which topics it listens to, and who gets what comes in. */
export interface Hub {
  /**
   * From the moment it resolves on, the subscriber gets what happens in these conversations. Checks no access.
   */
  follow(conversationIds: readonly string[], subscriber: FeedSubscriber): Promise<void>
  unfollow(conversationIds: Iterable<string>, subscriber: FeedSubscriber): void
  /** The same for what concerns a user; coming into a conversation may be told twice. */
  followUser(userId: string, subscriber: UserSubscriber): Promise<void>
  unfollowUser(userId: string, subscriber: UserSubscriber): void
  close(): Promise<void>
}

/** How often the feeds are compared with the table, in milliseconds: an event that was lost comes this late at most. */
const COMPARE_MS = 5_000
/** How long a topic is listened to after the last one left, as people come back. */
const LINGER_MS = 30_000

interface HubDeps {
  bus: Bus
  db: Db
  /** The number of topics of each kind. */
  shards: number
  log: Logger
  clock: Clock
}

export function createHub({ bus, db, shards, log, clock }: HubDeps): Hub {
  const feeds = new Map<string, Feed>()
  const users = new Map<string, Set<UserSubscriber>>()
  const listening = new Map<Topic, { stop: Promise<() => Promise<void>>; interests: number; linger?: NodeJS.Timeout }>()
  let comparing = false
  /** What the last comparison of places had seen, as a pg_snapshot; taken before the first user reads its own. */
  let placesSeen: string | null = null

  function tellUser(event: UserEvent) {
    for (const subscriber of users.get(event.key) ?? []) subscriber(event)
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

  async function listen(topic: Topic) {
    let entry = listening.get(topic)
    if (!entry) {
      entry = { stop: subscribe(topic), interests: 0 }
      listening.set(topic, entry)
    }
    clearTimeout(entry.linger)
    entry.interests++
    await entry.stop
  }

  function unlisten(topic: Topic) {
    const entry = listening.get(topic)
    if (!entry || --entry.interests > 0) return
    entry.linger = setTimeout(async () => {
      listening.delete(topic)
      const stop = await entry.stop
      await stop()
    }, LINGER_MS).unref()
  }

  /** One statement for all feeds: where the table is ahead, the feed reads what it lacks. */
  async function compareHeads(ids: readonly string[]) {
    if (ids.length === 0) return
    const heads = await db.query<{ id: string; version: number }>(
      'SELECT id, version FROM conversations WHERE id = ANY($1::uuid[])',
      [ids],
    )
    for (const { id, version } of heads) feeds.get(id)?.head(version)
  }

  /** One statement for all users: tells of the conversations that they came into since the last time, once more. */
  async function comparePlaces() {
    if (users.size === 0) return
    const { places, snapshot } = await readNewPlaces(db, [...users.keys()], placesSeen)
    placesSeen = snapshot
    for (const { userId, conversationId } of places) {
      tellUser({ type: 'inbox', key: userId, conversationId, change: 'JOINED' })
    }
  }

  async function compareAll() {
    if (comparing) return
    comparing = true
    try {
      await compareHeads([...feeds.keys()])
      await comparePlaces()
    } catch (error) {
      log.warn({ err: error }, 'live conversations could not be compared with the database; trying again')
    } finally {
      comparing = false
    }
  }

  const timer = setInterval(compareAll, COMPARE_MS).unref()
  const offReconnect = bus.onReconnect(() => void compareAll())

  function feedOf(id: string): Feed {
    let feed = feeds.get(id)
    if (!feed) {
      feed = createFeed(id, (conversationId, after) => readChanges(db, conversationId, after), log, clock)
      feeds.set(id, feed)
    }
    return feed
  }

  function unfollow(ids: Iterable<string>, subscriber: FeedSubscriber) {
    for (const id of ids) {
      const feed = feeds.get(id)
      if (!feed?.subscribers.delete(subscriber)) continue
      unlisten(conversationTopic(id, shards))
      if (feed.subscribers.size > 0) continue
      feed.close()
      feeds.delete(id)
    }
  }

  function unfollowUser(userId: string, subscriber: UserSubscriber) {
    const subscribers = users.get(userId)
    if (!subscribers?.delete(subscriber)) return
    unlisten(userTopic(userId, shards))
    if (subscribers.size === 0) users.delete(userId)
  }

  return {
    async follow(ids, subscriber) {
      const added = ids.filter((id) => !feedOf(id).subscribers.has(subscriber))
      for (const id of added) feedOf(id).subscribers.add(subscriber)
      try {
        // Listen first, then read: what is committed in between comes over the bus.
        await Promise.all(added.map((id) => listen(conversationTopic(id, shards))))
        await compareHeads(added)
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
        await listen(userTopic(userId, shards))
        if (placesSeen === null) await comparePlaces()
      } catch (error) {
        unfollowUser(userId, subscriber)
        throw error
      }
    },
    unfollowUser,
    async close() {
      clearInterval(timer)
      offReconnect()
      for (const feed of feeds.values()) feed.close()
      feeds.clear()
      users.clear()
      for (const { linger, stop } of listening.values()) {
        clearTimeout(linger)
        await (await stop)()
      }
      listening.clear()
    },
  }
}

function isUserTopic(topic: Topic): topic is `u:${number}` {
  return topic.startsWith('u:')
}
