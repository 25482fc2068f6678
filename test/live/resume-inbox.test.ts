import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { add, createGroup, leave } from '../features/groups.ts'
import { GARBAGE, refusalOf, type Scene, send, usersOf, uuidOf } from '../features/support.ts'
import {
  ConversationsDocument,
  DeleteConversationDocument,
  InboxUpdatedDocument,
  type InboxUpdatedSubscription,
  MarkReadDocument,
  MessageAddedDocument,
  type MessageAddedSubscription,
  RemoveParticipantDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import type { TestApp, TestClient } from '../support/app.ts'
import { canStartRedis, startRedis } from '../support/redis.ts'
import type { Stream } from '../support/stream.ts'
import { type Nodes, startNodes } from './nodes.ts'

// What a viewer missed of the whole inbox. The others are on this node, the viewer comes back on the other one.

vi.setConfig({ testTimeout: 60_000 })

let nodes: Nodes
let here: Scene
let there: TestApp
let ada: TestClient
let viewer: TestClient
let name: string

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
  await usersOf(here, 'ada', 'eve', 'cy')
  // By the host's back end, which may do as much as it likes.
  ada = here.asService('ada')
})
afterAll(() => nodes.close())

let count = 0
beforeEach(async () => {
  name = `bo-${++count}`
  ;[viewer] = await usersOf(there, name)
})

type Update = InboxUpdatedSubscription['inboxUpdated']

/** A group that the viewer is in. */
const open = () => createGroup(ada, name, 'eve')
const cursorNow = async () => (await viewer.run(ConversationsDocument)).conversations!.cursor
const remove = async (conversationId: string) => {
  const userId = (await viewer.run(ViewerDocument)).viewer!.id
  await ada.run(RemoveParticipantDocument, { input: { conversationId, userId } })
}
const messagesAfter = (after: string) => viewer.subscribe(MessageAddedDocument, { after })
const updatesAfter = (after: string | null) => viewer.subscribe(InboxUpdatedDocument, { after })
const nextUpdate = async (stream: Stream<InboxUpdatedSubscription>) => (await stream.next()).inboxUpdated

/** The bodies of what comes of each conversation, up to `end` in all of these; each once and in the order of seq. */
async function bodiesUntilEnd(stream: Stream<MessageAddedSubscription>, ids: string[]) {
  const bodies = new Map<string, string[]>()
  const seqs = new Map<string, number>()
  const ended = new Set<string>()
  while (ids.some((id) => !ended.has(id))) {
    const { conversation, seq, body } = (await stream.next()).messageAdded
    expect(seq).toBeGreaterThan(seqs.get(conversation.id) ?? 0)
    seqs.set(conversation.id, seq)
    if (body === 'end') ended.add(conversation.id)
    else bodies.set(conversation.id, [...(bodies.get(conversation.id) ?? []), body!])
  }
  return bodies
}

async function sendEnds(ids: string[]): Promise<void> {
  for (const id of ids) await send(ada, id, 'end')
}

/** The next changes, up to one of this conversation. */
async function changesUntil(stream: Stream<InboxUpdatedSubscription>, last: string) {
  const updates: Update[] = []
  while (updates.at(-1)?.conversationId !== last) updates.push(await nextUpdate(stream))
  return updates.map(({ conversationId, change }) => [conversationId, change] as const)
}

async function insertMessages(conversationId: string, many: number): Promise<void> {
  await here.sql(
    `SELECT send_message($1, NULL, 'SYSTEM', 'inserted', '{}', NULL, NULL, NULL, NULL, false, false, false) FROM generate_series(1, $2)`,
    [uuidOf(conversationId), many],
  )
}

/** A transaction that has sent a message and is still open. */
async function holdSend(conversationId: string, body: string) {
  const client = new pg.Client(here.databaseUrl)
  await client.connect()
  await client.query('BEGIN')
  await client.query(`SELECT send_message($1, NULL, 'SYSTEM', $2, '{}', NULL, NULL, NULL, NULL, false, false, false)`, [
    uuidOf(conversationId),
    body,
  ])
  return async () => {
    await client.query('COMMIT')
    await client.end()
  }
}

describe('messageAdded of the inbox', () => {
  test('sends what came while the viewer was away, of all that it is in now', async () => {
    const [one, two, quiet, left, removed] = [await open(), await open(), await open(), await open(), await open()]
    const known = await createGroup(ada, 'eve', 'cy')
    for (const id of [one, two, quiet, left, removed, known]) await send(ada, id, 'before')
    const after = await cursorNow()

    for (let number = 1; number <= 20; number++) {
      const node = number % 3 ? here : there
      await send(node.asService('ada'), number % 2 ? one : two, `m${number}`)
    }
    for (const id of [left, removed]) await send(ada, id, 'not for the viewer')
    await send(ada, known, 'while away')
    await leave(viewer, left)
    await remove(removed)
    await add(ada, known, [name])
    const started = await open()
    for (const id of [known, started]) await send(ada, id, 'hello')

    const stream = await messagesAfter(after)
    const ids = [one, two, quiet, known, started]
    await sendEnds([left, removed, ...ids])
    const odd = Array.from({ length: 10 }, (_, index) => `m${2 * index + 1}`)
    const even = Array.from({ length: 10 }, (_, index) => `m${2 * index + 2}`)
    expect(Object.fromEntries(await bodiesUntilEnd(stream, ids))).toEqual({
      [one]: odd,
      [two]: even,
      // Without its history.
      [known]: ['hello'],
      [started]: ['hello'],
    })
    stream.stop()
  })

  test('goes on from the cursor of an update', async () => {
    const [one, two] = [await open(), await open()]
    const updates = await updatesAfter(null)
    await send(ada, one, 'told of')
    const { cursor } = await nextUpdate(updates)
    updates.stop()
    for (let number = 1; number <= 5; number++) await send(ada, number % 2 ? one : two, `m${number}`)
    const stream = await messagesAfter(cursor)
    await sendEnds([one, two])
    const bodies = await bodiesUntilEnd(stream, [one, two])
    // What came shortly before the cursor may come once more.
    expect(bodies.get(one)!.slice(-3)).toEqual(['m1', 'm3', 'm5'])
    expect(bodies.get(two)).toEqual(['m2', 'm4'])
    stream.stop()
  })

  test('sends what was still being written when the cursor was given', async () => {
    const [one, two] = [await open(), await open()]
    const commit = await holdSend(one, 'slow')
    await send(ada, two, 'before')
    const after = await cursorNow()
    await send(ada, two, 'later, and stored earlier')
    await commit()
    const stream = await messagesAfter(after)
    await sendEnds([one, two])
    expect(Object.fromEntries(await bodiesUntilEnd(stream, [one, two]))).toEqual({
      [one]: ['slow'],
      [two]: ['later, and stored earlier'],
    })
    stream.stop()
  })

  test('sends what is committed while it begins, after what was missed', async () => {
    const id = await open()
    const after = await cursorNow()
    await send(ada, id, 'first').catch(() => {})
    const commit = await holdSend(id, 'second')
    const stream = await messagesAfter(after)
    await commit()
    await send(ada, id, 'third')
    await sendEnds([id])
    expect((await bodiesUntilEnd(stream, [id])).get(id)).toEqual(['first', 'second', 'third'])
    stream.stop()
  })

  test('leaves imported messages out, and sends those that are sent to them', async () => {
    const id = await open()
    const after = await cursorNow()
    await insertMessages(id, 10)
    await here.sql('UPDATE messages SET xid = NULL WHERE conversation_id = $1', [uuidOf(id)])
    await here.sql('UPDATE conversations SET xid = NULL WHERE id = $1', [uuidOf(id)])
    await here.sql('UPDATE participants SET xid = NULL WHERE conversation_id = $1', [uuidOf(id)])
    const first = await messagesAfter(after)
    await send(ada, id, 'news')
    expect((await first.next()).messageAdded.body).toBe('news')
    first.stop()
    const second = await messagesAfter(after)
    expect((await second.next()).messageAdded.body).toBe('news')
    second.stop()
  })

  test('of several pages in many conversations, while they and others go on', { timeout: 240_000 }, async () => {
    const ids = [await open(), await open(), await open(), await open(), await open()]
    const lively = await open()
    const after = await cursorNow()
    for (const id of ids) await insertMessages(id, 700)
    const stream = await messagesAfter(after)
    for (let number = 0; number < 100; number++) {
      await Promise.all([send(ada, lively, 'live'), send(ada, ids[number % ids.length]!, 'live')])
    }
    await sendEnds([...ids, lively])
    const bodies = await bodiesUntilEnd(stream, [...ids, lively])
    for (const id of ids) expect(bodies.get(id)).toHaveLength(720)
    expect(bodies.get(lively)).toHaveLength(100)
    stream.stop()
  })
})

describe('inboxUpdated', () => {
  test('tells of each change that was missed, and then goes on', async () => {
    const [written, read, pinned, archived] = [await open(), await open(), await open(), await open()]
    const [removed, left, deleted, quiet] = [await open(), await open(), await open(), await open()]
    await send(ada, read, 'to be read')
    const joined = await createGroup(ada, 'eve', 'cy')
    const after = await cursorNow()

    await send(ada, written, 'news')
    await viewer.run(MarkReadDocument, { input: { conversationId: read } })
    await viewer.run(SetConversationStateDocument, { input: { conversationId: pinned, isPinned: true } })
    await viewer.run(SetConversationStateDocument, { input: { conversationId: archived, isArchived: true } })
    await remove(removed)
    await leave(viewer, left)
    await ada.run(DeleteConversationDocument, { input: { conversationId: deleted } })
    await add(ada, joined, [name])
    const started = await open()

    const stream = await updatesAfter(after)
    const told = new Map<string, Update>()
    while (told.size < 9) {
      const update = await nextUpdate(stream)
      told.set(update.conversationId, update)
    }
    const changes = [...told].map(([id, { change }]) => [id, change])
    expect(Object.fromEntries(changes)).toEqual({
      [written]: 'ACTIVITY',
      ...{ [read]: 'STATE', [pinned]: 'STATE', [archived]: 'STATE' },
      ...{ [removed]: 'LEFT', [left]: 'LEFT', [deleted]: 'LEFT' },
      ...{ [joined]: 'JOINED', [started]: 'JOINED' },
    })
    for (const id of [removed, left, deleted]) expect(told.get(id)!.conversation).toBeNull()
    expect(told.get(read)!.conversation!.viewerState!.unreadCount).toBe(0)
    await send(ada, quiet, 'now')
    expect(await changesUntil(stream, quiet)).toEqual([[quiet, 'ACTIVITY']])
    stream.stop()
  })

  test('tells of the joining of one who was given a role since', async () => {
    const id = await open()
    await remove(id)
    const after = await cursorNow()
    await add(ada, id, [name])
    const userId = (await viewer.run(ViewerDocument)).viewer!.id
    await ada.run(SetParticipantRoleDocument, { input: { conversationId: id, userId, role: 'ADMIN' } })
    const stream = await updatesAfter(after)
    expect(await nextUpdate(stream)).toMatchObject({ conversationId: id, change: 'JOINED' })
    stream.stop()
  })

  test('tells of what was still being written when the cursor was given', async () => {
    const [id, other] = [await open(), await open()]
    const commit = await holdSend(id, 'slow')
    await send(ada, other, 'before')
    const after = await cursorNow()
    await commit()
    const stream = await updatesAfter(after)
    expect(await nextUpdate(stream)).toMatchObject({ conversationId: id, change: 'ACTIVITY' })
    stream.stop()
  })

  test('has a cursor that moves on: nothing told before comes again, and all that comes later does', {
    timeout: 240_000,
  }, async () => {
    const [early, driving, late] = [await open(), await open(), await open()]
    const stream = await updatesAfter(null)
    await send(ada, early, 'early')
    expect((await changesUntil(stream, early)).length).toBe(1)
    let update: Update
    let first: string | undefined
    do {
      await send(ada, driving, 'on')
      update = await nextUpdate(stream)
      first ??= update.cursor
    } while (update.cursor === first)
    stream.stop()
    await send(ada, late, 'late')
    await viewer.run(SetConversationStateDocument, { input: { conversationId: early, isPinned: true } })
    const resumed = await updatesAfter(update.cursor)
    const changes = new Map<string, string>()
    while (!(changes.has(late) && changes.has(early))) {
      const { conversationId, change } = await nextUpdate(resumed)
      changes.set(conversationId, change)
    }
    expect(changes.get(late)).toBe('ACTIVITY')
    expect(changes.get(early)).toBe('STATE')
    resumed.stop()
  })
})

describe('a cursor', () => {
  /** How both subscriptions refuse it. */
  async function refusals(after: string) {
    return [await refusalOf(await messagesAfter(after)), await refusalOf(await updatesAfter(after))]
  }
  const both = (code: string) => [
    { code, field: 'after' },
    { code, field: 'after' },
  ]

  test('that is none of an inbox is refused', async () => {
    const id = await open()
    const message = await send(ada, id, 'hello')
    const [letter, epoch] = (await cursorNow()).split('.')
    const snapshots = [
      '',
      '1',
      '1-2',
      '5-3-',
      '1-2-2',
      '2-3-1',
      '3-9-5_4',
      '3-9-4_4',
      '3-9-4_',
      '0-1-',
      '-1-2-',
      '1-2-x',
    ]
    snapshots.push('1-9223372036854775808-', '1-99999999999999999999-', '1:2:')
    const made = snapshots.map((snapshot) => `${letter}.${epoch}.${snapshot}`)
    for (const after of [...GARBAGE, message.cursor, ...made]) {
      expect(await refusals(after), after).toEqual(both('BAD_USER_INPUT'))
    }
  })

  test('of another history of the database, or ahead of this one, leads nowhere', async () => {
    const [letter, epoch, snapshot] = (await cursorNow()).split('.')
    for (const after of [`${letter}.00000000.${snapshot}`, `${letter}.${epoch}.3-4000000000-`]) {
      expect(await refusals(after)).toEqual(both('RESET_REQUIRED'))
    }
  })

  test('leads on from 100,000 messages back, and no further', async () => {
    const id = await open()
    const after = await cursorNow()
    await here.sql('UPDATE conversations SET last_seq = 100001, xid = pg_current_xact_id() WHERE id = $1', [uuidOf(id)])
    expect(await refusalOf(await messagesAfter(after))).toEqual({ code: 'RESET_REQUIRED', field: 'after' })
    await here.sql('UPDATE conversations SET last_seq = 0 WHERE id = $1', [uuidOf(id)])
    await insertMessages(id, 1)
    const stream = await messagesAfter(after)
    expect((await stream.next()).messageAdded.seq).toBe(1)
    stream.stop()
  })
})

describe.skipIf(!canStartRedis())('while Redis is away', () => {
  test('what changes of the own state is told once it is back', { timeout: 240_000 }, async () => {
    const redis = await startRedis()
    const apart = await startNodes(redis)
    const [host, bo] = [apart.here.asService('ada'), apart.there.as('bo')]
    await usersOf(apart.here, 'ada', 'bo', 'eve')
    const [pinned, lively] = [await createGroup(host, 'bo', 'eve'), await createGroup(host, 'bo', 'eve')]
    const stream = await bo.subscribe(InboxUpdatedDocument, {})
    await redis.kill9()
    const input = { conversationId: pinned, isPinned: true }
    await apart.here.as('bo').run(SetConversationStateDocument, { input })
    // The node has compared with the table a few times since.
    let isTold = false
    for (let round = 0; round < 3 && !isTold; round++) {
      await send(host, lively, 'news')
      isTold = (await nextUpdate(stream)).conversationId === pinned
    }
    await redis.restart()
    if (!isTold) await changesUntil(stream, pinned)
    stream.stop()
    await apart.close()
  })
})
