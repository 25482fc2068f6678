import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  ConversationDocument,
  InboxUpdatedDocument,
  type InboxUpdatedSubscription,
  MarkReadDocument,
  ReadAndSendDocument,
  SetTypingDocument,
  UnreadDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import {
  insertGroup,
  refusalOf,
  type Scene,
  send,
  sendMany,
  startDirect,
  startScene,
  subscribeByEventStream,
  usersOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient
/** A group of the three, anew for each test. */
let id: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

beforeEach(async () => {
  id = await insertGroup(scene, ['ada', 'bo', 'cy'])
})

/** The next update: what changed, and where. */
async function next(stream: Stream<InboxUpdatedSubscription>) {
  const { change, conversationId } = (await stream.next()).inboxUpdated
  return [change, conversationId]
}

describe.each<[string, (client: TestClient) => Promise<Stream<InboxUpdatedSubscription>>]>([
  ['WebSocket', (client) => client.subscribe(InboxUpdatedDocument)],
  ['event stream', (client) => subscribeByEventStream(scene, client, InboxUpdatedDocument, {})],
])('over %s', (_, subscribe) => {
  test('a message is ACTIVITY to everybody in the conversation, its sender too', async () => {
    const streams = [await subscribe(ada), await subscribe(bo), await subscribe(cy)]
    await send(bo, id, 'news')
    for (const stream of streams) {
      expect(await next(stream)).toEqual(['ACTIVITY', id])
      stream.stop()
    }
  })

  test('it carries what queries return', async () => {
    const stream = await subscribe(ada)
    await send(bo, id, 'news')
    const { inboxUpdated } = await stream.next()
    const { conversation } = await ada.run(ConversationDocument, { id })
    expect(conversation).toMatchObject(inboxUpdated.conversation!)
    const { unread } = await ada.run(UnreadDocument)
    expect(unread).toMatchObject(inboxUpdated.unread)
    expect(inboxUpdated.cursor).toMatch(/./)
    stream.stop()
  })
})

test('a conversation that begins is JOINED to both, and what follows in it is told', async () => {
  const [eve, fay] = await usersOf(scene, 'eve', 'fay')
  const streams = [await eve.subscribe(InboxUpdatedDocument), await fay.subscribe(InboxUpdatedDocument)]
  const direct = await startDirect(eve, 'fay')
  await startDirect(fay, 'eve')
  for (const stream of streams) expect(await next(stream)).toEqual(['JOINED', direct])
  await send(eve, direct, 'hello')
  for (const stream of streams) {
    expect((await stream.next()).inboxUpdated).toMatchObject({
      change: 'ACTIVITY',
      conversationId: direct,
      conversation: { lastSeq: 1 },
    })
    stream.stop()
  }
})

test("one's own reading is STATE to oneself, on any device, and nothing to the others", async () => {
  await send(bo, id, 'to be read')
  const [own, other] = [await ada.subscribe(InboxUpdatedDocument), await cy.subscribe(InboxUpdatedDocument)]
  await ada.run(MarkReadDocument, { input: { conversationId: id } })
  const { inboxUpdated } = await own.next()
  expect(inboxUpdated).toMatchObject({
    change: 'STATE',
    conversationId: id,
    conversation: { viewerState: { lastReadSeq: 1, unreadCount: 0 } },
  })
  await send(bo, id, 'news')
  expect(await next(other)).toEqual(['ACTIVITY', id])
  own.stop()
  other.stop()
})

test('typing is no change', async () => {
  const stream = await ada.subscribe(InboxUpdatedDocument)
  await bo.run(SetTypingDocument, { input: { conversationId: id, isTyping: true } })
  await send(bo, id, 'news')
  expect(await next(stream)).toEqual(['ACTIVITY', id])
  stream.stop()
})

describe('gathered', () => {
  test('many changes of a conversation are few updates, the last of which holds the last', async () => {
    const stream = await ada.subscribe(InboxUpdatedDocument)
    await sendMany(bo, id, 30)
    let updates = 0
    for (let seen = 0; seen < 30; updates++) seen = (await stream.next()).inboxUpdated.conversation!.lastSeq
    expect(updates).toBeLessThan(15)
    stream.stop()
  })

  test('the most telling of the changes wins', async () => {
    const first = await send(bo, id, 'one')
    await send(bo, id, 'two')
    const stream = await ada.subscribe(InboxUpdatedDocument)
    // All within one request: the reading is told at once, the message gathered with the reading that it brings along.
    await ada.run(ReadAndSendDocument, {
      read: { conversationId: id, messageId: first.id },
      message: { conversationId: id, body: 'three' },
    })
    expect(await next(stream)).toEqual(['STATE', id])
    expect((await stream.next()).inboxUpdated).toMatchObject({
      change: 'ACTIVITY',
      conversation: { lastSeq: 3, viewerState: { lastReadSeq: 3 } },
    })
    stream.stop()
  })

  test('each conversation on its own', async () => {
    const other = await insertGroup(scene, ['ada', 'bo', 'cy'])
    const stream = await ada.subscribe(InboxUpdatedDocument)
    await send(bo, id, 'here')
    await send(bo, other, 'there')
    expect(await next(stream)).toEqual(['ACTIVITY', id])
    expect(await next(stream)).toEqual(['ACTIVITY', other])
    stream.stop()
  })
})

test("nobody else's conversations", async () => {
  const [di] = await usersOf(scene, 'di')
  const stream = await di.subscribe(InboxUpdatedDocument)
  await send(bo, id, 'not for di')
  await startDirect(ada, 'cy')
  const own = await startDirect(bo, 'di')
  expect(await next(stream)).toEqual(['JOINED', own])
  stream.stop()
})

describe('to a service', () => {
  test("that acts for a user they are that user's", async () => {
    const stream = await scene.asService('ada').subscribe(InboxUpdatedDocument)
    await send(bo, id, 'news')
    expect((await stream.next()).inboxUpdated).toMatchObject({
      conversationId: id,
      unread: { messages: expect.any(Number) },
    })
    stream.stop()
  })

  test('that acts for nobody they are refused', async () => {
    expect(await refusalOf(await scene.asService().subscribe(InboxUpdatedDocument))).toEqual({ code: 'FORBIDDEN' })
  })
})
