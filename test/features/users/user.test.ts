import { afterAll, beforeAll, expect, test } from 'vitest'
import { UserDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { expectRefused, type Scene, startScene, usersOf } from '../support.ts'

let scene: Scene
let ada: TestClient

beforeAll(async () => {
  scene = await startScene()
  ;[ada] = await usersOf(scene, 'ada', 'bo')
})
afterAll(() => scene.close())

test('anybody may see the profile of a user whom the host knows by this id', async () => {
  const { user } = await ada.run(UserDocument, { externalId: 'bo' })
  expect(user).toEqual({
    id: expect.any(String),
    externalId: 'bo',
    username: 'bo',
    displayName: 'bo',
    avatarUrl: null,
    role: null,
    type: 'HUMAN',
  })
  expect(await scene.asService().run(UserDocument, { externalId: 'bo' })).toEqual({ user })
})

test('an unknown one is null', async () => {
  expect(await ada.run(UserDocument, { externalId: 'nobody' })).toEqual({ user: null })
  expect(await scene.asService().run(UserDocument, { externalId: 'nobody' })).toEqual({ user: null })
})

test('ids are compared exactly', async () => {
  for (const externalId of ['Bo', 'bo ', ' bo', 'b%', 'b_', 'bó']) {
    expect(await ada.run(UserDocument, { externalId })).toEqual({ user: null })
  }
})

test('asking for somebody creates nobody', async () => {
  const users = await scene.sql('SELECT * FROM users')
  await ada.run(UserDocument, { externalId: 'ghost' })
  expect(await scene.sql('SELECT * FROM users')).toEqual(users)
})

test.each([
  ['blank', ' '],
  ['empty', ''],
  ['of 256 characters', 'x'.repeat(256)],
  ['with a NUL', 'b\0o'],
  ['with half of a surrogate pair', 'b\ud800o'],
])('an externalId that is %s is bad input', async (_, externalId) => {
  await expectRefused(scene, () => ada.execute(UserDocument, { externalId }), {
    code: 'BAD_USER_INPUT',
    field: 'externalId',
  })
})

test('one of 255 astral characters is in bounds', async () => {
  expect(await ada.run(UserDocument, { externalId: '😀'.repeat(255) })).toEqual({ user: null })
})
