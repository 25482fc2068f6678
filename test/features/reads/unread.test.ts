import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConversationsDocument, MarkReadDocument, UnreadDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { insertGroup, type Scene, send, sendMany, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
})
afterAll(() => scene.close())

/** The same by counting: every message that the user may see and has not read. */
async function countOf(externalId: string) {
  const byKind = await scene.sql(
    `SELECT c.kind, count(*)::int AS messages, count(DISTINCT c.id)::int AS conversations
       FROM participants p JOIN users u ON u.id = p.user_id JOIN conversations c ON c.id = p.conversation_id
       JOIN messages m ON m.conversation_id = c.id AND m.seq >= p.visible_from_seq AND m.seq > p.last_read_seq
      WHERE u.external_id = $1 AND p.left_at IS NULL GROUP BY c.kind ORDER BY c.kind`,
    [externalId],
  )
  const total = (of: 'messages' | 'conversations') => byKind.reduce((sum, row) => sum + Number(row[of]), 0)
  return { messages: total('messages'), conversations: total('conversations'), byKind }
}

/** That all three ways of counting agree for everybody. */
async function expectCounts() {
  for (const name of ['ada', 'bo', 'cy']) {
    const { unread } = await scene.as(name).run(UnreadDocument)
    expect(unread).toEqual(await countOf(name))
    const { conversations } = await scene.as(name).run(ConversationsDocument, { first: 100 })
    const counts = conversations!.edges.map(({ node }) => node.viewerState!.unreadCount)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(unread!.messages)
    expect(counts.filter((count) => count > 0)).toHaveLength(unread!.conversations)
  }
}

test('nothing is unread where there is nothing', async () => {
  expect(await ada.run(UnreadDocument)).toEqual({ unread: { messages: 0, conversations: 0, byKind: [] } })
  await startDirect(ada, 'bo')
  expect(await bo.run(UnreadDocument)).toEqual({ unread: { messages: 0, conversations: 0, byKind: [] } })
})

test('equals what plain SQL counts, in every kind and after every step', async () => {
  const direct = await startDirect(ada, 'bo')
  const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
  const steps = [
    () => sendMany(ada, direct, 3),
    () => sendMany(ada, group, 5),
    () => send(bo, direct, 'an answer reads'),
    () => send(scene.asService(), group, 'of the system'),
    () => send(scene.asService('bo'), group, 'for bo'),
    () => bo.run(MarkReadDocument, { input: { conversationId: group } }),
    () => Promise.all(Array.from({ length: 10 }, (_, number) => send(number % 2 ? ada : cy, group, 'at once'))),
    () =>
      scene.sql(
        `UPDATE participants SET visible_from_seq = 9, last_read_seq = 0
          WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
        [uuidOf(group)],
      ),
    () => send(ada, group, 'one more'),
    () =>
      scene.sql(
        `UPDATE participants SET left_at = now()
          WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
        [uuidOf(group)],
      ),
  ]
  for (const step of steps) {
    await step()
    await expectCounts()
  }
  const { unread } = await ada.run(UnreadDocument)
  expect(unread).toEqual({
    messages: 1,
    conversations: 1,
    byKind: [{ kind: 'DIRECT', messages: 1, conversations: 1 }],
  })
})

test('lists only kinds that have unread messages', async () => {
  await ada.run(MarkReadDocument, { input: { conversationId: await startDirect(ada, 'bo') } })
  const { unread } = await ada.run(UnreadDocument)
  expect(unread!.byKind.map(({ kind }) => kind)).not.toContain('DIRECT')
  await send(bo, await startDirect(ada, 'bo'), 'unread')
  const { unread: after } = await ada.run(UnreadDocument)
  expect(after!.byKind).toContainEqual({ kind: 'DIRECT', messages: 1, conversations: 1 })
})

test("is null to a service, and to one that acts for a user that user's", async () => {
  expect(await scene.asService().run(UnreadDocument)).toEqual({ unread: null })
  expect(await scene.asService('bo').run(UnreadDocument)).toEqual(await bo.run(UnreadDocument))
})
