import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { SetTypingDocument, type SetTypingInput, TypingDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import {
  contentsOf,
  expectRefused,
  GARBAGE,
  missingConversation,
  type Scene,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let id: string
/** The server's time in milliseconds; it stands still unless a test moves it. */
let now = Date.now()

beforeAll(async () => {
  scene = await startScene({ overrides: { clock: { now: () => now } } })
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy')
  id = await startDirect(ada, 'bo')
})
afterAll(() => scene.close())

async function setTyping(client: TestClient, isTyping: boolean, conversationId = id) {
  const { setTyping } = await client.run(SetTypingDocument, { input: { conversationId, isTyping } })
  return setTyping!.expiresAt
}

const inSixSeconds = () => new Date(now + 6_000).toISOString()

test('answers when it ends by itself: 6 s later, or at once', async () => {
  expect(await setTyping(ada, true)).toBe(inSixSeconds())
  expect(await setTyping(ada, false)).toBeNull()
  expect(await setTyping(ada, false)).toBeNull()
})

test('stores nothing', async () => {
  const before = await contentsOf(scene)
  await setTyping(ada, true)
  await setTyping(ada, false)
  expect(await contentsOf(scene)).toEqual(before)
})

describe('is passed on', () => {
  test('at most every 2 s for each typist, though each call is answered', async () => {
    now += 10_000
    const stream = await bo.subscribe(TypingDocument, { conversationId: id })
    const next = async () => (await stream.next()).typing
    await setTyping(ada, true)
    const first = inSixSeconds()
    now += 1_999
    expect(await setTyping(ada, true)).toBe(inSixSeconds())
    now += 1
    await setTyping(ada, true)
    expect(await next()).toMatchObject({ isTyping: true, expiresAt: first })
    expect(await next()).toMatchObject({ isTyping: true, expiresAt: inSixSeconds() })
    await setTyping(ada, false)
    expect(await next()).toMatchObject({ isTyping: false, expiresAt: null })
    stream.stop()
  })

  test('an end at once; a start after it no sooner than any other', async () => {
    now += 10_000
    const stream = await bo.subscribe(TypingDocument, { conversationId: id })
    const next = async () => (await stream.next()).typing
    const startAndEnd = async () => {
      await setTyping(ada, true)
      await setTyping(ada, false)
    }
    await startAndEnd()
    expect(await next()).toMatchObject({ isTyping: true, expiresAt: inSixSeconds() })
    expect(await next()).toMatchObject({ isTyping: false })
    now += 1_000
    await startAndEnd()
    now += 1_000
    await startAndEnd()
    expect(await next()).toMatchObject({ isTyping: true, expiresAt: inSixSeconds() })
    expect(await next()).toMatchObject({ isTyping: false })
    expect(stream.waiting()).toEqual([])
    stream.stop()
  })

  test('by each typist and in each conversation on its own', async () => {
    now += 10_000
    const elsewhere = await startDirect(ada, 'cy')
    const [asAda, asBo, asCy] = [
      await ada.subscribe(TypingDocument, { conversationId: id }),
      await bo.subscribe(TypingDocument, { conversationId: id }),
      await scene.as('cy').subscribe(TypingDocument, { conversationId: elsewhere }),
    ]
    await setTyping(ada, true)
    await setTyping(bo, true)
    await setTyping(ada, true, elsewhere)
    expect((await asBo.next()).typing).toMatchObject({ conversationId: id, user: { externalId: 'ada' } })
    expect((await asAda.next()).typing).toMatchObject({ conversationId: id, user: { externalId: 'bo' } })
    expect((await asCy.next()).typing).toMatchObject({ conversationId: elsewhere, user: { externalId: 'ada' } })
    for (const stream of [asAda, asBo, asCy]) stream.stop()
  })
})

test('a service may for a user', async () => {
  now += 10_000
  const stream = await bo.subscribe(TypingDocument, { conversationId: id })
  expect(await setTyping(scene.asService('ada'), true)).toBe(inSixSeconds())
  expect((await stream.next()).typing.user.externalId).toBe('ada')
  stream.stop()
})

describe('is refused', () => {
  const refused = (input: Partial<SetTypingInput>, code: string, client = ada) =>
    expectRefused(
      scene,
      () => client.execute(SetTypingDocument, { input: { conversationId: id, isTyping: true, ...input } }),
      { code, field: 'conversationId' },
    )

  test('in a conversation that one is not in, as in one that is missing', async () => {
    for (const isTyping of [true, false]) {
      await refused({ isTyping }, 'NOT_FOUND', scene.as('cy'))
      await refused({ isTyping, conversationId: missingConversation }, 'NOT_FOUND', scene.as('cy'))
      await refused({ isTyping }, 'NOT_FOUND', scene.asService('cy'))
    }
  })

  test('with an id that is garbage or of another type', async () => {
    for (const conversationId of [...GARBAGE, encodeId('User', uuidOf(id)), uuidOf(id)]) {
      await refused({ conversationId }, 'BAD_USER_INPUT')
    }
  })

  test('to a service that acts for nobody', async () => {
    const input = { conversationId: id, isTyping: true }
    await expectRefused(scene, () => scene.asService().execute(SetTypingDocument, { input }), { code: 'FORBIDDEN' })
  })
})
