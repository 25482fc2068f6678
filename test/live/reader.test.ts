import { describe, expect, test } from 'vitest'
import type { Changes, Position } from '../../src/features/conversations/changes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createFeed, type FeedEvent } from '../../src/live/feed.ts'
import { createReader, type Place } from '../../src/live/reader.ts'
import { CONVERSATION, createTable } from './model-table.ts'

/** What a reader holds of what happens while it isn't live. */
const MAX_HELD = 1_000

/** A table, a reader over it, and a feed before it that has got as far as the table. */
function createScene({ pageSize = 500 }: { pageSize?: number } = {}) {
  const table = createTable({ founders: ['ada', 'bo'], pageSize })
  const passed: string[] = []
  const reads: Position[] = []
  let beforeAnswer = () => {}
  const reader = createReader({
    async readChanges(after): Promise<Changes> {
      reads.push(after)
      const changes = table.changes(after, table.look(), table.look())
      beforeAnswer()
      return changes
    },
    pass: (event) => {
      const { version, seq } = reader.position()
      passed.push(`${nameOf(event)} at ${version}.${seq}`)
    },
    end: () => passed.push('end'),
    faults: {},
  })
  const feed = createFeed(CONVERSATION, {
    readChanges: async (_, after) => table.changes(after, table.look(), table.look()),
    readReceipts: async () => [],
    ...{ log: createLogger('silent'), clock: systemClock, faults: {}, soon: (tell) => tell() },
  })
  feed.head(table.head())
  feed.subscribers.add(reader)

  return {
    ...{ table, feed, reader, passed, reads },
    /** What comes to the feed while the reader waits for the answer that it asks for next. */
    meanwhile(happen: () => void) {
      beforeAnswer = () => {
        beforeAnswer = () => {}
        happen()
      }
    },
    happens: (...events: (Parameters<typeof feed.receive>[0] | null)[]) => {
      for (const event of events) if (event) feed.receive(event)
    },
    /** Where the table is now, as Ada, who was there from the beginning. */
    start: (at: Position, place: Partial<Place> = {}) =>
      reader.start({ userId: 'ada', since: table.head().version, from: 1, ...place }, at),
  }
}

function nameOf(event: FeedEvent): string {
  if ('message' in event) return `${event.type} ${event.message.seq}`
  return event.type === 'participant' ? `${event.userId} ${event.change}` : event.type
}

const BEGINNING: Position = { version: 0, seq: 0 }

function types(userId: string): Parameters<ReturnType<typeof createFeed>['receive']>[0] {
  const user = { id: userId, externalId: userId, username: userId, displayName: userId, avatarUrl: null, role: null }
  return { type: 'typing', key: CONVERSATION, user: { ...user, type: 'HUMAN' }, expiresAt: null }
}

describe('a reader that has missed nothing', () => {
  test('passes on what comes, by where it has got to', () => {
    const { table, reader, passed, reads, start, happens } = createScene()
    start(BEGINNING)
    reader.goLive()
    happens(table.send(), table.edit(1), table.join(['cy']), table.changeDetails())
    expect(passed).toEqual(['message 1 at 1.1', 'message-changed 1 at 2.1', 'cy JOINED at 3.1', 'details at 4.1'])
    expect([reader.isLive(), reader.position(), reads]).toEqual([true, { version: 4, seq: 1 }, []])
  })

  test('holds what comes before it begins, and drops what it has by then', () => {
    const { table, reader, passed, start, happens } = createScene()
    happens(table.send(), table.edit(1))
    const at = table.head()
    happens(table.edit(1), table.send())
    start(at)
    expect(passed).toEqual([])
    reader.goLive()
    expect(passed).toEqual(['message-changed 1 at 3.1', 'message 2 at 4.2'])
  })

  test('passes on an edit that its feed, which was behind, has read as a new message', async () => {
    const { table, feed, reader, passed, start } = createScene()
    for (let count = 0; count < 2; count++) table.send()
    start(table.head())
    reader.goLive()
    table.edit(1)
    feed.head(table.head())
    await reader.readMissed()
    await new Promise(setImmediate)
    expect(passed).toEqual(['message-changed 1 at 2.2'])
  })
})

describe('a reader that goes on from a position', () => {
  test('is passed what it missed page by page, then what it held, and is live', async () => {
    const { table, reader, passed, reads, start, meanwhile, happens } = createScene({ pageSize: 2 })
    happens(table.send(), table.send(), table.send(), table.edit(1), table.join(['cy']))
    start(BEGINNING)
    meanwhile(() => happens(table.send(), table.edit(2)))
    expect(await reader.readMissed()).toBe(true)
    expect(passed).toEqual(['message 1 at 0.1', 'message 2 at 0.2'])
    expect(await reader.readMissed()).toBe(true)
    expect(reader.isLive()).toBe(false)
    expect(await reader.readMissed()).toBe(false)
    expect(reader.isLive()).toBe(true)
    happens(table.send())
    expect(passed.slice(2)).toEqual([
      'message 3 at 0.3',
      'message 4 at 0.4',
      'message-changed 1 at 4.4',
      'cy JOINED at 5.4',
      'message-changed 2 at 7.4',
      'message 5 at 8.5',
    ])
    expect(reads).toEqual([BEGINNING, { version: 0, seq: 2 }, { version: 7, seq: 4 }])
    expect(await reader.readMissed()).toBe(false)
    expect(reads).toHaveLength(3)
  })

  test('lets through what came after its last read, once', async () => {
    const { table, reader, passed, start, meanwhile, happens } = createScene()
    happens(table.send())
    start(BEGINNING)
    meanwhile(() => happens(table.edit(1), table.send(), types('bo')))
    expect(await reader.readMissed()).toBe(false)
    expect(passed).toEqual(['message 1 at 0.1', 'message-changed 1 at 2.1', 'message 2 at 3.2'])
  })

  test('reads once more what it could not hold', async () => {
    const { table, reader, passed, reads, start, meanwhile, happens } = createScene()
    happens(table.send())
    start(BEGINNING)
    meanwhile(() => {
      for (let count = 0; count <= MAX_HELD; count++) happens(table.edit(1))
      happens(table.send())
    })
    expect(await reader.readMissed()).toBe(true)
    expect(await reader.readMissed()).toBe(false)
    expect(passed).toEqual(['message 1 at 0.1', 'message 2 at 1.2', 'message-changed 1 at 1002.2'])
    expect(reads).toHaveLength(2)
  })

  test('that has missed nothing either reads what it could not hold before it began', async () => {
    const { table, reader, passed, start, happens } = createScene()
    const at = table.head()
    happens(table.send())
    for (let count = 0; count <= MAX_HELD; count++) happens(table.edit(1))
    start(at)
    reader.goLive()
    expect(reader.isLive()).toBe(false)
    expect(await reader.readMissed()).toBe(false)
    expect(passed).toEqual(['message 1 at 0.1'])
  })

  test('fails where the table can not be read, and has lost nothing by it', async () => {
    const { table, reader, passed, start, meanwhile, happens } = createScene()
    happens(table.send())
    start(BEGINNING)
    meanwhile(() => {
      throw new Error('down')
    })
    await expect(reader.readMissed()).rejects.toThrow('down')
    expect(await reader.readMissed()).toBe(false)
    expect(passed).toEqual(['message 1 at 0.1'])
  })
})

describe('what a viewer may see', () => {
  test('begins with a message, edits included, and all else is passed on', async () => {
    const { table, reader, passed, start, happens } = createScene()
    happens(table.send(), table.send(), table.send(), table.edit(1))
    start({ version: 3, seq: 0 }, { from: 3 })
    await reader.readMissed()
    happens(table.edit(2), table.edit(3), table.changeDetails(), table.send())
    expect(passed).toEqual(['message 3 at 3.3', 'message-changed 3 at 6.3', 'details at 7.3', 'message 4 at 8.4'])
    expect(reader.position()).toEqual({ version: 8, seq: 4 })
  })

  test('does not grow by an edit that comes early', async () => {
    const { table, feed, reader, passed, start } = createScene()
    table.send()
    start(table.head(), { from: 2 })
    reader.goLive()
    table.edit(1)
    feed.head(table.head())
    await new Promise(setImmediate)
    expect(passed).toEqual([])
  })

  test('is nothing more once access is over, however much comes', async () => {
    const { table, reader, passed, start, happens } = createScene()
    start(BEGINNING)
    reader.goLive()
    const late = table.send()
    happens(late, table.changePlace('ada', 'REMOVED'), table.send(), table.changePlace('bo', 'LEFT'), late)
    happens(table.join(['ada']), table.send(), table.changeDetails(true), types('bo'))
    expect(passed).toEqual(['message 1 at 1.1', 'end'])
    expect(await reader.readMissed()).toBe(false)
    reader.goLive()
    expect([passed.length, reader.isLive()]).toEqual([2, false])
  })

  test('is nothing of a hole that has the end of access in it', async () => {
    const { table, feed, reader, passed, start } = createScene()
    start(BEGINNING)
    reader.goLive()
    table.send()
    table.changePlace('ada', 'LEFT')
    table.send()
    feed.head(table.head())
    await new Promise(setImmediate)
    expect(passed).toEqual(['end'])
  })

  test('is nothing of what was missed where access ended while it was read', async () => {
    const { table, reader, passed, start } = createScene()
    start(BEGINNING)
    table.changePlace('ada', 'LEFT')
    table.send()
    expect(await reader.readMissed()).toBe(false)
    expect(passed).toEqual(['end'])
  })

  test.each(['before it begins', 'before its first read', 'while it reads'])(
    'ends by what comes over the bus %s',
    async (when) => {
      const { table, reader, passed, start, meanwhile, happens } = createScene()
      const since = table.head().version
      happens(table.send())
      const leave = () => happens(table.changePlace('ada', 'LEFT'))
      if (when === 'before it begins') leave()
      start(BEGINNING, { since })
      if (when === 'before its first read') leave()
      if (when === 'while it reads') meanwhile(leave)
      expect(await reader.readMissed()).toBe(false)
      expect(passed).toEqual(['end'])
    },
  )
})

describe('when three come in at once, with the versions 4, 5 and 6,', () => {
  /** Whether the access that a viewer had at a version is over by it. */
  function isOver(userId: string | null, since: number): boolean {
    const { table, reader, passed, start, happens } = createScene()
    happens(table.send(), table.send(), table.send())
    start(table.head(), { userId, since })
    reader.goLive()
    happens(table.join(['cy', 'di', 'eva']))
    return passed.includes('end')
  }

  test('the access that each of them was given by it goes on', () => {
    expect([isOver('cy', 4), isOver('di', 5), isOver('eva', 6)]).toEqual([false, false, false])
  })

  test('what they had of an earlier stay ends, and that of others goes on', () => {
    for (const userId of ['cy', 'di', 'eva']) expect(isOver(userId, 3)).toBe(true)
    expect([isOver('ada', 3), isOver(null, 3)]).toEqual([false, false])
  })
})

test('whoever is given another role keeps access', () => {
  const { table, reader, passed, start, happens } = createScene()
  start(BEGINNING)
  reader.goLive()
  happens(table.changePlace('ada', 'ROLE_CHANGED'))
  expect(passed).toEqual(['ada ROLE_CHANGED at 1.0'])
})

test('a conversation that is deleted is lost to all, a service too', () => {
  for (const userId of ['ada', null]) {
    const { table, reader, passed, start, happens } = createScene()
    start(BEGINNING, { userId })
    reader.goLive()
    happens(table.changeDetails(true))
    expect(passed).toEqual(['end'])
  }
})
