import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { SetTypingDocument, TypingDocument, type TypingSubscription } from '../../generated/graphql.ts'
import { startApp, type TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import {
  GARBAGE,
  insertGroup,
  missingConversation,
  refusalOf,
  type Scene,
  send,
  startScene,
  subscribeByEventStream,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let cy: TestClient
/** A group of the three, anew for each test. */
let id: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

beforeEach(async () => {
  id = await insertGroup(scene, ['ada', 'bo', 'cy'])
})

const setTyping = (client: TestClient, isTyping: boolean) =>
  client.run(SetTypingDocument, { input: { conversationId: id, isTyping } })

/** The next that is told: who, and whether it types. */
async function next(stream: Stream<TypingSubscription>) {
  const { user, isTyping } = (await stream.next()).typing
  return [user.externalId, isTyping]
}

test('tells the others who began, in whole, and the typist nothing of itself', async () => {
  const streams = [
    await bo.subscribe(TypingDocument, { conversationId: id }),
    await subscribeByEventStream(scene, cy, TypingDocument, { conversationId: id }),
    await scene.asService().subscribe(TypingDocument, { conversationId: id }),
  ]
  const own = await ada.subscribe(TypingDocument, { conversationId: id })
  const { setTyping: answer } = await setTyping(ada, true)
  for (const stream of streams) {
    expect((await stream.next()).typing).toEqual({
      conversationId: id,
      isTyping: true,
      expiresAt: answer!.expiresAt,
      user: {
        id: expect.any(String),
        externalId: 'ada',
        username: 'ada',
        displayName: 'ada',
        avatarUrl: null,
        role: null,
        type: 'HUMAN',
      },
    })
    stream.stop()
  }
  await setTyping(bo, true)
  expect(await next(own)).toEqual(['bo', true])
  own.stop()
})

describe('ends', () => {
  test('when it is said', async () => {
    const stream = await bo.subscribe(TypingDocument, { conversationId: id })
    await setTyping(ada, true)
    await setTyping(ada, false)
    expect(await next(stream)).toEqual(['ada', true])
    expect((await stream.next()).typing).toMatchObject({ isTyping: false, expiresAt: null })
    stream.stop()
  })

  test('by itself, once', async () => {
    // By a clock that is 5.5 s slow, what ends 6 s after it began ends within a moment.
    const slow = await startApp({
      databaseUrl: scene.databaseUrl,
      overrides: { clock: { now: () => Date.now() - 5_500 } },
    })
    const stream = await slow.as('bo').subscribe(TypingDocument, { conversationId: id })
    await setTyping(slow.as('ada'), true)
    expect(await next(stream)).toEqual(['ada', true])
    expect(await next(stream)).toEqual(['ada', false])
    await setTyping(slow.as('ada'), false)
    await setTyping(slow.as('cy'), true)
    expect(await next(stream)).toEqual(['cy', true])
    await slow.close()
  })

  test("with the typist's message, not with another's", async () => {
    const stream = await bo.subscribe(TypingDocument, { conversationId: id })
    await setTyping(cy, true)
    await send(ada, id, 'not from cy')
    await setTyping(ada, true)
    await send(ada, id, 'from ada')
    expect(await next(stream)).toEqual(['cy', true])
    expect(await next(stream)).toEqual(['ada', true])
    // By the message, or else cy, who began before, would have ended before.
    expect(await next(stream)).toEqual(['ada', false])
    await setTyping(cy, false)
    expect(await next(stream)).toEqual(['cy', false])
    stream.stop()
  })

  test('and is not told to whom no start was told', async () => {
    const stream = await bo.subscribe(TypingDocument, { conversationId: id })
    await setTyping(ada, false)
    await setTyping(cy, true)
    expect(await next(stream)).toEqual(['cy', true])
    stream.stop()
  })
})

test('only in this conversation', async () => {
  const stream = await bo.subscribe(TypingDocument, { conversationId: id })
  const here = id
  id = await insertGroup(scene, ['ada', 'bo', 'cy'])
  await setTyping(ada, true)
  id = here
  await setTyping(cy, true)
  expect((await stream.next()).typing).toMatchObject({ conversationId: here, user: { externalId: 'cy' } })
  stream.stop()
})

describe('is refused', () => {
  test('for a conversation that one is not in, as for one that is missing', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    const di = scene.as('di')
    expect(await refusalOf(await di.subscribe(TypingDocument, { conversationId: id }))).toEqual(refusal)
    const missing = { conversationId: missingConversation }
    for (const client of [di, scene.asService()]) {
      expect(await refusalOf(await client.subscribe(TypingDocument, missing))).toEqual(refusal)
    }
    expect(await refusalOf(await subscribeByEventStream(scene, di, TypingDocument, { conversationId: id }))).toEqual(
      refusal,
    )
  })

  test('with an id that is garbage or of another type', async () => {
    for (const conversationId of [...GARBAGE, encodeId('User', uuidOf(id)), uuidOf(id)]) {
      expect(await refusalOf(await ada.subscribe(TypingDocument, { conversationId }))).toEqual({
        code: 'BAD_USER_INPUT',
        field: 'conversationId',
      })
    }
  })
})
