import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  ConversationDocument,
  MarkReadDocument,
  ReadReceiptDocument,
  type ReadReceiptSubscription,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import {
  GARBAGE,
  insertGroup,
  missingConversation,
  refusalOf,
  type Scene,
  send,
  startScene,
  subscribeByEventStream,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient
/** A group of the three with three messages from ada, anew for each test. */
let id: string
let messageIds: string[]

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

beforeEach(async () => {
  id = await insertGroup(scene, ['ada', 'bo', 'cy'])
  messageIds = []
  for (let number = 1; number <= 3; number++) messageIds.push((await send(ada, id, `m${number}`)).id)
})

/** The next receipt: who read, and up to where. */
async function next(stream: Stream<ReadReceiptSubscription>) {
  const { participant } = (await stream.next()).readReceipt
  return [participant.user.externalId, participant.lastReadSeq]
}

const markRead = (client: TestClient, messageId?: string) =>
  client.run(MarkReadDocument, { input: { conversationId: id, messageId } })

test('tells everybody in the conversation who read up to where, oneself too', async () => {
  const streams = [
    await ada.subscribe(ReadReceiptDocument, { conversationId: id }),
    await bo.subscribe(ReadReceiptDocument, { conversationId: id }),
    await subscribeByEventStream(scene, cy, ReadReceiptDocument, { conversationId: id }),
    await scene.asService().subscribe(ReadReceiptDocument, { conversationId: id }),
  ]
  await markRead(bo, messageIds[1])
  for (const stream of streams) {
    expect(await next(stream)).toEqual(['bo', 2])
    stream.stop()
  }
})

test('carries what a query returns', async () => {
  const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
  await markRead(bo)
  const { readReceipt } = await stream.next()
  const { conversation } = await ada.run(ConversationDocument, { id })
  const place = conversation!.participants.edges.map(({ node }) => node).find(({ user }) => user.externalId === 'bo')!
  expect(readReceipt).toEqual({
    conversationId: id,
    readAt: place.lastReadAt,
    participant: { id: place.id, lastReadSeq: 3, lastReadAt: place.lastReadAt, user: { externalId: 'bo' } },
  })
  stream.stop()
})

test('comes only when the position moved', async () => {
  const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
  await markRead(bo, messageIds[1])
  await markRead(bo, messageIds[1])
  await markRead(bo, messageIds[0])
  await markRead(bo, messageIds[2])
  expect(await next(stream)).toEqual(['bo', 2])
  expect(await next(stream)).toEqual(['bo', 3])
  stream.stop()
})

describe('sending', () => {
  test("past messages of others gives one, past one's own none", async () => {
    const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
    await send(ada, id, 'again ada, who had read all')
    await send(bo, id, 'bo, who had not')
    await send(bo, id, 'bo, who has now')
    await markRead(cy)
    expect(await next(stream)).toEqual(['bo', expect.any(Number)])
    expect(await next(stream)).toEqual(['cy', 6])
    stream.stop()
  })

  test('by a service for a user, or of the system, gives none', async () => {
    const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
    await send(scene.asService('bo'), id, 'for bo')
    await send(scene.asService(), id, 'of the system')
    await markRead(cy)
    expect(await next(stream)).toEqual(['cy', 5])
    stream.stop()
  })
})

test('only of this conversation', async () => {
  const stream = await ada.subscribe(ReadReceiptDocument, { conversationId: id })
  const other = await insertGroup(scene, ['ada', 'bo', 'cy'])
  await send(ada, other, 'elsewhere')
  await bo.run(MarkReadDocument, { input: { conversationId: other } })
  await markRead(cy)
  expect((await stream.next()).readReceipt).toMatchObject({
    conversationId: id,
    participant: { user: { externalId: 'cy' } },
  })
  stream.stop()
})

describe('is refused', () => {
  test('for a conversation that one is not in, as for one that is missing', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    const di = scene.as('di')
    expect(await refusalOf(await di.subscribe(ReadReceiptDocument, { conversationId: id }))).toEqual(refusal)
    const missing = { conversationId: missingConversation }
    for (const client of [di, scene.asService()]) {
      expect(await refusalOf(await client.subscribe(ReadReceiptDocument, missing))).toEqual(refusal)
    }
    expect(
      await refusalOf(await subscribeByEventStream(scene, di, ReadReceiptDocument, { conversationId: id })),
    ).toEqual(refusal)
  })

  test('with an id that is garbage or of another type', async () => {
    for (const conversationId of [...GARBAGE, encodeId('User', uuidOf(id)), uuidOf(id)]) {
      expect(await refusalOf(await ada.subscribe(ReadReceiptDocument, { conversationId }))).toEqual({
        code: 'BAD_USER_INPUT',
        field: 'conversationId',
      })
    }
  })
})
