import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  ConversationIdsDocument,
  DeleteConversationDocument,
  InboxUpdatedDocument,
  MarkReadDocument,
  NodeDocument,
  NodesDocument,
  UnreadDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, missingConversation, refusalIn, refusalOf, type Scene, send, uuidOf } from '../support.ts'
import {
  createGroup,
  everything,
  expectSound,
  mutationsOf,
  SUBSCRIPTIONS,
  see,
  startWith,
  userId,
  versionsOf,
} from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let id: string
let messageId: string

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy')
  ada = scene.as('ada')
  bo = scene.as('bo')
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  messageId = (await send(ada, id, 'one')).id
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

const remove = () => ada.run(DeleteConversationDocument, { input: { conversationId: id } })
const everybody = () => [ada, bo, scene.as('cy'), scene.asService()]
const notFound = { code: 'NOT_FOUND', field: 'conversationId' }

test('gives back its id, raises the version by one, and keeps what is stored', async () => {
  const before = await everything(scene)
  const { version } = await versionsOf(scene, id)
  expect(await remove()).toEqual({ deleteConversation: { conversationId: id } })
  expect((await versionsOf(scene, id)).version).toBe(version + 1)
  const { conversations: _, ...after } = await everything(scene)
  expect(before).toMatchObject(after)
  const [row] = await scene.sql('SELECT deleted_at, details_version FROM conversations WHERE id = $1', [uuidOf(id)])
  expect(row).toEqual({ deleted_at: expect.any(Date), details_version: version + 1 })
})

describe('hides it at once from all who took part, and from a service:', () => {
  test('by its id, by its message’s, by a participant’s, by the viewer’s own state’s', async () => {
    const users = ['ada', 'bo']
    const participants: string[] = []
    for (const name of users) participants.push(encodeId('Participant', uuidOf(id), uuidOf(await userId(scene, name))))
    const states: string[] = []
    for (const name of users) {
      states.push(encodeId('ConversationViewerState', uuidOf(id), uuidOf(await userId(scene, name))))
    }
    const ids = [id, messageId, ...participants, ...states]
    expect((await ada.run(NodesDocument, { ids })).nodes!.filter(Boolean)).toHaveLength(5)
    await remove()
    for (const client of everybody()) {
      expect(await see(client, id)).toBeNull()
      expect(await client.run(NodesDocument, { ids })).toEqual({ nodes: ids.map(() => null) })
      for (const one of ids) expect(await client.run(NodeDocument, { id: one })).toEqual({ node: null })
    }
  })

  test('in the list, whatever is asked of it', async () => {
    await remove()
    for (const client of everybody()) {
      for (const filter of [null, { kinds: ['GROUP' as const] }]) {
        const { conversations } = await client.run(ConversationIdsDocument, { first: 100, filter })
        expect(conversations!.edges.map(({ node }) => node.id)).not.toContain(id)
      }
    }
    const { conversations } = await ada.run(ConversationIdsDocument, { first: 100, filter: { archived: 'INCLUDE' } })
    expect(conversations!.edges.map(({ node }) => node.id)).not.toContain(id)
  })

  test('in what is unread', async () => {
    const { unread: before } = await bo.run(UnreadDocument)
    await remove()
    const { unread: after } = await bo.run(UnreadDocument)
    expect(after!.messages).toBe(before!.messages - 1)
    expect(after!.conversations).toBe(before!.conversations - 1)
  })

  test('in every mutation, deleting it again too', async () => {
    await remove()
    const before = await everything(scene)
    const boId = await userId(scene, 'bo')
    for (const client of [ada, bo]) {
      for (const [document, variables] of mutationsOf(id, boId)) {
        expect(refusalIn(await client.execute(document, variables))).toEqual(notFound)
      }
    }
    const input = { conversationId: id, messageId }
    expect(refusalIn(await ada.execute(MarkReadDocument, { input }))).toEqual(notFound)
    const again = { input: { conversationId: id } }
    expect(refusalIn(await scene.asService().execute(DeleteConversationDocument, again))).toEqual(notFound)
    expect(await everything(scene)).toEqual(before)
  })

  test('in every subscription, which ends; the inbox says LEFT; a new one is refused', async () => {
    const clients = everybody()
    const streams = []
    for (const client of clients) {
      for (const document of SUBSCRIPTIONS) streams.push(await client.subscribe(document, { conversationId: id }))
    }
    const inbox = await bo.subscribe(InboxUpdatedDocument)
    await remove()
    for (const stream of streams) expect(await stream.ended).toEqual({})
    const { inboxUpdated } = await inbox.until(({ inboxUpdated }) => inboxUpdated.change === 'LEFT')
    expect(inboxUpdated).toMatchObject({ conversationId: id, conversation: null })
    inbox.stop()
    for (const client of clients) {
      for (const document of SUBSCRIPTIONS) {
        expect(await refusalOf(await client.subscribe(document, { conversationId: id }))).toEqual(notFound)
      }
    }
  })
})

describe('is refused, and nothing changes:', () => {
  test.each(GARBAGE)('the conversation %j', async (garbage) => {
    const before = await everything(scene)
    const answer = await ada.execute(DeleteConversationDocument, { input: { conversationId: garbage } })
    expect(refusalIn(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'conversationId' })
    expect(await everything(scene)).toEqual(before)
  })

  test('one that is not there', async () => {
    const answer = await ada.execute(DeleteConversationDocument, { input: { conversationId: missingConversation } })
    expect(refusalIn(answer)).toEqual(notFound)
  })
})
