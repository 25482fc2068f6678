import { afterAll, beforeAll, expect, test } from 'vitest'
import { SendMessageDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { isOfRequest } from '../../support/statements.ts'
import { insertUsers, userId } from '../conversations/support.ts'
import { type Scene, startDirect, startScene } from '../support.ts'
import { ask, block, contactsOf } from './support.ts'

// What a blocked one could learn from how long an answer takes: the server does the same for it as for anybody.

let scene: Scene
let ada: TestClient
const statements: string[] = []

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql) => statements.push(sql) } })
  await insertUsers(scene, ['ada', 'blocker', 'other', 'gone'])
  ada = scene.as('ada')
  await contactsOf(ada)
  await block(scene.as('blocker'), await userId(scene, 'ada'))
})
afterAll(() => scene.close())

/** The statements of one request. */
async function statementsOf(request: () => Promise<unknown>): Promise<string[]> {
  statements.length = 0
  await request()
  return statements.filter(isOfRequest)
}

test('a request for contact takes the same statements, the first time and again', async () => {
  const asks = (externalId: string) => () => ask(ada, externalId)
  expect(await statementsOf(asks('blocker'))).toEqual(await statementsOf(asks('other')))
  const again = await statementsOf(asks('other'))
  expect(await statementsOf(asks('blocker'))).toEqual(again)
  expect(again.filter((sql) => /contacts/.test(sql)).length).toBeGreaterThan(0)
})

test('so does a message that is refused, whatever the reason', async () => {
  await scene.sql(`DELETE FROM blocks`)
  const [toBlocker, toGone] = [await startDirect(ada, 'blocker'), await startDirect(ada, 'gone')]
  await block(scene.as('blocker'), await userId(scene, 'ada'))
  await scene.sql(`UPDATE users SET deactivated_at = now() WHERE external_id = 'gone'`)
  const sends = (conversationId: string) => async () => {
    const { errors } = await ada.execute(SendMessageDocument, { input: { conversationId, body: 'hello' } })
    expect(errors![0]!.extensions).toEqual({ code: 'FORBIDDEN', field: 'conversationId' })
  }
  expect(await statementsOf(sends(toBlocker))).toEqual(await statementsOf(sends(toGone)))
})
