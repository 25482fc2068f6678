import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGroup } from '../features/groups.ts'
import { type Scene, send, startScene, usersOf } from '../features/support.ts'
import { ConversationEventsDocument, MessageAddedDocument } from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'

// A failover to a copy that lacks the last writes, as the nodes see it: another timeline under the same connections.

let scene: Scene
let ada: TestClient
let bo: TestClient
beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy')
})
afterAll(() => scene.close())

test('all are sent away, and are told that their cursors lead nowhere', async () => {
  const conversationId = await createGroup(ada, 'bo', 'cy')
  const before = await bo.subscribe(ConversationEventsDocument, { conversationId })
  const { cursor } = (await before.until((data) => data.conversationEvents.__typename === 'CaughtUpEvent'))
    .conversationEvents
  await scene.sql('UPDATE database_epoch SET timeline = timeline - 1')
  const { error } = await before.ended
  expect(error).toMatchObject({ code: 1012 })

  const resumed = await bo.subscribe(ConversationEventsDocument, { conversationId, after: cursor })
  expect((await resumed.next()).conversationEvents.__typename).toBe('ResetRequiredEvent')
  await resumed.ended

  const anew = await bo.subscribe(MessageAddedDocument, { conversationId })
  await send(ada, conversationId, 'after the failover')
  expect((await anew.next()).messageAdded.body).toBe('after the failover')
  anew.stop()
})
