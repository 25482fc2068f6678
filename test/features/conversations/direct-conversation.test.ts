import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  DirectConversationDocument,
  type DirectConversationQueryVariables,
  UserDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { expectRefused, missingConversation, type Scene, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

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

async function idOf(externalId: string) {
  const { user } = await ada.run(UserDocument, { externalId })
  return user!.id
}

test('is found by either id and from either side', async () => {
  const found = [
    await ada.run(DirectConversationDocument, { externalId: 'bo' }),
    await ada.run(DirectConversationDocument, { userId: await idOf('bo') }),
    await bo.run(DirectConversationDocument, { externalId: 'ada' }),
    await scene.asService('bo').run(DirectConversationDocument, { externalId: 'ada' }),
  ]
  expect(found.map(({ directConversation }) => directConversation?.id)).toEqual([id, id, id, id])
  expect(found.map(({ directConversation }) => directConversation?.title)).toEqual(['bo', 'bo', 'ada', 'ada'])
})

describe('is null', () => {
  const none = { directConversation: null }

  test('where the two have none, and asking opens none', async () => {
    const before = await scene.sql('SELECT * FROM conversations')
    expect(await ada.run(DirectConversationDocument, { externalId: 'cy' })).toEqual(none)
    expect(await cy.run(DirectConversationDocument, { externalId: 'bo' })).toEqual(none)
    expect(await scene.sql('SELECT * FROM conversations')).toEqual(before)
  })

  test('with an unknown user, and with oneself', async () => {
    expect(await ada.run(DirectConversationDocument, { externalId: 'nobody' })).toEqual(none)
    expect(
      await ada.run(DirectConversationDocument, { userId: encodeId('User', uuidOf(missingConversation)) }),
    ).toEqual(none)
    expect(await ada.run(DirectConversationDocument, { externalId: 'ada' })).toEqual(none)
  })

  test('to a service that acts for nobody: it has none of its own', async () => {
    expect(await scene.asService().run(DirectConversationDocument, { externalId: 'bo' })).toEqual(none)
  })
})

describe('bad input', () => {
  test.each<[string, DirectConversationQueryVariables, string]>([
    ['both ids', { externalId: 'bo', userId: 'x' }, 'userId'],
    ['neither id', {}, 'userId'],
    ['no id but null', { userId: null, externalId: null }, 'userId'],
    ['one id, which is null', { userId: null }, 'userId'],
    ['a blank externalId', { externalId: ' ' }, 'externalId'],
    ['an externalId with a NUL', { externalId: '\0' }, 'externalId'],
    ['a garbage userId', { userId: 'garbage' }, 'userId'],
    ['a userId of another type', { userId: missingConversation }, 'userId'],
  ])('%s', async (_, variables, field) => {
    for (const client of [ada, scene.asService()]) {
      await expectRefused(scene, () => client.execute(DirectConversationDocument, variables), {
        code: 'BAD_USER_INPUT',
        field,
      })
    }
  })
})
