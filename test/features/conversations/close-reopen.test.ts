import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CloseConversationDocument,
  HistoryDocument,
  MarkReadDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetTypingDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, send } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  type Request,
  refusal,
  see,
  startWith,
  versionsOf,
  type Way,
} from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let id: string

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy')
  ada = scene.as('ada')
  bo = scene.as('bo')
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

const close = (client = ada) => client.run(CloseConversationDocument, { input: { conversationId: id } })
const reopen = (client = ada) => client.run(ReopenConversationDocument, { input: { conversationId: id } })
const conflict = { code: 'CONFLICT', field: 'conversationId' }

test('closing says since when, to all; reopening takes it back; each raises the version by one', async () => {
  const before = await versionsOf(scene, id)
  const { closeConversation } = await close()
  expect(closeConversation!.conversation.closedAt).toEqual(expect.any(String))
  expect(await see(bo, id)).toMatchObject({ closedAt: closeConversation!.conversation.closedAt })
  expect(await versionsOf(scene, id)).toEqual({
    version: before.version + 1,
    stamps: { ...before.stamps, details: before.version + 1 },
  })
  const { reopenConversation } = await reopen()
  expect(reopenConversation!.conversation.closedAt).toBeNull()
  expect(await see(bo, id)).toMatchObject({ closedAt: null, version: before.version + 2 })
  expect((await send(bo, id, 'on we go')).seq).toBe(1)
})

describe('a closed conversation', () => {
  test('can still be read', async () => {
    await send(ada, id, 'one')
    await close()
    const { conversation } = await bo.run(HistoryDocument, { id })
    expect(conversation!.messages.edges.map(({ node }) => node.body)).toEqual(['one'])
    const { markRead } = await bo.run(MarkReadDocument, { input: { conversationId: id } })
    expect(markRead!.conversation.viewerState!.unreadCount).toBe(0)
  })

  test.each<Way>(['HTTP', 'WebSocket', 'event stream'])('takes no message: CONFLICT over %s', async (way) => {
    await close()
    for (const client of [ada, bo]) {
      const before = await everything(scene)
      const input = { conversationId: id, body: 'hello' }
      expect(await refusal(askOver(way, scene, client, SendMessageDocument, { input }))).toEqual(conflict)
      expect(await everything(scene)).toEqual(before)
    }
  })

  test('takes none of a service either', async () => {
    await close()
    const input = { conversationId: id, body: 'hello' }
    expect(refusalIn(await scene.asService().execute(SendMessageDocument, { input }))).toEqual(conflict)
  })

  test.each([true, false])('is not typed in: CONFLICT for isTyping %s', async (isTyping) => {
    await close()
    expect(refusalIn(await bo.execute(SetTypingDocument, { input: { conversationId: id, isTyping } }))).toEqual(
      conflict,
    )
  })

  test('answers a retry as before it was closed, and another request with its key as before', async () => {
    const input = { conversationId: id, body: 'hello', idempotencyKey: 'k' }
    const { sendMessage } = await bo.run(SendMessageDocument, { input })
    await close()
    const before = await everything(scene)
    expect(await bo.run(SendMessageDocument, { input })).toEqual({
      sendMessage: { message: sendMessage!.message, deduplicated: true },
    })
    expect(refusalIn(await bo.execute(SendMessageDocument, { input: { ...input, body: 'other' } }))).toEqual({
      code: 'CONFLICT',
      field: 'idempotencyKey',
    })
    expect(await everything(scene)).toEqual(before)
  })
})

describe('is refused, and nothing changes:', () => {
  test('closing a closed one, reopening an open one', async () => {
    const before = await everything(scene)
    expect(refusalIn(await ada.execute(ReopenConversationDocument, { input: { conversationId: id } }))).toEqual(
      conflict,
    )
    expect(await everything(scene)).toEqual(before)
    await close()
    const closed = await everything(scene)
    expect(refusalIn(await ada.execute(CloseConversationDocument, { input: { conversationId: id } }))).toEqual(conflict)
    expect(await everything(scene)).toEqual(closed)
  })

  test('of 16 at once, all but one', async () => {
    const { version } = await versionsOf(scene, id)
    const calls = Array.from({ length: 16 }, () =>
      ada.execute(CloseConversationDocument, { input: { conversationId: id } }),
    )
    const refused = (await Promise.all(calls)).filter(({ errors }) => errors)
    expect(refused.map(refusalIn)).toEqual(Array(15).fill(conflict))
    expect((await versionsOf(scene, id)).version).toBe(version + 1)
  })

  describe.each([
    ['closing', CloseConversationDocument as Request[0]],
    ['reopening', ReopenConversationDocument as Request[0]],
  ])('%s', (_name, document) => {
    test.each(GARBAGE)('the conversation %j', async (garbage) => {
      const before = await everything(scene)
      const refused = { code: 'BAD_USER_INPUT', field: 'conversationId' }
      expect(refusalIn(await ada.execute(document, { input: { conversationId: garbage } }))).toEqual(refused)
      expect(await everything(scene)).toEqual(before)
    })

    test('one that is not there', async () => {
      const refused = { code: 'NOT_FOUND', field: 'conversationId' }
      expect(refusalIn(await ada.execute(document, { input: { conversationId: missingConversation } }))).toEqual(
        refused,
      )
    })
  })
})
