import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CloseConversationDocument,
  ConversationDetailsDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  MarkReadDocument,
  MessageAddedDocument,
  MessageEventsDocument,
  type MessageEventsSubscription,
  MessagesDocument,
  RepliesToChangedDocument,
  SendMessageDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import { expectSound, setRole, startTwoWith, userId } from '../conversations/support.ts'
import { add, createGroup, leave } from '../groups.ts'
import { expectRefused, GARBAGE, missingConversation, type Scene, send, startDirect, uuidOf } from '../support.ts'
import { edit, find, remove, revisionsOf } from './support.ts'

let scene: Scene
/** Another node of the same. */
let second: TestApp
let ada: TestClient
let bo: TestClient
let cy: TestClient
/** A group of Bo's in which Ada has written one message, anew for each test. */
let id: string
let messageId: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo', 'cy', 'di'))
  ada = scene.as('ada')
  bo = scene.as('bo')
  cy = scene.as('cy')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})
beforeEach(async () => {
  id = await createGroup(bo, 'ada', 'cy')
  ;({ id: messageId } = await send(ada, id, 'secret', { metadata: { a: 1 }, idempotencyKey: 'key' }))
})

const NOT_FOUND = { code: 'NOT_FOUND', field: 'messageId' }
const refused = (client: TestClient, refusal: { code: string; field?: string }, which = messageId) =>
  expectRefused(scene, () => client.execute(DeleteMessageDocument, { input: { messageId: which } }), refusal)

const see = async (client: TestClient, conversationId = id) =>
  (await client.run(ConversationDetailsDocument, { id: conversationId })).conversation!

describe('a tombstone', () => {
  test('has nothing of what was said, and all that orders and names it', async () => {
    const { id: replyId } = await send(ada, id, 'of mine', {
      replyToId: messageId,
      metadata: { b: 2 },
      idempotencyKey: 'reply',
    })
    const before = await find(ada, replyId)
    const begun = Date.now()
    const tombstone = await remove(ada, replyId)
    expect(tombstone).toEqual({
      ...before,
      body: null,
      metadata: {},
      deletedAt: expect.any(String),
      version: before.version + 1,
    })
    expect(tombstone).toMatchObject({ idempotencyKey: 'reply', replyTo: { id: messageId }, kind: 'TEXT' })
    expect(Date.parse(tombstone.deletedAt!)).toBeGreaterThanOrEqual(Date.parse(before.createdAt))
    expect(Date.parse(tombstone.deletedAt!)).toBeLessThan(begun + 60_000)
    for (const client of [ada, second.as('cy'), scene.asService()]) {
      expect(await find(client, replyId)).toEqual(tombstone)
    }
    expect((await see(ada)).version).toBe(tombstone.version)
  })

  test('has no revisions, and still says when it was last edited', async () => {
    await edit(ada, messageId, 'second')
    const { editedAt } = await edit(ada, messageId, 'third')
    expect(await revisionsOf(scene, messageId)).toHaveLength(2)
    expect(await remove(ada, messageId)).toMatchObject({ body: null, editedAt })
    expect(await revisionsOf(scene, messageId)).toEqual([])
  })

  test('keeps its place in pages, as the last message, and for who replied', async () => {
    await send(cy, id, 'a reply', { replyToId: messageId })
    const { id: last } = await send(ada, id, 'last')
    await remove(ada, messageId)
    await remove(ada, last)
    const { conversation } = await bo.run(MessagesDocument, { id })
    expect(conversation!.messages.edges.map(({ node }) => [node.seq, node.body])).toEqual([
      [1, null],
      [2, 'a reply'],
      [3, null],
    ])
    expect((await see(bo)).lastMessage).toEqual({ seq: 3, body: null })
    const replies = await bo.run(RepliesToChangedDocument, { id })
    expect(replies.conversation!.messages.edges[1]!.node.replyTo).toEqual({
      id: messageId,
      body: null,
      deletedAt: expect.any(String),
      sender: { externalId: 'ada' },
    })
  })

  test('is not counted as a message, but still as unread', async () => {
    await send(ada, id, 'more')
    const before = await see(cy)
    expect(before).toMatchObject({ messageCount: 2, viewerState: { unreadCount: 2 } })
    await remove(ada, messageId)
    const { lastSeq, lastMessageAt, viewerState } = before
    expect(await see(cy)).toMatchObject({ messageCount: 1, lastSeq, lastMessageAt, viewerState })
    await cy.run(MarkReadDocument, { input: { conversationId: id, messageId } })
    expect(await see(cy)).toMatchObject({ viewerState: { unreadCount: 1, lastReadSeq: 1 } })
  })

  test('can be replied to, as it can be seen', async () => {
    await remove(ada, messageId)
    expect(await send(bo, id, 'why?', { replyToId: messageId })).toMatchObject({ seq: 2 })
  })

  test('is what a retry of the send gives, deduplicated, and the key stays taken', async () => {
    const tombstone = await remove(ada, messageId)
    const input = { conversationId: id, body: 'secret', metadata: { a: 1 }, idempotencyKey: 'key' }
    for (const client of [ada, second.as('ada'), scene.asService('ada')]) {
      const { sendMessage } = await client.run(SendMessageDocument, { input })
      const { seq, version, createdAt } = tombstone
      expect(sendMessage).toMatchObject({
        deduplicated: true,
        message: { id: messageId, seq, version, createdAt, body: null, metadata: {}, idempotencyKey: 'key' },
      })
    }
    await expectRefused(scene, () => ada.execute(SendMessageDocument, { input: { ...input, body: 'other' } }), {
      code: 'CONFLICT',
      field: 'idempotencyKey',
    })
    expect(await see(ada)).toMatchObject({ lastSeq: 1, messageCount: 0 })
  })

  test('is given back by whoever deletes it again, and nothing is raised', async () => {
    const tombstone = await remove(ada, messageId)
    for (const client of [ada, bo, second.as('bo'), scene.asService()]) {
      expect(await remove(client, messageId)).toEqual(tombstone)
    }
    expect(await see(ada)).toMatchObject({ version: tombstone.version, messageCount: 0 })
  })

  test('is kept from whoever may not delete, as the message was', async () => {
    await remove(ada, messageId)
    await refused(cy, { code: 'FORBIDDEN' })
  })
})

describe('may be deleted', () => {
  test('by its sender, admins, the owner and a service in a group, and by nobody else', async () => {
    await setRole(bo, id, await userId(scene, 'cy'), 'ADMIN')
    await add(bo, id, ['di'], { withHistory: true })
    for (const client of [scene.as('di'), scene.asService('di')]) await refused(client, { code: 'FORBIDDEN' })
    for (const client of [ada, bo, cy, scene.asService(), scene.asService('cy')]) {
      expect(await remove(client, (await send(ada, id, 'one more')).id)).toMatchObject({ body: null })
    }
  })

  test('by its sender and a service in a direct conversation, and by nobody else', async () => {
    const direct = await startDirect(ada, 'bo')
    const ids = [await send(ada, direct, 'one'), await send(ada, direct, 'two'), await send(ada, direct, 'three')]
    await refused(bo, { code: 'FORBIDDEN' }, ids[0]!.id)
    await refused(scene.asService('bo'), { code: 'FORBIDDEN' }, ids[0]!.id)
    for (const [index, client] of [ada, scene.asService(), scene.asService('ada')].entries()) {
      expect(await remove(client, ids[index]!.id)).toMatchObject({ body: null, sender: { externalId: 'ada' } })
    }
  })

  test('of what the system says: by admins and a service, and by nobody else', async () => {
    const [one, two] = [await send(scene.asService(), id, 'one'), await send(scene.asService(), id, 'two')]
    await refused(ada, { code: 'FORBIDDEN' }, one.id)
    expect(await remove(bo, one.id)).toMatchObject({ body: null, kind: 'SYSTEM', sender: null })
    expect(await remove(scene.asService(), two.id)).toMatchObject({ body: null, kind: 'SYSTEM', sender: null })
    const direct = await startDirect(ada, 'bo')
    const three = await send(scene.asService(), direct, 'three')
    for (const client of [ada, bo]) await refused(client, { code: 'FORBIDDEN' }, three.id)
    expect(await remove(scene.asService(), three.id)).toMatchObject({ body: null })
  })

  test('in a closed conversation', async () => {
    await bo.run(CloseConversationDocument, { input: { conversationId: id } })
    await refused(cy, { code: 'FORBIDDEN' })
    expect(await remove(ada, messageId)).toMatchObject({ body: null })
  })
})

describe('is refused', () => {
  test('to who is not in the conversation, or no more, as if it were missing', async () => {
    for (const client of [scene.as('di'), scene.asService('di')]) await refused(client, NOT_FOUND)
    await leave(ada, id)
    for (const client of [ada, second.as('ada'), scene.asService('ada')]) await refused(client, NOT_FOUND)
  })

  test('of what one does not see, to an admin too', async () => {
    await add(bo, id, ['di'])
    await setRole(bo, id, await userId(scene, 'di'), 'ADMIN')
    await refused(scene.as('di'), NOT_FOUND)
    expect(await remove(scene.as('di'), (await send(ada, id, 'seen')).id)).toMatchObject({ body: null })
  })

  test('once the conversation is deleted', async () => {
    await bo.run(DeleteConversationDocument, { input: { conversationId: id } })
    for (const client of [ada, bo, scene.asService()]) await refused(client, NOT_FOUND)
  })

  test('of a message that is not there', async () => {
    const missing = [2, 3, 2 ** 31 - 1].map((seq) => encodeId('Message', uuidOf(id), seq))
    for (const one of [...missing, encodeId('Message', uuidOf(missingConversation), 1)]) {
      for (const client of [bo, scene.asService()]) await refused(client, NOT_FOUND, one)
    }
  })

  test('of what is no message’s id', async () => {
    for (const garbage of [...GARBAGE, id, uuidOf(id), encodeId('User', uuidOf(id)), `${messageId}=`]) {
      await refused(bo, { code: 'BAD_USER_INPUT', field: 'messageId' }, garbage)
    }
  })
})

test('20 at once over two nodes are one, and all get the same tombstone', async () => {
  const { version } = await see(ada)
  const clients = [ada, second.as('ada'), bo, second.as('bo')]
  const answers = await Promise.all(Array.from({ length: 20 }, (_, call) => remove(clients[call % 4]!, messageId)))
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  expect(await see(ada)).toMatchObject({ version: version + 1, messageCount: 0 })
})

describe('those who follow, on the other node,', () => {
  /** The next events that are about messages: which, of which seq, and what they say. */
  async function take(stream: Stream<MessageEventsSubscription>, count: number) {
    const told: [string, number, string | null | undefined][] = []
    while (told.length < count) {
      const { conversationEvents: event } = await stream.next()
      if ('message' in event) told.push([event.__typename, event.message.seq, event.message.body])
    }
    return told
  }

  test('are told of it once, with the tombstone; messageAdded does not repeat it', async () => {
    const there = second.as('cy')
    const events = await there.subscribe(MessageEventsDocument, { conversationId: id })
    const added = await there.subscribe(MessageAddedDocument, { conversationId: id })
    await remove(ada, messageId)
    await remove(bo, messageId)
    await send(bo, id, 'after')
    expect(await take(events, 2)).toEqual([
      ['MessageUpdatedEvent', 1, null],
      ['MessageAddedEvent', 2, 'after'],
    ])
    expect((await added.next()).messageAdded).toMatchObject({ seq: 2 })
    events.stop()
    added.stop()
  })

  test('are told of edits and the delete in their order, each once', async () => {
    const events = await second.as('cy').subscribe(MessageEventsDocument, { conversationId: id })
    await edit(ada, messageId, 'second')
    await edit(ada, messageId, 'third')
    await remove(ada, messageId)
    await send(bo, id, 'after')
    expect(await take(events, 4)).toEqual([
      ['MessageUpdatedEvent', 1, 'second'],
      ['MessageUpdatedEvent', 1, 'third'],
      ['MessageUpdatedEvent', 1, null],
      ['MessageAddedEvent', 2, 'after'],
    ])
    events.stop()
  })
})
