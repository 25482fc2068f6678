import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ConversationEvent, UserPayload } from '../../src/bus/topics.ts'
import type { Changes } from '../../src/features/messages/changes.ts'
import type { MessageRow } from '../../src/features/messages/message.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createFeed, type FeedEvent } from '../../src/live/feed.ts'

const CONVERSATION = 'c'
const log = createLogger('silent')

const ada: UserPayload = {
  id: 'ada',
  externalId: 'ada',
  username: 'ada',
  displayName: 'Ada',
  avatarUrl: null,
  role: null,
  type: 'HUMAN',
}

/** The row of a message whose seq is its version, to keep the arithmetic of these tests plain. */
function messageOf(version: number, senderId: string | null = null): MessageRow {
  return {
    conversationId: CONVERSATION,
    seq: version,
    version,
    senderId,
    kind: 'TEXT',
    body: `version ${version}`,
    metadata: {},
    replyToSeq: null,
    idempotencyKey: null,
    createdAt: new Date(0),
  }
}

/** What the bus carries of it: `withRow` false for one that was too big. */
function eventOf(message: MessageRow, withRow = true): ConversationEvent {
  const { version, seq } = message
  const payload = { ...message, sender: null, createdAt: message.createdAt.toISOString() }
  return { type: 'message', key: CONVERSATION, version, seq, message: withRow ? payload : null }
}

/** A table of versions, some of which carry a message, and a feed over it. */
function createScene({
  pageSize = 500,
  read = async () => {},
}: {
  pageSize?: number
  read?: () => Promise<void>
} = {}) {
  const versions: (MessageRow | null)[] = []
  let reads = 0

  async function readChanges(_id: string, after: number): Promise<Changes> {
    reads++
    const head = versions.length
    const messages = versions.slice(after).filter((message) => message !== null)
    const page = messages.slice(0, pageSize)
    await read()
    const more = page.length === pageSize
    return { messages: page, ended: [], version: more ? page.at(-1)!.version : head, more }
  }

  const feed = createFeed(CONVERSATION, readChanges, log, systemClock)
  return {
    feed,
    reads: () => reads,
    head: () => versions.length,
    /** Commits the next version: a message, or something that is none. */
    commit(withMessage = true, senderId: string | null = null): MessageRow | null {
      const message = withMessage ? messageOf(versions.length + 1, senderId) : null
      versions.push(message)
      return message
    },
    messagesAfter: (version: number) =>
      versions.slice(version).flatMap((message) => (message ? [message.version] : [])),
    subscribe() {
      const events: FeedEvent[] = []
      feed.subscribers.add((_, event) => events.push(event))
      return {
        events,
        versions: () => events.flatMap((event) => (event.type === 'message' ? [event.message.version] : [])),
        typing: () => events.flatMap((event) => (event.type === 'typing' ? [event.expiresAt !== null] : [])),
      }
    },
  }
}

/** Mulberry32: numbers from 0 to below 1, the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Lets the reads that are under way come to their end, and those that follow from them. */
async function settle() {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

describe('whatever the bus repeats, swaps or loses', () => {
  /** One history of 40 versions: commits, deliveries in any order, repeats, losses and comparisons, as the seed has it. */
  async function play(seed: number) {
    const random = createRandom(seed)
    const chance = (probability: number) => random() < probability
    const scene = createScene({
      pageSize: 1 + Math.floor(random() * 6),
      read: async () => {
        for (let pause = Math.floor(random() * 4); pause > 0; pause--) await new Promise(setImmediate)
      },
    })
    const { feed } = scene
    const subscriber = scene.subscribe()
    const underWay: ConversationEvent[] = []
    const start = Math.floor(random() * 10)
    let headAtStart: number | null = null

    while (scene.head() < 40 || underWay.length > 0) {
      if (headAtStart === null && scene.head() >= start) {
        headAtStart = scene.head()
        // A read takes its time: events may come before its answer.
        if (chance(0.5)) deliverOne()
        feed.head(headAtStart)
      }
      if (scene.head() < 40 && chance(0.5)) {
        const message = scene.commit(chance(0.8))
        if (message) underWay.push(eventOf(message, chance(0.8)))
      }
      if (underWay.length > 0 && chance(0.5)) deliverOne()
      if (headAtStart !== null && chance(0.1)) feed.head(scene.head())
      if (chance(0.3)) await new Promise(setImmediate)
    }

    function deliverOne() {
      const at = Math.floor(random() * underWay.length)
      const event = underWay[at]
      if (!event) return
      if (!chance(0.15)) feed.receive(event)
      if (!chance(0.15)) underWay.splice(at, 1)
    }

    // The next comparison with the table finds what was lost at the very end.
    feed.head(scene.head())
    const expected = scene.messagesAfter(headAtStart!)
    for (let turn = 0; turn < 500 && subscriber.versions().length < expected.length; turn++) {
      await new Promise(setImmediate)
    }
    await settle()
    return { seen: subscriber.versions(), expected }
  }

  test('each version comes once and in order', async () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const { seen, expected } = await play(seed)
      expect(seen, `seed ${seed}`).toEqual(expected)
    }
  })
})

describe('in detail', () => {
  test('what was there before the feed began is not news', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    const old = scene.commit()!
    scene.feed.head(1)
    scene.feed.receive(eventOf(old))
    scene.feed.receive(eventOf(scene.commit()!))
    await settle()
    expect(subscriber.versions()).toEqual([2])
  })

  test('events that come before the first head wait for it', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.commit()
    const early = scene.commit()!
    scene.feed.receive(eventOf(early))
    expect(subscriber.versions()).toEqual([])
    scene.feed.head(1)
    expect(subscriber.versions()).toEqual([2])
    expect(scene.reads()).toBe(0)
  })

  test('what follows without a gap costs no read', () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    for (let count = 0; count < 5; count++) scene.feed.receive(eventOf(scene.commit()!))
    expect(subscriber.versions()).toEqual([1, 2, 3, 4, 5])
    expect(scene.reads()).toBe(0)
  })

  test('a hole is read once for all subscribers, and nothing overtakes it', async () => {
    const scene = createScene()
    const subscribers = [scene.subscribe(), scene.subscribe(), scene.subscribe()]
    scene.feed.head(0)
    scene.commit()
    scene.commit()
    scene.feed.receive(eventOf(scene.commit()!))
    scene.feed.receive(eventOf(scene.commit()!))
    for (const subscriber of subscribers) expect(subscriber.versions()).toEqual([])
    await settle()
    for (const subscriber of subscribers) expect(subscriber.versions()).toEqual([1, 2, 3, 4])
    expect(scene.reads()).toBe(1)
  })

  test('a hole larger than a page of the table has no hole in it', async () => {
    const scene = createScene({ pageSize: 3 })
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    for (let count = 0; count < 10; count++) scene.commit()
    scene.feed.head(10)
    await settle()
    expect(subscriber.versions()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('a message too big for the bus is read', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    scene.feed.receive(eventOf(scene.commit()!, false))
    await settle()
    expect(subscriber.events).toEqual([{ type: 'message', message: messageOf(1) }])
  })

  test('versions that no message carries hold nothing up', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    scene.commit(false)
    scene.commit(false)
    scene.feed.receive(eventOf(scene.commit()!))
    await settle()
    expect(subscriber.versions()).toEqual([3])
  })

  test('an event of a history that the table does not have holds nothing up', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    scene.feed.receive(eventOf(messageOf(7)))
    await settle()
    scene.feed.receive(eventOf(scene.commit()!))
    await settle()
    expect(subscriber.versions()).toEqual([1])
  })

  test('receipts are passed on as they come', () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.receive({
      type: 'read',
      key: CONVERSATION,
      user: ada,
      lastReadSeq: 3,
      readAt: '2026-11-20T10:00:00.000Z',
    })
    expect(subscriber.events).toMatchObject([
      { type: 'read', user: ada, lastReadSeq: 3, readAt: new Date('2026-11-20T10:00:00.000Z') },
    ])
  })
})

describe('with time passing', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const typing = (user: UserPayload, seconds: number | null): ConversationEvent => ({
    type: 'typing',
    key: CONVERSATION,
    user,
    expiresAt: seconds === null ? null : new Date(Date.now() + seconds * 1000).toISOString(),
  })

  test('a table that cannot be read is tried again, and nothing overtakes what it holds', async () => {
    let down = true
    const scene = createScene({
      read: async () => {
        if (down) throw new Error('down')
      },
    })
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    scene.commit()
    scene.feed.receive(eventOf(scene.commit()!))
    await vi.advanceTimersByTimeAsync(3_000)
    scene.feed.receive(eventOf(scene.commit()!))
    expect(subscriber.versions()).toEqual([])
    expect(scene.reads()).toBeGreaterThan(1)
    down = false
    await vi.advanceTimersByTimeAsync(3_000)
    expect(subscriber.versions()).toEqual([1, 2, 3])
  })

  test('a closed feed reads nothing more, not even again', async () => {
    let fail = (_: Error) => {}
    const scene = createScene({ read: () => new Promise((_, reject) => (fail = reject)) })
    scene.feed.head(0)
    scene.commit()
    scene.feed.head(1)
    scene.feed.close()
    fail(new Error('the pool has ended'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(scene.reads()).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('typing ends by itself, told once', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(5_999)
    expect(subscriber.typing()).toEqual([true])
    await vi.advanceTimersByTimeAsync(1)
    expect(subscriber.typing()).toEqual([true, false])
    scene.feed.receive(typing(ada, null))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(subscriber.typing()).toEqual([true, false])
  })

  test('typing that is said again lasts longer', async () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(4_000)
    scene.feed.receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(5_999)
    expect(subscriber.typing()).toEqual([true, true])
    await vi.advanceTimersByTimeAsync(1)
    expect(subscriber.typing()).toEqual([true, true, false])
  })

  test("typing ends with the typist's message, before it, and with nobody else's", () => {
    const scene = createScene()
    const subscriber = scene.subscribe()
    scene.feed.head(0)
    scene.feed.receive(typing(ada, 6))
    scene.feed.receive(eventOf(scene.commit(true, 'bo')!))
    expect(subscriber.typing()).toEqual([true])
    scene.feed.receive(eventOf(scene.commit(true, 'ada')!))
    expect(subscriber.events.map((event) => event.type)).toEqual(['typing', 'message', 'typing', 'message'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a closed feed leaves no timer', () => {
    const scene = createScene()
    scene.feed.receive(typing(ada, 6))
    scene.feed.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
