import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { RepliesAddedDocument, RepliesDocument, SendMessageDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { add, createGroup } from '../groups.ts'
import {
  expectRefused,
  GARBAGE,
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
let di: TestClient

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo, , di] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

const idOf = (conversationId: string, seq: number) => encodeId('Message', uuidOf(conversationId), seq)

/** Which seq each message replies to, as the client sees it. */
async function replies(client: TestClient, id: string): Promise<Record<number, number | undefined>> {
  const { conversation } = await client.run(RepliesDocument, { id })
  return Object.fromEntries(conversation!.messages.edges.map(({ node }) => [node.seq, node.replyTo?.seq]))
}

test('a reply names the message that it replies to', async () => {
  const id = await startDirect(ada, 'bo')
  const question = await send(ada, id, 'a question')
  await send(bo, id, 'an answer', { replyToId: question.id })
  await send(scene.asService(), id, 'of the system', { replyToId: question.id })
  await send(ada, id, 'to an answer', { replyToId: idOf(id, 2) })
  expect(await replies(ada, id)).toEqual({ 1: undefined, 2: 1, 3: 1, 4: 2 })
  const { conversation } = await bo.run(RepliesDocument, { id })
  expect(conversation!.messages.edges[1]!.node.replyTo).toEqual({ id: question.id, seq: 1, body: 'a question' })
})

test('a reply is part of what its idempotency key stands for', async () => {
  const id = await startDirect(ada, 'bo')
  const first = await send(ada, id, 'first')
  const input = { conversationId: id, body: 'again', idempotencyKey: 'reply', replyToId: first.id }
  const { sendMessage } = await ada.run(SendMessageDocument, { input })
  expect((await ada.run(SendMessageDocument, { input })).sendMessage).toEqual({ ...sendMessage, deduplicated: true })
  for (const replyToId of [null, sendMessage!.message.id]) {
    await expectRefused(scene, () => ada.execute(SendMessageDocument, { input: { ...input, replyToId } }), {
      code: 'CONFLICT',
      field: 'idempotencyKey',
    })
  }
})

describe('whoever came later without history', () => {
  let id: string
  beforeAll(async () => {
    id = await createGroup(ada, 'bo', 'cy')
    await send(ada, id, 'm1')
    await send(ada, id, 'm2')
    await add(ada, id, ['di'])
    await send(ada, id, 'm3')
    await send(bo, id, 'm4', { replyToId: idOf(id, 1) })
    await send(bo, id, 'm5', { replyToId: idOf(id, 3) })
  })

  test('sees a reply, but not the earlier message that it is to', async () => {
    expect(await replies(ada, id)).toEqual({ 1: undefined, 2: undefined, 3: undefined, 4: 1, 5: 3 })
    expect(await replies(di, id)).toEqual({ 3: undefined, 4: undefined, 5: 3 })
  })

  test('sees it neither live', async () => {
    const streams = await Promise.all(
      [ada, di].map((client) => client.subscribe(RepliesAddedDocument, { conversationId: id })),
    )
    const { seq } = await send(bo, id, 'live', { replyToId: idOf(id, 2) })
    const seen = await Promise.all(streams.map((stream) => stream.next()))
    expect(seen.map(({ messageAdded }) => messageAdded)).toEqual([
      { seq, replyTo: { seq: 2 } },
      { seq, replyTo: null },
    ])
    for (const stream of streams) stream.stop()
  })

  test('can’t reply to it, as if it were missing', async () => {
    for (const seq of [1, 2]) {
      await expectRefused(
        scene,
        () => di.execute(SendMessageDocument, { input: { conversationId: id, body: 'x', replyToId: idOf(id, seq) } }),
        { code: 'NOT_FOUND', field: 'replyToId' },
      )
    }
    expect((await send(di, id, 'to what I see', { replyToId: idOf(id, 3) })).seq).toBeGreaterThan(5)
  })
})

describe('is refused', () => {
  let id: string
  beforeAll(async () => {
    id = await startDirect(bo, 'cy')
    await send(bo, id, 'm1')
  })
  const refused = (replyToId: string, code: string, client = bo) =>
    expectRefused(
      scene,
      () => client.execute(SendMessageDocument, { input: { conversationId: id, body: 'x', replyToId } }),
      { code, field: 'replyToId' },
    )

  test('to a message that is not there', async () => {
    for (const seq of [2, 3, 2 ** 31 - 1]) {
      await refused(idOf(id, seq), 'NOT_FOUND')
      await refused(idOf(id, seq), 'NOT_FOUND', scene.asService())
    }
  })

  test('to a message of another conversation, whether one sees it or not', async () => {
    const own = await send(bo, await startDirect(bo, 'di'), 'own')
    const foreign = await send(ada, await startDirect(ada, 'di'), 'foreign')
    for (const replyToId of [own.id, foreign.id, idOf(missingConversation, 1)]) {
      await refused(replyToId, 'BAD_USER_INPUT')
    }
  })

  test('to what is no message’s id', async () => {
    for (const garbage of [...GARBAGE, id, uuidOf(id), encodeId('User', uuidOf(id)), `${idOf(id, 1)}=`]) {
      await refused(garbage, 'BAD_USER_INPUT')
    }
  })
})
