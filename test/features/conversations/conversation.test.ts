import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { ConversationDocument, MarkReadDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import {
  expectRefused,
  GARBAGE,
  insertGroup,
  missingConversation,
  type Scene,
  send,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient
let id: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
  id = await startDirect(ada, 'bo')
})
afterAll(() => scene.close())

async function conversationOf(client: TestClient, conversationId = id) {
  const { conversation } = await client.run(ConversationDocument, { id: conversationId })
  return conversation
}

test('each participant sees it with its own title and state', async () => {
  await send(ada, id, 'hello')
  expect(await conversationOf(ada)).toMatchObject({ title: 'bo', viewerState: { unreadCount: 0, lastReadSeq: 1 } })
  expect(await conversationOf(bo)).toMatchObject({ title: 'ada', viewerState: { unreadCount: 1, lastReadSeq: 0 } })
})

test('a message raises lastSeq and version by one, moves the cursor and becomes the last message', async () => {
  const before = (await conversationOf(ada))!
  const message = await send(bo, id, 'newest')
  const after = (await conversationOf(ada))!
  expect(after).toMatchObject({
    lastSeq: before.lastSeq + 1,
    version: before.version + 1,
    lastMessageAt: message.createdAt,
    lastMessage: message,
    createdAt: before.createdAt,
    updatedAt: before.updatedAt,
  })
  expect(after.cursor).not.toBe(before.cursor)
  expect((await conversationOf(bo))!.cursor).toBe(after.cursor)
})

test('reading changes neither its version nor its cursor', async () => {
  await send(ada, id, 'to be read')
  const before = (await conversationOf(bo))!
  await bo.run(MarkReadDocument, { input: { conversationId: id } })
  const after = (await conversationOf(bo))!
  expect(after.viewerState!.lastReadSeq).toBeGreaterThan(before.viewerState!.lastReadSeq)
  expect(after).toMatchObject({ version: before.version, cursor: before.cursor, updatedAt: before.updatedAt })
})

test('without messages it has no last one', async () => {
  const empty = await startDirect(ada, 'cy')
  expect(await conversationOf(cy, empty)).toMatchObject({ lastSeq: 0, lastMessage: null, lastMessageAt: null })
})

test('a group has the title that it was given', async () => {
  const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
  expect(await conversationOf(cy, group)).toMatchObject({ kind: 'GROUP', title: 'Group' })
})

test('whoever joined later without history sees no last message from before', async () => {
  const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
  await send(ada, group, 'before')
  await scene.sql(
    `UPDATE participants SET visible_from_seq = 2, last_read_seq = 1
      WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
    [uuidOf(group)],
  )
  expect(await conversationOf(cy, group)).toMatchObject({ lastMessage: null, viewerState: { unreadCount: 0 } })
  expect(await conversationOf(bo, group)).toMatchObject({ lastMessage: { body: 'before' } })
})

describe('to a service', () => {
  test('any is visible, without a title for the two and without a state', async () => {
    const conversation = await conversationOf(scene.asService())
    expect(conversation).toMatchObject({ id, title: null, viewerState: null, lastMessage: { seq: expect.any(Number) } })
    expect(conversation!.participants.edges).toHaveLength(2)
  })

  test('that acts for a user it is what that user sees', async () => {
    expect(await conversationOf(scene.asService('bo'))).toEqual(await conversationOf(bo))
    expect(await conversationOf(scene.asService('cy'))).toBeNull()
  })
})

describe('is null, without an error', () => {
  test('where it is missing, to a service too', async () => {
    expect(await conversationOf(ada, missingConversation)).toBeNull()
    expect(await conversationOf(scene.asService(), missingConversation)).toBeNull()
  })

  test('where one is not in it, the same as missing', async () => {
    const foreign = await cy.execute(ConversationDocument, { id })
    const missing = await cy.execute(ConversationDocument, { id: missingConversation })
    expect(foreign).toEqual({ data: { conversation: null } })
    expect(missing).toEqual(foreign)
  })

  test('once one has left it', async () => {
    const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    await scene.sql(
      `UPDATE participants SET left_at = now()
        WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
      [uuidOf(group)],
    )
    expect(await conversationOf(cy, group)).toBeNull()
    const { participants } = (await conversationOf(ada, group))!
    expect(participants.edges.map(({ node }) => node.user.externalId)).toEqual(['ada', 'bo'])
  })
})

test('an id that is garbage or of another type is bad input', async () => {
  for (const garbage of [...GARBAGE, encodeId('User', uuidOf(id)), encodeId('Message', uuidOf(id), 1), uuidOf(id)]) {
    await expectRefused(scene, () => ada.execute(ConversationDocument, { id: garbage }), {
      code: 'BAD_USER_INPUT',
      field: 'id',
    })
  }
})
