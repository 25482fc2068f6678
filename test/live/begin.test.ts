import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { createGroup } from '../features/groups.ts'
import { type Scene, send, startScene, usersOf, uuidOf } from '../features/support.ts'
import {
  LeaveConversationDocument,
  MarkReadDocument,
  MessageAddedDocument,
  ReadReceiptDocument,
  TypingDocument,
} from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'
import { wholeInbox } from './nodes.ts'

// Access may end while a subscription begins, between the first look at it and the moment from which events come. While
// Redis is away that takes a second, so Bo can leave just then.

let scene: Scene
let statements: string[] = []
let ada: TestClient
let bo: TestClient
let id: string
let other: string

beforeAll(async () => {
  scene = await startScene({
    env: { REDIS_URL: 'redis://127.0.0.1:1' },
    overrides: { onStatement: (sql) => statements.push(sql) },
  })
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy')
})
afterAll(() => scene.close())
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  other = await createGroup(ada, 'bo', 'cy')
})

/** Lets Bo leave once the subscription that `begin` begins has looked at his place, and before it is in effect. */
async function leaveWhile<Result>(begin: () => Promise<Result>, look: RegExp): Promise<Result> {
  statements = []
  const begun = begin()
  await vi.waitFor(() => expect(statements.some((sql) => look.test(sql))).toBe(true), { timeout: 30_000 })
  await bo.run(LeaveConversationDocument, { input: { conversationId: id } })
  return begun
}

test.each([
  ['messageAdded', MessageAddedDocument],
  ['typing', TypingDocument],
  ['readReceipt', ReadReceiptDocument],
])('%s of the conversation ends with nothing sent', async (_, document) => {
  // A socket that is open already, so that the subscription is all that begins.
  const warm = await bo.subscribe(MessageAddedDocument, { conversationId: other })
  const stream = await leaveWhile(
    () => bo.subscribe(document as typeof MessageAddedDocument, { conversationId: id }),
    /AS wanted \(id, viewer, n\)/,
  )
  await send(ada, id, 'secret')
  await stream.ended
  expect(stream.waiting().filter((data) => data)).toEqual([])
  warm.stop()
})

test('the whole inbox gets nothing of it', async () => {
  const warm = await bo.subscribe(MessageAddedDocument, { conversationId: other })
  const stream = await leaveWhile(() => bo.subscribe(MessageAddedDocument, wholeInbox), /AS since/)
  await send(ada, id, 'secret')
  await send(ada, other, 'for all')
  expect((await stream.next()).messageAdded.body).toBe('for all')
  stream.stop()
  warm.stop()
})

test('markRead is refused too, when access ends while it waits to be written', async () => {
  await send(ada, id, 'one')
  statements = []
  await scene.sql('BEGIN')
  await scene.sql(
    `UPDATE participants SET left_at = now() WHERE conversation_id = $1
        AND user_id = (SELECT u.id FROM users u WHERE u.external_id = 'bo')`,
    [uuidOf(id)],
  )
  const marked = bo.execute(MarkReadDocument, { input: { conversationId: id } })
  // It waits for the row, which the test holds.
  await vi.waitFor(() => expect(statements.some((sql) => sql.includes('mark_read'))).toBe(true), {
    timeout: 30_000,
    interval: 10,
  })
  await scene.sql('COMMIT')
  expect((await marked).errors?.[0]?.extensions).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
})
