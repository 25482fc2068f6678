import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { ConversationDocument, MarkReadDocument, type MarkReadInput } from '../../generated/graphql.ts'
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
/** A group of the three, with five messages from ada, anew for each test. */
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
  for (let number = 1; number <= 5; number++) messageIds.push((await send(ada, id, `m${number}`)).id)
})

async function markRead(client: TestClient, input: Partial<MarkReadInput> = {}) {
  const { markRead } = await client.run(MarkReadDocument, { input: { conversationId: id, ...input } })
  return markRead!.conversation.viewerState
}

async function positions() {
  const rows = await scene.sql(
    `SELECT external_id, last_read_seq FROM participants JOIN users ON users.id = user_id
      WHERE conversation_id = $1 ORDER BY 1`,
    [uuidOf(id)],
  )
  return Object.fromEntries(rows.map((row) => [row.external_id, row.last_read_seq]))
}

test("up to a message moves the viewer's position there, and nobody else's", async () => {
  expect(await markRead(bo, { messageId: messageIds[2] })).toMatchObject({ lastReadSeq: 3, unreadCount: 2 })
  expect(await positions()).toEqual({ ada: 5, bo: 3, cy: 0 })
})

test('without a message reads all', async () => {
  expect(await markRead(bo)).toMatchObject({ lastReadSeq: 5, unreadCount: 0 })
  expect(await markRead(cy, { messageId: null })).toMatchObject({ lastReadSeq: 5, unreadCount: 0 })
  expect(await positions()).toEqual({ ada: 5, bo: 5, cy: 5 })
})

test('never moves back, and is answered all the same', async () => {
  await markRead(bo, { messageId: messageIds[3] })
  const before = await scene.sql('SELECT * FROM participants ORDER BY 1, 2')
  expect(await markRead(bo, { messageId: messageIds[1] })).toMatchObject({ lastReadSeq: 4, unreadCount: 1 })
  expect(await markRead(bo, { messageId: messageIds[3] })).toMatchObject({ lastReadSeq: 4, unreadCount: 1 })
  expect(await scene.sql('SELECT * FROM participants ORDER BY 1, 2')).toEqual(before)
})

test('of an empty conversation changes nothing', async () => {
  id = await startDirect(bo, 'cy')
  expect(await markRead(bo)).toMatchObject({ lastReadSeq: 0, unreadCount: 0 })
})

test('calls at once end at the farthest', async () => {
  const order = [2, 4, 0, 3, 1, 4, 2, 0]
  await Promise.all(order.map((index) => markRead(bo, { messageId: messageIds[index] })))
  expect(await positions()).toMatchObject({ bo: 5 })
})

test('raises neither the version nor the place in the list', async () => {
  const before = await scene.sql('SELECT * FROM conversations')
  await markRead(bo)
  expect(await scene.sql('SELECT * FROM conversations')).toEqual(before)
})

test('says when', async () => {
  await markRead(bo)
  const { conversation } = await cy.run(ConversationDocument, { id })
  const reader = conversation!.participants.edges.map(({ node }) => node).find(({ user }) => user.externalId === 'bo')
  expect(reader).toMatchObject({ lastReadSeq: 5, lastReadAt: expect.stringMatching(/Z$/) })
})

describe('sending', () => {
  test("moves the sender's position to its message", async () => {
    await send(bo, id, 'from bo')
    expect(await positions()).toEqual({ ada: 5, bo: 6, cy: 0 })
  })

  test("by a service for a user does not, nor does the system's own", async () => {
    await send(scene.asService('bo'), id, 'for bo')
    await send(scene.asService(), id, 'from the host')
    expect(await positions()).toEqual({ ada: 5, bo: 0, cy: 0 })
  })
})

test('a service may read for a user', async () => {
  expect(await markRead(scene.asService('bo'), { messageId: messageIds[0] })).toMatchObject({ lastReadSeq: 1 })
  expect(await positions()).toMatchObject({ bo: 1 })
})

test('whoever joined without history begins where it joined', async () => {
  const place = `conversation_id = '${uuidOf(id)}' AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`
  await scene.sql(`UPDATE participants SET visible_from_seq = 4, last_read_seq = 3 WHERE ${place}`)
  await expectRefused(
    scene,
    () => cy.execute(MarkReadDocument, { input: { conversationId: id, messageId: messageIds[2] } }),
    { code: 'NOT_FOUND', field: 'messageId' },
  )
  expect(await markRead(cy, { messageId: messageIds[3] })).toMatchObject({ lastReadSeq: 4, unreadCount: 1 })
})

describe('is refused', () => {
  const refused = (input: Partial<MarkReadInput>, code: string, field: string, client = bo) =>
    expectRefused(scene, () => client.execute(MarkReadDocument, { input: { conversationId: id, ...input } }), {
      code,
      field,
    })

  test('beyond the newest message', async () => {
    for (const seq of [6, 7, 2 ** 31 - 1]) {
      await refused({ messageId: encodeId('Message', uuidOf(id), seq) }, 'NOT_FOUND', 'messageId')
    }
  })

  test('up to a message of another conversation, whether it is there or not', async () => {
    const other = await insertGroup(scene, ['ada', 'bo', 'cy'])
    const { id: elsewhere } = await send(ada, other, 'elsewhere')
    const foreign = await send(ada, await startDirect(ada, 'di'), 'foreign')
    const missing = encodeId('Message', uuidOf(missingConversation), 1)
    for (const messageId of [elsewhere, foreign.id, missing])
      await refused({ messageId }, 'BAD_USER_INPUT', 'messageId')
  })

  test('in a conversation that one is not in, as in one that is missing', async () => {
    await refused({}, 'NOT_FOUND', 'conversationId', scene.as('di'))
    await refused({ messageId: messageIds[0] }, 'NOT_FOUND', 'conversationId', scene.as('di'))
    await refused({ conversationId: missingConversation }, 'NOT_FOUND', 'conversationId')
    await refused({}, 'NOT_FOUND', 'conversationId', scene.asService('di'))
  })

  test('by ids that are garbage or of another type', async () => {
    for (const garbage of [...GARBAGE, encodeId('User', uuidOf(id)), uuidOf(id)]) {
      await refused({ conversationId: garbage }, 'BAD_USER_INPUT', 'conversationId')
      await refused({ messageId: garbage }, 'BAD_USER_INPUT', 'messageId')
    }
    await refused({ conversationId: messageIds[0] }, 'BAD_USER_INPUT', 'conversationId')
    await refused({ messageId: id }, 'BAD_USER_INPUT', 'messageId')
  })

  test('to a service that acts for nobody', async () => {
    await expectRefused(scene, () => scene.asService().execute(MarkReadDocument, { input: { conversationId: id } }), {
      code: 'FORBIDDEN',
    })
  })
})
