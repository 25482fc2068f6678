import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { insertGroup, type Scene, send, sendMany, startDirect, usersOf } from '../features/support.ts'
import {
  ConversationDocument,
  InboxUpdatedDocument,
  MarkReadDocument,
  MessageAddedDocument,
  ReadReceiptDocument,
  SetTypingDocument,
  TypingDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'
import { type Nodes, startNodes, take, wholeInbox } from './nodes.ts'

// Two nodes on one database, with one Redis between them. Ada is on this one, Bo and Cy are on the other.

let nodes: Nodes
let here: Scene
let there: TestApp
let ada: TestClient
let bo: TestClient
let id: string

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
  ;[ada] = await usersOf(here, 'ada')
  ;[bo] = await usersOf(there, 'bo', 'cy')
  id = await startDirect(ada, 'bo')
})
afterAll(() => nodes.close())

describe('messages', () => {
  test('sent on one node come to subscribers on the other as they are stored', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    const sent = await send(ada, id, 'hello', { metadata: { a: { b: [1, 'é'] } }, idempotencyKey: 'k' })
    expect((await stream.next()).messageAdded).toEqual({ ...sent, conversation: { id } })
    stream.stop()
  })

  test('too big for the bus come whole', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    const sent = await send(ada, id, '😀'.repeat(10_000))
    expect((await stream.next()).messageAdded).toEqual({ ...sent, conversation: { id } })
    stream.stop()
  })

  test('200 sent at once on both nodes come to all, once each, in the order of seq', async () => {
    const streams = [
      await ada.subscribe(MessageAddedDocument, { conversationId: id }),
      await bo.subscribe(MessageAddedDocument, { conversationId: id }),
      await bo.subscribe(MessageAddedDocument, wholeInbox),
    ]
    const sent = await Promise.all(
      Array.from({ length: 200 }, (_, number) => send(number % 2 ? ada : bo, id, `number ${number}`)),
    )
    sent.sort((one, other) => one.seq - other.seq)
    const last = await send(ada, id, 'after them')
    for (const stream of streams) {
      const messages = await take(stream, 201)
      expect(messages.map(({ seq }) => seq)).toEqual([...sent, last].map(({ seq }) => seq))
      expect(messages.map(({ body }) => body)).toEqual([...sent, last].map(({ body }) => body))
      stream.stop()
    }
  })

  test('of a conversation that is started on one node come to the whole inbox on the other', async () => {
    const stream = await there.as('cy').subscribe(MessageAddedDocument, wholeInbox)
    const conversationId = await startDirect(ada, 'cy')
    await sendMany(ada, conversationId, 3)
    expect((await take(stream, 3)).map(({ body }) => body)).toEqual(['m1', 'm2', 'm3'])
    stream.stop()
  })
})

test('typing begins and ends on the other node', async () => {
  const stream = await bo.subscribe(TypingDocument, { conversationId: id })
  await ada.run(SetTypingDocument, { input: { conversationId: id, isTyping: true } })
  expect((await stream.next()).typing).toMatchObject({ isTyping: true, user: { externalId: 'ada' } })
  await send(ada, id, 'written')
  expect((await stream.next()).typing).toMatchObject({ isTyping: false, user: { externalId: 'ada' } })
  stream.stop()
})

test('receipts come to the other node, with the position as it is', async () => {
  const { seq } = await send(ada, id, 'to be read')
  const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
  await bo.run(MarkReadDocument, { input: { conversationId: id } })
  expect((await stream.next()).readReceipt).toMatchObject({
    participant: { lastReadSeq: seq, user: { externalId: 'bo' } },
  })
  stream.stop()
})

test("the inbox on the other node hears of new conversations, of activity, and of one's own reading", async () => {
  await usersOf(here, 'eve', 'fay')
  const stream = await there.as('fay').subscribe(InboxUpdatedDocument)
  const next = async () => {
    const { change, conversationId } = (await stream.next()).inboxUpdated
    return [change, conversationId]
  }
  const direct = await startDirect(here.as('eve'), 'fay')
  expect(await next()).toEqual(['JOINED', direct])
  await send(here.as('eve'), direct, 'hello')
  expect(await next()).toEqual(['ACTIVITY', direct])
  await here.as('fay').run(MarkReadDocument, { input: { conversationId: direct } })
  expect(await next()).toEqual(['STATE', direct])
  stream.stop()
})

test('a snapshot with what is subscribed to from then on is a fresh read', async () => {
  const group = await insertGroup(here, ['ada', 'bo', 'cy'])
  await sendMany(ada, group, 3)
  const stream = await bo.subscribe(MessageAddedDocument, { conversationId: group })
  const { conversation: snapshot } = await bo.run(ConversationDocument, { id: group })
  await Promise.all(Array.from({ length: 20 }, (_, number) => send(number % 2 ? ada : bo, group, `n${number}`)))
  const last = (await take(stream, 20)).at(-1)!
  const { conversation: fresh } = await bo.run(ConversationDocument, { id: group })
  expect(fresh).toMatchObject({ lastSeq: last.seq, version: last.version, lastMessageAt: last.createdAt })
  expect({ ...last, conversation: undefined }).toEqual({ ...fresh!.lastMessage, conversation: undefined })
  expect(fresh!.lastSeq).toBe(snapshot!.lastSeq + 20)
  stream.stop()
})

test('a node that is slow to follow a new conversation misses none of its messages', async () => {
  const database = new URL(here.databaseUrl)
  const proxy = await createTcpProxy({ port: Number(database.port) })
  database.host = `127.0.0.1:${proxy.port}`
  const slow = await startApp({ databaseUrl: database.href, env: { REDIS_URL: nodes.redisUrl } })
  try {
    await usersOf(here, 'gus', 'hal')
    const stream = await slow.as('hal').subscribe(MessageAddedDocument, wholeInbox)
    // Each of its reads takes 100 ms now, while the messages come within a few.
    proxy.delay(50)
    const direct = await startDirect(here.as('gus'), 'hal')
    await sendMany(here.as('gus'), direct, 10)
    expect((await take(stream, 10)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    stream.stop()
  } finally {
    proxy.restore()
    await slow.close()
    await proxy.close()
  }
})
