import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ConversationEvent, UserPayload } from '../../src/bus/topics.ts'
import type { Position } from '../../src/features/conversations/changes.ts'
import type { Receipt } from '../../src/features/reads/receipts.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createFeed, type FeedEvent } from '../../src/live/feed.ts'
import { CONVERSATION, createTable } from './model-table.ts'

const [ada, bo] = ['ada', 'bo'].map(
  (id): UserPayload => ({
    ...{ id, externalId: id, username: id, displayName: id, avatarUrl: null, role: null, type: 'HUMAN' },
  }),
) as [UserPayload, UserPayload]

/** A table, a feed over it, and one who is told. `beforeRead` comes before each read, and fails it where it throws. */
function createScene(
  options: { pageSize?: number; beforeRead?: () => Promise<void> | void; soon?: (tell: () => void) => void } = {},
) {
  const table = createTable({ founders: ['ada', 'bo'], ...options })
  const receipts = new Map<string, Receipt>()
  const reads: Position[] = []
  let receiptReads = 0
  const feed = createFeed(CONVERSATION, {
    async readChanges(_, after) {
      reads.push(after)
      await options.beforeRead?.()
      return table.changes(after, table.look(), table.look())
    },
    async readReceipts() {
      receiptReads++
      await options.beforeRead?.()
      return [...receipts.values()]
    },
    ...{ log: createLogger('silent'), clock: systemClock, faults: {} },
    soon: options.soon ?? ((tell) => tell()),
  })

  function subscribe() {
    const events: FeedEvent[] = []
    feed.subscribers.add({ receive: (event) => void events.push(event) })
    return { events, told: () => events.map(toldOf) }
  }
  return {
    ...{ table, feed, reads, receipts, subscribe },
    ...subscribe(),
    receiptReads: () => receiptReads,
    /** What the bus brings when it has the event and the event is not null. */
    receive: (...events: (ConversationEvent | null)[]) => {
      for (const event of events) if (event) feed.receive(event)
    },
  }
}

/** What was told, in a few words. */
function toldOf(event: FeedEvent): string {
  switch (event.type) {
    case 'message':
    case 'message-changed':
      return `${event.type} ${event.message.seq} at ${event.position.version}.${event.position.seq}`
    case 'participant':
      return `${event.userId} ${event.change} at ${event.position.version}.${event.position.seq}`
    case 'details':
      return `details at ${event.position.version}.${event.position.seq}`
    case 'ended':
      return event.ended === 'ALL'
        ? 'ended ALL'
        : `ended ${event.ended.map((each) => `${each.userId} ${each.version}`).join(', ')}`
    case 'read':
      return `${event.userId} read ${event.lastReadSeq}`
    case 'typing':
      return `${event.user.id} ${event.expiresAt ? 'types' : 'ended typing'}`
  }
}

/** The event as it is where it was too big for the bus. */
function bare(event: ConversationEvent | null): ConversationEvent {
  if (event?.type === 'participants') return { ...event, participants: null }
  if (event?.type === 'message' || event?.type === 'message-changed') return { ...event, message: null }
  throw new Error('nothing of it is left out')
}

function readOf(user: UserPayload, lastReadSeq: number): ConversationEvent {
  return { type: 'read', key: CONVERSATION, user, lastReadSeq, readAt: '2026-11-20T10:00:00.000Z' }
}

const receiptOf = (userId: string, lastReadSeq: number): Receipt => ({
  ...{ userId, lastReadSeq, readAt: new Date('2026-11-20T10:00:00.000Z') },
})

/** Lets the reads that are under way come to their end, and those that follow from them. */
async function settle() {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

describe('what comes in one turn', () => {
  /** A scene whose turn ends when it is said. */
  function createTurn() {
    const due: (() => void)[] = []
    const scene = createScene({ soon: (tell) => void due.push(tell) })
    scene.feed.head(scene.table.head())
    return { ...scene, due, endTurn: () => due.splice(0).map((tell) => tell()) }
  }

  test('is told at its end, all of it to one and then to the next', () => {
    const { table, feed, receive, due, endTurn } = createTurn()
    const told: string[] = []
    for (const name of ['first', 'second']) {
      feed.subscribers.add({ receive: (event) => void told.push(`${name}: ${toldOf(event)}`) })
    }
    receive(table.send(), table.send())
    expect(told).toEqual([])
    expect(due).toHaveLength(1)
    endTurn()
    expect(told).toEqual([
      'first: message 1 at 1.1',
      'first: message 2 at 2.2',
      'second: message 1 at 1.1',
      'second: message 2 at 2.2',
    ])
  })

  test('has not been passed on before it is told', () => {
    const { table, feed, receive, endTurn } = createTurn()
    receive(table.send())
    expect(feed.hasPassed(1)).toBe(false)
    endTurn()
    expect(feed.hasPassed(1)).toBe(true)
  })

  test('is told to the others where one fails to take it', () => {
    const { table, feed, receive, told, subscribe, endTurn } = createTurn()
    feed.subscribers.add({
      receive() {
        throw new Error('on purpose')
      },
    })
    const after = subscribe()
    receive(table.send())
    endTurn()
    expect([told(), after.told()]).toEqual([['message 1 at 1.1'], ['message 1 at 1.1']])
  })
})

describe('each change once and in order', () => {
  test('each kind, as it comes', () => {
    const { table, feed, receive, told, reads } = createScene()
    feed.head(table.head())
    receive(table.send(), table.edit(1), table.join(['cy']), table.changePlace('cy', 'ROLE_CHANGED'))
    receive(table.changeDetails(), table.send(), table.remove(2), table.changePlace('bo', 'REMOVED'))
    expect(told()).toEqual([
      'message 1 at 1.1',
      'message-changed 1 at 2.1',
      'ended cy 3',
      'cy JOINED at 3.1',
      'cy ROLE_CHANGED at 4.1',
      'details at 5.1',
      'message 2 at 6.2',
      'message-changed 2 at 7.2',
      'ended bo 8',
      'bo REMOVED at 8.2',
    ])
    expect(reads).toEqual([])
  })

  test('what was there before the feed began is not news', async () => {
    const { table, feed, receive, told } = createScene()
    const old = table.send()
    feed.head(table.head())
    receive(old, table.send())
    await settle()
    expect(told()).toEqual(['message 2 at 2.2'])
  })

  test('events that come before the first head wait for it', () => {
    const { table, feed, receive, told, reads } = createScene()
    table.send()
    const head = table.head()
    receive(table.send())
    expect(told()).toEqual([])
    feed.head(head)
    expect(told()).toEqual(['message 2 at 2.2'])
    expect(reads).toEqual([])
  })

  test('a repeat is dropped, at once or later', async () => {
    const { table, feed, receive, told, reads } = createScene()
    feed.head(table.head())
    const [message, joined] = [table.send(), table.join(['cy', 'di'])]
    receive(message, message, joined, joined, table.changeDetails(), joined, message)
    await settle()
    expect(told()).toHaveLength(5)
    expect(reads).toEqual([])
  })

  test('several who came in at once have a version each, and none overtakes them', async () => {
    const { table, feed, receive, told, reads } = createScene()
    feed.head(table.head())
    receive(table.join(['cy', 'di', 'eva']), table.send())
    expect(told()).toEqual([
      'ended cy 1, di 2, eva 3',
      'cy JOINED at 1.0',
      'di JOINED at 2.0',
      'eva JOINED at 3.0',
      'message 1 at 4.1',
    ])
    expect(reads).toEqual([])
  })

  test('a change of role ends no access', () => {
    const { table, feed, receive, told } = createScene()
    feed.head(table.head())
    receive(table.changePlace('bo', 'ROLE_CHANGED'))
    expect(told()).toEqual(['bo ROLE_CHANGED at 1.0'])
  })

  test('all access ends before a deletion is told', () => {
    const { table, feed, receive, told } = createScene()
    feed.head(table.head())
    receive(table.changeDetails(true))
    expect(told()).toEqual(['ended ALL', 'details at 1.0'])
  })

  test('what has been passed on is known by its version', async () => {
    const { table, feed, receive } = createScene()
    expect(feed.hasPassed(0)).toBe(false)
    feed.head(table.head())
    expect([feed.hasPassed(0), feed.hasPassed(1)]).toEqual([true, false])
    const lost = table.send()
    receive(table.send())
    expect([lost.key, feed.hasPassed(1)]).toEqual([CONVERSATION, false])
    await settle()
    expect([feed.hasPassed(2), feed.hasPassed(3)]).toEqual([true, false])
  })
})

describe('a hole', () => {
  test('is read once for all subscribers, and nothing overtakes it', async () => {
    const { table, feed, receive, told, subscribe, reads } = createScene()
    const others = [subscribe(), subscribe()]
    feed.head(table.head())
    table.send()
    table.join(['cy'])
    receive(table.send(), table.edit(2))
    expect(told()).toEqual([])
    await settle()
    // The edit had its place in the table when the hole was read.
    const expected = ['ended cy 2', 'message 1 at 0.1', 'message 2 at 0.2', 'cy JOINED at 2.2']
    for (const each of [told, ...others.map((other) => other.told)]) expect(each()).toEqual(expected)
    expect(reads).toEqual([{ version: 0, seq: 0 }])
    receive(table.changeDetails())
    expect(told().at(-1)).toBe('details at 5.2')
    expect(reads).toHaveLength(1)
  })

  test('of more than a page is read page by page, from where the last one ended', async () => {
    const { table, feed, told, reads } = createScene({ pageSize: 3 })
    feed.head(table.head())
    for (let count = 0; count < 7; count++) table.send()
    for (let seq = 1; seq < 5; seq++) table.edit(seq)
    feed.head(table.head())
    await settle()
    expect(told()).toEqual([
      ...[1, 2, 3, 4, 5, 6].map((seq) => `message ${seq} at 0.${seq}`),
      'message 7 at 0.7',
      'message-changed 1 at 8.7',
      'message-changed 2 at 9.7',
      'message-changed 3 at 10.7',
      'message-changed 4 at 11.7',
    ])
    expect(reads.map(({ version, seq }) => `${version}.${seq}`)).toEqual(['0.0', '0.3', '0.6', '10.7'])
  })

  test('is told of what came meanwhile, which is not read again', async () => {
    let answer = () => {}
    const { table, feed, receive, told, reads } = createScene({
      beforeRead: () => new Promise<void>((resolve) => (answer = resolve)),
    })
    feed.head(table.head())
    table.send()
    feed.head(table.head())
    receive(table.send())
    answer()
    await settle()
    receive(table.send())
    expect(told()).toEqual(['message 1 at 0.1', 'message 2 at 0.2', 'message 3 at 3.3'])
    expect(reads).toHaveLength(1)
  })

  test('has the end of access in it before its messages', async () => {
    const { table, feed, told } = createScene()
    feed.head(table.head())
    table.changePlace('bo', 'LEFT')
    table.send()
    feed.head(table.head())
    await settle()
    expect(told()).toEqual(['ended bo 1', 'message 1 at 0.1', 'bo LEFT at 1.1'])
  })

  test('in a conversation that was deleted ends all access and tells nothing more', async () => {
    const { table, feed, told } = createScene()
    feed.head(table.head())
    table.send()
    table.changeDetails(true)
    feed.head(table.head())
    await settle()
    expect(told()).toEqual(['ended ALL'])
  })

  test('that nothing carries any more holds nothing up', async () => {
    const { table, feed, receive, told } = createScene()
    table.send()
    feed.head(table.head())
    table.edit(1)
    table.edit(1)
    receive(table.edit(1))
    await settle()
    receive(table.send())
    expect(told()).toEqual(['message-changed 1 at 4.1', 'message 2 at 5.2'])
  })

  test.each([
    ['a message', (table: ReturnType<typeof createTable>) => table.send(), ['message 2 at 1.2']],
    ['an edited message', (table: ReturnType<typeof createTable>) => table.edit(1), ['message-changed 1 at 2.1']],
    [
      'participants',
      (table: ReturnType<typeof createTable>) => table.join(['cy', 'di']),
      ['ended cy 2, di 3', 'cy JOINED at 2.1', 'di JOINED at 3.1'],
    ],
  ])('is where %s was too big for the bus', async (_, commit, expected) => {
    const { table, feed, receive, told, reads } = createScene()
    table.send()
    feed.head(table.head())
    receive(bare(commit(table)))
    await settle()
    receive(table.changeDetails())
    expect(told()).toEqual([...expected, expect.stringMatching(/^details/)])
    expect(reads).toEqual([{ version: 1, seq: 1 }])
  })

  test('before an event of a history that the table does not have holds nothing up', async () => {
    const { table, feed, receive, told } = createScene()
    const other = createTable()
    for (let count = 0; count < 6; count++) other.send()
    feed.head(table.head())
    receive(other.send())
    await settle()
    receive(table.send())
    await settle()
    expect(told()).toEqual(['message 1 at 1.1'])
  })
})

describe('receipts', () => {
  test('are told as they come while nobody asked for them', () => {
    const { feed, receive, events, told, receiptReads } = createScene()
    receive(readOf(ada, 3), readOf(ada, 3))
    feed.compareReceipts()
    expect(told()).toEqual(['ada read 3', 'ada read 3'])
    expect(events[0]).toMatchObject({ userId: 'ada', readAt: new Date('2026-11-20T10:00:00.000Z') })
    expect(receiptReads()).toBe(0)
  })

  test('are read once, kept from then on, and told each time they go forward', async () => {
    const { feed, receipts, receive, told, receiptReads } = createScene()
    receipts.set('ada', receiptOf('ada', 3))
    expect(await feed.receipts()).toEqual([receiptOf('ada', 3)])
    receive(readOf(ada, 3), readOf(ada, 2), readOf(ada, 4), readOf(bo, 1), readOf(ada, 4))
    await settle()
    expect(told()).toEqual(['ada read 4', 'bo read 1'])
    expect(await feed.receipts()).toMatchObject([
      { userId: 'ada', lastReadSeq: 4 },
      { userId: 'bo', lastReadSeq: 1 },
    ])
    expect(receiptReads()).toBe(1)
  })

  test('those of up to 100 who read last are given, and none of who has left', async () => {
    const { feed, receive } = createScene()
    feed.head({ version: 0, seq: 0 })
    await feed.receipts()
    for (let number = 1; number <= 150; number++) {
      receive({
        type: 'read',
        key: CONVERSATION,
        user: { ...ada, id: `user ${number}` },
        lastReadSeq: 1,
        readAt: new Date(number).toISOString(),
      })
    }
    receive({
      type: 'participants',
      key: CONVERSATION,
      from: 1,
      participants: [{ userId: 'user 150', change: 'LEFT' }],
    })
    await vi.waitFor(async () => {
      const users = (await feed.receipts()).map(({ userId }) => userId)
      expect(users).toEqual(Array.from({ length: 100 }, (_, index) => `user ${149 - index}`))
    })
  })

  test('that moved unheard are found by a comparison', async () => {
    const { feed, receipts, told } = createScene()
    receipts.set('ada', receiptOf('ada', 3)).set('bo', receiptOf('bo', 3))
    await feed.receipts()
    receipts.set('ada', receiptOf('ada', 5))
    feed.compareReceipts()
    feed.compareReceipts()
    await settle()
    expect(told()).toEqual(['ada read 5'])
  })

  test('are compared where a hole was found too', async () => {
    const { table, feed, receipts, told } = createScene()
    feed.head(table.head())
    await feed.receipts()
    table.send()
    receipts.set('bo', receiptOf('bo', 1))
    feed.head(table.head())
    await settle()
    expect(told()).toEqual(['message 1 at 0.1', 'bo read 1'])
  })

  test('that could not be read are read when next asked for', async () => {
    let down = true
    const { feed, receipts } = createScene({
      beforeRead: () => {
        if (down) throw new Error('down')
      },
    })
    receipts.set('ada', receiptOf('ada', 3))
    await expect(feed.receipts()).rejects.toThrow('down')
    down = false
    expect(await feed.receipts()).toEqual([receiptOf('ada', 3)])
    down = true
    feed.compareReceipts()
    await settle()
    down = false
    expect(await feed.receipts()).toEqual([receiptOf('ada', 3)])
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
    const { table, feed, receive, told, reads } = createScene({
      beforeRead: () => {
        if (down) throw new Error('down')
      },
    })
    feed.head(table.head())
    table.send()
    receive(table.send())
    await vi.advanceTimersByTimeAsync(3_000)
    receive(table.send())
    expect(told()).toEqual([])
    expect(reads.length).toBeGreaterThan(1)
    down = false
    await vi.advanceTimersByTimeAsync(3_000)
    receive(table.send())
    expect(told()).toEqual(['message 1 at 0.1', 'message 2 at 0.2', 'message 3 at 0.3', 'message 4 at 4.4'])
  })

  test('where a page could not be read, the rest is read before anything else is taken', async () => {
    let down = false
    const { table, feed, receive, told, reads } = createScene({
      pageSize: 2,
      beforeRead: () => {
        if (down) throw new Error('down')
        down = reads.length === 1
      },
    })
    feed.head(table.head())
    const late = table.send()
    table.send()
    receive(table.send())
    await vi.advanceTimersByTimeAsync(0)
    expect(told()).toEqual(['message 1 at 0.1', 'message 2 at 0.2'])
    receive(late)
    table.edit(2)
    down = false
    await vi.advanceTimersByTimeAsync(3_000)
    expect(told().slice(2)).toEqual(['message 3 at 0.3', 'message-changed 2 at 4.3'])
  })

  test('a closed feed reads nothing more, not even again', async () => {
    let fail = (_: Error) => {}
    const { table, feed, reads } = createScene({
      beforeRead: () => new Promise<void>((_, reject) => (fail = reject)),
    })
    feed.head(table.head())
    table.send()
    feed.head(table.head())
    feed.close()
    fail(new Error('the pool has ended'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(reads).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('typing ends by itself, told once', async () => {
    const { receive, told } = createScene()
    receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(5_999)
    expect(told()).toEqual(['ada types'])
    await vi.advanceTimersByTimeAsync(1)
    expect(told()).toEqual(['ada types', 'ada ended typing'])
    receive(typing(ada, null))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(told()).toEqual(['ada types', 'ada ended typing'])
  })

  test('typing that is said again lasts longer', async () => {
    const { receive, told } = createScene()
    receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(4_000)
    receive(typing(ada, 6))
    await vi.advanceTimersByTimeAsync(5_999)
    expect(told()).toEqual(['ada types', 'ada types'])
    await vi.advanceTimersByTimeAsync(1)
    expect(told()).toEqual(['ada types', 'ada types', 'ada ended typing'])
  })

  test("typing ends with the typist's message, before it, and with nobody else's", () => {
    const { table, feed, receive, told } = createScene()
    feed.head(table.head())
    receive(typing(ada, 6), table.send('bo'), table.send('ada'))
    expect(told()).toEqual(['ada types', 'message 1 at 1.1', 'ada ended typing', 'message 2 at 2.2'])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('a closed feed leaves no timer', () => {
    const { feed, receive } = createScene()
    receive(typing(ada, 6))
    feed.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})
