import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { add, createGroup } from '../features/groups.ts'
import { refusalOf, type Scene, send, usersOf, uuidOf } from '../features/support.ts'
import {
  AddParticipantsDocument,
  type ChangedMessageFragment,
  CloseConversationDocument,
  ConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  LeaveConversationDocument,
  MessageAddedDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SetParticipantRoleDocument,
  UpdateConversationDocument,
  ViewerDocument,
  WholeConversationDocument,
  type WholeConversationQuery,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { seedOfRun } from '../support/random-operations.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { type ConversationEvent, type Events, eventsUntil, follow, forge, nextEvent } from './events.ts'
import { type Nodes, startNodes, take } from './nodes.ts'
import { pausableSocket } from './pausable-socket.ts'

// Whoever comes back with a cursor has, after what is replayed, the same as one who was there all the time and as one who
// reads anew. Events are made on both nodes; whoever resumes does so on the other one than before.

vi.setConfig({ testTimeout: 60_000 })

let nodes: Nodes
let here: Scene
let there: TestApp
let bo: TestClient
let id: string

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
  await usersOf(here, 'ada', 'cy', 'dan', 'eve')
  ;[bo] = await usersOf(there, 'bo')
})
afterAll(() => nodes.close())
beforeEach(async () => {
  id = await createGroup(as('ada'), 'bo', 'eve')
})

/** On either node, by the host's back end, which may do as much as it likes. */
function as(name: string, node: TestApp = here): TestClient {
  const key = `${name} ${node.url}`
  const client = clients.get(key) ?? node.asService(name)
  clients.set(key, client)
  return client
}
const clients = new Map<string, TestClient>()

/** A client's copy of a conversation. */
interface Copy {
  messages: Map<number, ChangedMessageFragment>
  roles: Map<string, string>
  title: string | null | undefined
  isClosed: boolean
}

const emptyCopy = (): Copy => ({ messages: new Map(), roles: new Map(), title: undefined, isClosed: false })

function copyOf(copy: Copy): Copy {
  return { ...copy, messages: new Map(copy.messages), roles: new Map(copy.roles) }
}

/** Changes a copy as an event says. What was had already must not come again, and nothing may be left out before it. */
function apply(copy: Copy, event: ConversationEvent): void {
  switch (event.__typename) {
    case 'MessageAddedEvent':
      expect(event.message.seq).toBe(copy.messages.size + 1)
      copy.messages.set(event.message.seq, event.message)
      break
    case 'MessageUpdatedEvent': {
      const known = copy.messages.get(event.message.seq)!
      expect(event.message.version).toBeGreaterThanOrEqual(known.version)
      copy.messages.set(event.message.seq, event.message)
      break
    }
    case 'ParticipantChangedEvent':
      if (event.participant) copy.roles.set(event.user.externalId, event.participant.role)
      else copy.roles.delete(event.user.externalId)
      break
    case 'ConversationUpdatedEvent':
      copy.title = event.conversation.title
      copy.isClosed = event.conversation.closedAt !== null
      break
  }
}

/** Reads a conversation anew, all of its messages. */
async function freshCopy(client: TestClient): Promise<Copy> {
  const copy = emptyCopy()
  let after: string | null | undefined = null
  do {
    const answer: WholeConversationQuery = await client.run(WholeConversationDocument, { id, after })
    const { messages, participants, title, closedAt } = answer.conversation!
    for (const { node } of messages.edges) copy.messages.set(node.seq, node)
    for (const { node } of participants.edges) copy.roles.set(node.user.externalId, node.role)
    Object.assign(copy, { title, isClosed: closedAt !== null })
    after = messages.pageInfo.hasNextPage ? messages.pageInfo.endCursor : undefined
  } while (after)
  return copy
}

const cursorNow = async () => (await bo.run(ConversationDocument, { id })).conversation!.cursor

/** Numbers from a seed, from 0 to below `limit`: the same in each run. */
function randomOf(seed: number) {
  let state = seed >>> 0
  return (limit: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

/** Inserts messages as sending does, many at once; the nodes are not told. */
async function insertMessages(count: number, body = 'inserted'): Promise<void> {
  await here.sql(
    `SELECT send_message($1, NULL, 'SYSTEM', $2, '{}', NULL, NULL, NULL, NULL, false, false, false) FROM generate_series(1, $3)`,
    [uuidOf(id), body, count],
  )
}

/** Edits the first `count` messages, each with a version of its own, as insertMessages does. */
async function editMessages(count: number): Promise<void> {
  await here.sql(
    `WITH base AS (UPDATE conversations SET version = version + $2, xid = pg_current_xact_id() WHERE id = $1
                   RETURNING version - $2 AS version)
     UPDATE messages m SET body = 'edited', edited_at = now(), version = base.version + $2 + 1 - m.seq FROM base
      WHERE m.conversation_id = $1 AND m.seq <= $2`,
    [uuidOf(id), count],
  )
}

test('from every event of a long history on, the old copy becomes what a fresh read gives', {
  timeout: 180_000,
}, async () => {
  const random = randomOf(seedOfRun())
  const names = ['cy', 'dan']
  const ids = new Map<string, string>()
  for (const name of ['ada', ...names]) ids.set(name, (await as(name).run(ViewerDocument)).viewer!.id)
  const messageIds: string[] = []

  /** Any operation of Ada, Cy, Dan and the host. What is refused, as by one who is not in, changes nothing. */
  async function anyOperation(node: TestApp): Promise<unknown> {
    const client = as(['ada', ...names][random(3)]!, node)
    const host = node.asService()
    const name = names[random(2)]!
    const userId = ids.get(name)!
    const messageId = messageIds[random(messageIds.length)] ?? ''
    switch (random(10)) {
      case 0:
        return host.execute(AddParticipantsDocument, {
          input: { conversationId: id, externalIds: names.slice(random(2)), withHistory: random(2) === 0 },
        })
      case 1:
        return client.execute(LeaveConversationDocument, { input: { conversationId: id } })
      case 2:
        return host.execute(RemoveParticipantDocument, { input: { conversationId: id, userId } })
      case 3: {
        const role = (['MEMBER', 'ADMIN', 'OWNER'] as const)[random(3)]!
        return host.execute(SetParticipantRoleDocument, { input: { conversationId: id, userId, role } })
      }
      case 4: {
        const input = { conversationId: id, title: `title ${random(1000)}` }
        return host.execute(UpdateConversationDocument, { input })
      }
      case 5: {
        const input = { conversationId: id }
        if (random(3) === 0) return host.execute(CloseConversationDocument, { input })
        return host.execute(ReopenConversationDocument, { input })
      }
      case 6:
        return client.execute(EditMessageDocument, { input: { messageId, body: `edited ${random(1000)}` } })
      case 7:
        return host.execute(DeleteMessageDocument, { input: { messageId } })
      default: {
        const sent = await send(client, id, `sent ${random(1000)}`).catch(() => null)
        if (sent) messageIds.push(sent.id)
        return sent
      }
    }
  }

  const start = await follow(bo, id)
  const [first] = await eventsUntil(start, 'CaughtUpEvent')
  const beginning = await freshCopy(bo)
  // Two at a time, on either node.
  for (let round = 0; round < 125; round++) await Promise.all([anyOperation(here), anyOperation(there)])
  await here.asService().execute(ReopenConversationDocument, { input: { conversationId: id } })
  const last = await send(here.asService(), id, 'the last')
  const fresh = await freshCopy(bo)
  const end = await cursorNow()

  const history = await copiesAfterEach(start, beginning, last.seq)
  start.stop()
  expect(history.at(-1)!.copy).toEqual(fresh)
  const kinds = new Set(history.map(({ event }) => ('change' in event ? event.change : event.__typename)))
  for (const kind of ['JOINED', 'LEFT', 'REMOVED', 'ROLE_CHANGED']) expect(kinds).toContain(kind)
  for (const kind of ['MessageAddedEvent', 'MessageUpdatedEvent', 'ConversationUpdatedEvent']) {
    expect(kinds).toContain(kind)
  }

  // The same of one who is cut off in the middle of a replay.
  const again = await follow(as('bo', here), id, first!.cursor)
  const replay = await copiesUntilCaughtUp(again, beginning)
  again.stop()
  for (const [index, { event, copy }] of [...history, ...replay].entries()) {
    const stream = await follow(as('bo', index % 2 ? here : there), id, event.cursor)
    const rest = await copiesUntilCaughtUp(stream, copy)
    stream.stop()
    expect(rest.at(-1)!.copy, `from ${event.cursor}`).toEqual(fresh)
    const changes = rest.filter(({ event }) => !['ReadReceiptEvent', 'CaughtUpEvent'].includes(event.__typename))
    expect(new Set(changes.map(({ event }) => event.cursor)).size).toBe(changes.length)
    expect(rest.at(-1)!.event.cursor).toBe(end)
  }
})

/** The next events of a stream, and what a copy is after each of them. */
async function copiesOf(stream: Events, beginning: Copy, isLast: (event: ConversationEvent) => boolean) {
  const copies: { event: ConversationEvent; copy: Copy }[] = []
  let copy = beginning
  do {
    copy = copyOf(copy)
    const event = await nextEvent(stream)
    apply(copy, event)
    copies.push({ event, copy })
  } while (!isLast(copies.at(-1)!.event))
  return copies
}

const copiesUntilCaughtUp = (stream: Events, beginning: Copy) =>
  copiesOf(stream, beginning, (event) => event.__typename === 'CaughtUpEvent')

const copiesAfterEach = (stream: Events, beginning: Copy, lastSeq: number) =>
  copiesOf(stream, beginning, (event) => event.__typename === 'MessageAddedEvent' && event.message.seq === lastSeq)

describe('more than one page', () => {
  test.each([499, 500, 501, 1000, 1001])('of new messages, or of edits: %i', { timeout: 240_000 }, async (count) => {
    const empty = await cursorNow()
    await insertMessages(count)
    const full = await cursorNow()
    await editMessages(count)
    const fresh = await freshCopy(bo)

    const copy = emptyCopy()
    const first = await follow(bo, id, empty)
    for (const event of await eventsUntil(first, 'CaughtUpEvent')) apply(copy, event)
    expect(copy.messages).toEqual(fresh.messages)
    first.stop()

    const edits = await follow(bo, id, full)
    const edited = (await eventsUntil(edits, 'CaughtUpEvent')).filter(
      (event) => event.__typename === 'MessageUpdatedEvent',
    )
    // They were edited from the newest to the oldest.
    expect(edited.map(({ message }) => message.seq)).toEqual(Array.from({ length: count }, (_, index) => count - index))
    edits.stop()
  })

  test('while edits and sends go on on both nodes: no hole, and nothing twice', { timeout: 180_000 }, async () => {
    // Far from the database, so that much happens between a page and the next thing that is done.
    const database = new URL(here.databaseUrl)
    const proxy = await createTcpProxy({ port: Number(database.port) })
    database.host = `127.0.0.1:${proxy.port}`
    const slow = await startApp({ databaseUrl: database.href, env: { REDIS_URL: nodes.redisUrl } })
    proxy.delay(10)
    for (let round = 0; round < 2; round++) {
      id = await createGroup(as('ada'), 'bo', 'eve')
      const after = await cursorNow()
      await insertMessages(1_250)
      // Each edits what it sent before, once: what got lost of it would not be made good by a later edit.
      const changes = [here, there].map(async (node) => {
        let earlier: string | undefined
        for (let number = 0; number < 40; number++) {
          const sent = await send(as('ada', node), id, `live ${number}`)
          const input = { messageId: earlier ?? sent.id, body: `edited ${number}` }
          await as('ada', node).run(EditMessageDocument, { input })
          earlier = sent.id
        }
      })
      const copy = emptyCopy()
      const stream = await follow(as('bo', slow), id, after)
      for (const event of await eventsUntil(stream, 'CaughtUpEvent')) apply(copy, event)
      await Promise.all(changes)
      const last = await send(as('ada', there), id, 'the last')
      while (copy.messages.size < last.seq) apply(copy, await nextEvent(stream))
      expect(copy.messages).toEqual((await freshCopy(bo)).messages)
      stream.stop()
    }
    proxy.restore()
    await slow.close()
    await proxy.close()
  })

  test('that are read by one who pauses, while more happens than is held for it', { timeout: 180_000 }, async () => {
    const after = await cursorNow()
    // Too much for the buffers between the server and a client that doesn't read.
    await insertMessages(1_300, '€'.repeat(10_000))
    const other = await follow(bo, id)
    const { stream, pause, resume, close } = await pausableSocket(here, as('bo', here), id, after)
    const copy = emptyCopy()
    while (copy.messages.size < 1) apply(copy, await nextEvent(stream))
    pause()
    await insertMessages(1_100)
    const last = await send(as('ada', here), id, 'the last')
    // The node has been told of all of it.
    const told = await follow(as('ada', here), id)
    await eventsUntil(told, 'CaughtUpEvent')
    for (const each of [told, other]) each.stop()
    resume()
    for (const event of await eventsUntil(stream, 'CaughtUpEvent')) apply(copy, event)
    expect([...copy.messages.keys()]).toEqual(Array.from({ length: last.seq }, (_, index) => index + 1))
    await send(as('ada', there), id, 'and on')
    expect(await nextEvent(stream)).toMatchObject({ message: { seq: last.seq + 1, body: 'and on' } })
    await close()
  })
})

describe('messageAdded of one conversation', () => {
  const seqsOf = async (client: TestClient, after: string, count: number) => {
    const stream = await client.subscribe(MessageAddedDocument, { conversationId: id, after })
    const messages = await take(stream, count)
    stream.stop()
    return messages
  }

  test('goes on from any message’s cursor, and from the conversation’s', async () => {
    const empty = await cursorNow()
    for (let number = 1; number <= 5; number++) await send(as('ada', number % 2 ? here : there), id, `m${number}`)
    const { messages } = await freshCopy(bo)
    const now = await cursorNow()
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id, after: now })
    for (const [seq, { cursor }] of messages) {
      const rest = await seqsOf(seq % 2 ? bo : as('bo', here), cursor, 5 - seq)
      expect(rest.map((message) => message.body)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5'].slice(seq))
    }
    expect((await seqsOf(bo, empty, 5)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    await send(as('ada'), id, 'm6')
    expect((await stream.next()).messageAdded.body).toBe('m6')
    stream.stop()
  })

  test('sends deleted ones as tombstones, and edited ones as they are now', async () => {
    const after = await cursorNow()
    const [one, two] = [await send(as('ada'), id, 'one', { metadata: { secret: 1 } }), await send(as('ada'), id, 'two')]
    await as('ada').run(DeleteMessageDocument, { input: { messageId: one.id } })
    await as('ada').run(EditMessageDocument, { input: { messageId: two.id, body: 'changed' } })
    expect(await seqsOf(bo, after, 2)).toMatchObject([
      { id: one.id, seq: 1, body: null, metadata: {}, sender: { externalId: 'ada' } },
      { id: two.id, seq: 2, body: 'changed' },
    ])
  })

  test('sends nothing from before the viewer came in', async () => {
    const empty = await cursorNow()
    const sent = [await send(as('ada'), id, 'one'), await send(as('ada'), id, 'two')]
    await add(as('ada'), id, ['cy'])
    await send(as('ada'), id, 'three')
    for (const after of sent.map(({ cursor }) => cursor)) {
      expect((await seqsOf(as('cy', there), after, 1)).map(({ body }) => body)).toEqual(['three'])
    }
    const stream = await as('cy').subscribe(MessageAddedDocument, { conversationId: id, after: empty })
    expect(await refusalOf(stream)).toEqual({ code: 'RESET_REQUIRED', field: 'after' })
  })

  test('is refused a cursor that leads nowhere, or is none of this conversation', async () => {
    const { cursor } = await send(as('ada'), id, 'hello')
    const parts = cursor.split('.')
    const beyond = [...parts.slice(0, 3), '2'].join('.')
    const elsewhere = ['m', '00000000', ...parts.slice(2)].join('.')
    for (const after of [beyond, elsewhere, forge(await cursorNow(), { epoch: '00000000' })]) {
      const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id, after })
      expect(await refusalOf(stream)).toEqual({ code: 'RESET_REQUIRED', field: 'after' })
    }
    const other = await createGroup(as('ada'), 'bo', 'eve')
    const ofOther = await send(as('ada'), other, 'hello')
    for (const after of ['', 'm', ofOther.cursor, [...parts.slice(0, 3), 'zzzzzz'].join('.')]) {
      const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id, after })
      expect(await refusalOf(stream)).toEqual({ code: 'BAD_USER_INPUT', field: 'after' })
    }
  })

  test('from the cursor of an answer on: nothing between, under load, 200 times', { timeout: 240_000 }, async () => {
    let isOver = false
    const load = [here, there].map(async (node) => {
      while (!isOver) await send(as('ada', node), id, 'load')
    })
    for (let round = 0; round < 200; round++) {
      const client = round % 2 ? bo : as('bo', here)
      const { conversation } = await client.run(ConversationDocument, { id })
      const { lastSeq, lastMessage, cursor } = conversation!
      const [next, ...more] = await seqsOf(client, cursor, 3)
      expect([next, ...more].map((message) => message!.seq)).toEqual([lastSeq + 1, lastSeq + 2, lastSeq + 3])
      // What the answer holds may be newer than its cursor, never older.
      expect(lastMessage?.seq ?? 0).toBeGreaterThanOrEqual(lastSeq)
    }
    isOver = true
    await Promise.all(load)
  })
})
