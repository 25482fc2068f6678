import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Scene, send, startDirect, usersOf } from '../features/support.ts'
import {
  ConversationDocument,
  InboxUpdatedDocument,
  MarkReadDocument,
  MessageAddedDocument,
  type MessageAddedSubscription,
  SetTypingDocument,
} from '../generated/graphql.ts'
import type { TestApp, TestClient } from '../support/app.ts'
import { canStartRedis, startRedis, type TestRedis } from '../support/redis.ts'
import type { Stream } from '../support/stream.ts'
import { type Nodes, startNodes, take, wholeInbox } from './nodes.ts'

// Redis only wakes nodes up: without it what happens is late, and never lost.

describe.skipIf(!canStartRedis())('Redis', () => {
  let nodes: Nodes
  let redis: TestRedis
  let here: Scene
  let there: TestApp
  let ada: TestClient
  let bo: TestClient
  let id: string

  beforeAll(async () => {
    redis = await startRedis()
    nodes = await startNodes(redis)
    ;({ here, there } = nodes)
    ;[ada] = await usersOf(here, 'ada')
    ;[bo] = await usersOf(there, 'bo')
    id = await startDirect(ada, 'bo')
  })
  afterEach(() => redis.restart())
  afterAll(() => nodes.close())

  const bodies = async (stream: Stream<MessageAddedSubscription>, count: number) =>
    (await take(stream, count)).map(({ body }) => body)

  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `n${from + index}`)

  async function sendNumbers(from: number, to: number) {
    for (const body of numbers(from, to)) await send(ada, id, body)
  }

  test('killed: sends are acknowledged, and after its restart the other node has them all, once and in order', async () => {
    const streams = [
      await bo.subscribe(MessageAddedDocument, { conversationId: id }),
      await bo.subscribe(MessageAddedDocument, wholeInbox),
      await ada.subscribe(MessageAddedDocument, { conversationId: id }),
    ]
    await sendNumbers(1, 5)
    for (const stream of streams) expect(await bodies(stream, 5)).toEqual(numbers(1, 5))
    await redis.kill9()
    await sendNumbers(6, 25)
    const { conversation } = await there.as('bo').run(ConversationDocument, { id })
    expect(conversation).toMatchObject({ lastMessage: { body: 'n25' } })
    await redis.restart()
    await sendNumbers(26, 30)
    for (const stream of streams) {
      expect(await bodies(stream, 25)).toEqual(numbers(6, 30))
      stream.stop()
    }
  })

  test('away for good: what happens comes all the same, by comparing with the table', async () => {
    await redis.kill9()
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    await sendNumbers(1, 3)
    expect(await bodies(stream, 3)).toEqual(numbers(1, 3))
    await sendNumbers(4, 6)
    expect(await bodies(stream, 3)).toEqual(numbers(4, 6))
    stream.stop()
  })

  test('frozen: sends are acknowledged, and come when it goes on', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    redis.pause()
    try {
      await sendNumbers(1, 5)
    } finally {
      redis.resume()
    }
    expect(await bodies(stream, 5)).toEqual(numbers(1, 5))
    stream.stop()
  })

  test('a conversation that is started while it is away comes to the whole inbox', async () => {
    await usersOf(here, 'eve', 'fay')
    const messages = await there.as('fay').subscribe(MessageAddedDocument, wholeInbox)
    const inbox = await there.as('fay').subscribe(InboxUpdatedDocument)
    await redis.kill9()
    const direct = await startDirect(here.as('eve'), 'fay')
    await send(here.as('eve'), direct, 'first')
    await redis.restart()
    await send(here.as('eve'), direct, 'second')
    expect(await bodies(messages, 2)).toEqual(['first', 'second'])
    expect((await inbox.next()).inboxUpdated).toMatchObject({ change: 'JOINED', conversationId: direct })
    expect((await inbox.next()).inboxUpdated).toMatchObject({ change: 'ACTIVITY', conversationId: direct })
    messages.stop()
    inbox.stop()
  })

  test('killed: reading and typing are answered too, and both nodes live', async () => {
    const { seq } = await send(ada, id, 'to be read')
    await redis.kill9()
    const input = { conversationId: id }
    const { markRead } = await bo.run(MarkReadDocument, { input })
    expect(markRead!.conversation.viewerState).toMatchObject({ lastReadSeq: seq })
    const { setTyping } = await ada.run(SetTypingDocument, { input: { ...input, isTyping: true } })
    expect(setTyping!.expiresAt).toMatch(/Z$/)
    for (const { url } of [here, there]) expect(await fetch(`${url}/healthz`)).toMatchObject({ status: 200 })
  })
})
