import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  CloseConversationDocument,
  ConversationDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetTypingDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { add, createGroup } from '../groups.ts'
import { expectRefused, type Scene, send, startScene, usersOf } from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
/** A group that was closed after two messages, anew for each test. */
let id: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  await send(ada, id, 'm1')
  await send(bo, id, 'm2', { idempotencyKey: 'before' })
  await ada.run(CloseConversationDocument, { input: { conversationId: id } })
})

const refused = (client: TestClient, more: { body?: string; idempotencyKey?: string } = {}) =>
  expectRefused(
    scene,
    () => client.execute(SendMessageDocument, { input: { conversationId: id, body: 'too late', ...more } }),
    { code: 'CONFLICT', field: 'conversationId' },
  )

test('a closed conversation takes messages of nobody, the system included', async () => {
  for (const client of [ada, bo, scene.asService(), scene.asService('ada')]) await refused(client)
  await refused(bo, { idempotencyKey: 'new' })
})

test('nor typing', async () => {
  await expectRefused(scene, () => bo.execute(SetTypingDocument, { input: { conversationId: id, isTyping: true } }), {
    code: 'CONFLICT',
    field: 'conversationId',
  })
})

test('whoever is not in it is not told that it is closed', async () => {
  await expectRefused(
    scene,
    () => scene.as('di').execute(SendMessageDocument, { input: { conversationId: id, body: 'hello' } }),
    { code: 'NOT_FOUND', field: 'conversationId' },
  )
})

test('a retry of what was sent before is answered as it was, and another request under its key as ever', async () => {
  const input = { conversationId: id, body: 'm2', idempotencyKey: 'before' }
  const { sendMessage } = await bo.run(SendMessageDocument, { input })
  expect(sendMessage).toMatchObject({ deduplicated: true, message: { seq: 2, body: 'm2' } })
  await expectRefused(scene, () => bo.execute(SendMessageDocument, { input: { ...input, body: 'other' } }), {
    code: 'CONFLICT',
    field: 'idempotencyKey',
  })
})

test('it can still be read, left, and joined', async () => {
  const { markRead } = await scene.as('cy').run(MarkReadDocument, { input: { conversationId: id } })
  expect(markRead!.conversation.viewerState).toMatchObject({ lastReadSeq: 2, unreadCount: 0 })
  expect((await bo.run(ConversationDocument, { id })).conversation).toMatchObject({ lastSeq: 2 })
  await bo.run(LeaveConversationDocument, { input: { conversationId: id } })
  await add(ada, id, ['bo'], { withHistory: true })
  expect((await bo.run(ConversationDocument, { id })).conversation).toMatchObject({ lastMessage: { body: 'm2' } })
})

test('once reopened it goes on with the next seq', async () => {
  await ada.run(ReopenConversationDocument, { input: { conversationId: id } })
  expect((await send(bo, id, 'm3')).seq).toBe(3)
})

test('of sends at the same time as the close, each is stored before it or refused', async () => {
  await ada.run(ReopenConversationDocument, { input: { conversationId: id } })
  const sends = Array.from({ length: 20 }, (_, number) =>
    bo.execute(SendMessageDocument, { input: { conversationId: id, body: `m${number}` } }),
  )
  await ada.run(CloseConversationDocument, { input: { conversationId: id } })
  const results = await Promise.all(sends)
  const stored = results.flatMap(({ data }) => data?.sendMessage?.message.seq ?? [])
  const codes = results.flatMap(({ errors }) => errors?.map((error) => error.extensions?.code) ?? [])
  expect(codes).toEqual(codes.map(() => 'CONFLICT'))
  expect(stored.length + codes.length).toBe(sends.length)
  const { conversation } = await ada.run(ConversationDocument, { id })
  expect(conversation!.lastSeq).toBe(2 + stored.length)
  await refused(bo)
})
