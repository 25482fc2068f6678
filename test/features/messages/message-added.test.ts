import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  MessageAddedDocument,
  type MessageAddedSubscription,
  type MessageAddedSubscriptionVariables,
  MessagesDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import {
  GARBAGE,
  insertGroup,
  missingConversation,
  refusalOf,
  type Scene,
  send,
  sendMany,
  startDirect,
  startScene,
  subscribeByEventStream,
  usersOf,
  uuidOf,
} from '../support.ts'

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

const wholeInbox: MessageAddedSubscriptionVariables = {}

type Messages = Stream<MessageAddedSubscription>

/** The next messages of a stream. */
async function take(stream: Messages, count: number) {
  const messages: MessageAddedSubscription['messageAdded'][] = []
  while (messages.length < count) messages.push((await stream.next()).messageAdded)
  return messages
}

const bodies = async (stream: Messages, count: number) => (await take(stream, count)).map(({ body }) => body)

describe.each<[string, (client: TestClient, variables: MessageAddedSubscriptionVariables) => Promise<Messages>]>([
  ['WebSocket', (client, variables) => client.subscribe(MessageAddedDocument, variables)],
  ['event stream', (client, variables) => subscribeByEventStream(scene, client, MessageAddedDocument, variables)],
])('over %s', (transport, subscribe) => {
  test('what it carries equals what a query returns', async () => {
    const stream = await subscribe(bo, { conversationId: id })
    await send(ada, id, 'with all', { metadata: { b: 1, a: [true] }, idempotencyKey: `over ${transport}` })
    await send(scene.asService(), id, 'of the system')
    await send(bo, id, 'x'.repeat(10_000))
    const messages = await take(stream, 3)
    const { conversation } = await bo.run(MessagesDocument, { id, last: 3 })
    expect(messages).toEqual(conversation!.messages.edges.map(({ node }) => ({ ...node, conversation: { id } })))
    stream.stop()
  })

  test("of one conversation gives all of its messages in order, one's own too, and no others", async () => {
    const stream = await subscribe(ada, { conversationId: id })
    await send(ada, await startDirect(ada, 'cy'), 'elsewhere')
    await send(ada, id, 'mine')
    await send(bo, id, 'yours')
    await sendMany(ada, id, 20)
    expect(await bodies(stream, 22)).toEqual(['mine', 'yours', ...Array.from({ length: 20 }, (_, i) => `m${i + 1}`)])
    expect(stream.waiting()).toEqual([])
    stream.stop()
  })

  test("of the whole inbox gives those of every conversation, one's own too, and no stranger's", async () => {
    const [withCy, strangers] = [await startDirect(ada, 'cy'), await startDirect(bo, 'cy')]
    const stream = await subscribe(ada, wholeInbox)
    await send(bo, strangers, 'not for ada')
    await send(bo, id, 'from bo')
    await send(cy, withCy, 'from cy')
    await send(ada, withCy, 'from ada')
    await send(scene.asService(), id, 'from the host')
    const messages = await take(stream, 4)
    expect(messages.map(({ body, conversation }) => [body, conversation.id])).toEqual([
      ['from bo', id],
      ['from cy', withCy],
      ['from ada', withCy],
      ['from the host', id],
    ])
    expect(stream.waiting()).toEqual([])
    stream.stop()
  })

  test('a conversation that one may not see is refused, the same as one that is missing', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    expect(await refusalOf(await subscribe(cy, { conversationId: id }))).toEqual(refusal)
    expect(await refusalOf(await subscribe(cy, { conversationId: missingConversation }))).toEqual(refusal)
  })
})

describe('of one conversation', () => {
  test('200 sent at once come once each, in the order of seq', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    const sent = await Promise.all(
      Array.from({ length: 200 }, (_, number) => send(number % 2 ? ada : bo, id, `number ${number}`)),
    )
    const seqs = (await take(stream, 200)).map(({ seq }) => seq)
    expect(seqs).toEqual(sent.map(({ seq }) => seq).sort((one, other) => one - other))
    await send(ada, id, 'after them')
    expect(await bodies(stream, 1)).toEqual(['after them'])
    stream.stop()
  })

  test('a repeat under the same key is not news', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    await send(ada, id, 'once', { idempotencyKey: 'once' })
    await send(ada, id, 'once', { idempotencyKey: 'once' })
    await send(ada, id, 'next')
    expect(await bodies(stream, 2)).toEqual(['once', 'next'])
    stream.stop()
  })

  test('what was refused is not news', async () => {
    const stream = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    await expect(send(ada, id, ' ')).rejects.toThrow('BAD_USER_INPUT')
    await expect(send(cy, id, 'foreign')).rejects.toThrow('NOT_FOUND')
    await send(ada, id, 'good')
    expect(await bodies(stream, 1)).toEqual(['good'])
    stream.stop()
  })

  test('several subscribers get the same, and one who leaves takes nothing from the others', async () => {
    const [first, second, third] = [
      await bo.subscribe(MessageAddedDocument, { conversationId: id }),
      await bo.subscribe(MessageAddedDocument, { conversationId: id }),
      await ada.subscribe(MessageAddedDocument, { conversationId: id }),
    ]
    await send(ada, id, 'to all')
    for (const stream of [first, second, third]) expect(await bodies(stream, 1)).toEqual(['to all'])
    first.stop()
    await first.ended
    await send(ada, id, 'to those who stay')
    for (const stream of [second, third]) expect(await bodies(stream, 1)).toEqual(['to those who stay'])
    expect(first.waiting()).toEqual([])
    second.stop()
    third.stop()
  })

  test('begins anew after all have left', async () => {
    const before = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    before.stop()
    await before.ended
    await send(ada, id, 'while nobody listens')
    const after = await bo.subscribe(MessageAddedDocument, { conversationId: id })
    await send(ada, id, 'to who came back')
    expect(await bodies(after, 1)).toEqual(['to who came back'])
    after.stop()
  })

  test('a service may listen to any', async () => {
    const stream = await scene.asService().subscribe(MessageAddedDocument, { conversationId: id })
    await send(ada, id, 'to the host too')
    expect(await bodies(stream, 1)).toEqual(['to the host too'])
    stream.stop()
  })

  test('messages from before one joined stay unseen', async () => {
    const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    const place = `conversation_id = '${uuidOf(group)}' AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`
    await scene.sql(`UPDATE participants SET visible_from_seq = 3 WHERE ${place}`)
    const [ofOne, ofAll] = [
      await cy.subscribe(MessageAddedDocument, { conversationId: group }),
      await cy.subscribe(MessageAddedDocument, wholeInbox),
    ]
    await sendMany(ada, group, 3)
    for (const stream of [ofOne, ofAll]) expect(await bodies(stream, 1)).toEqual(['m3'])
    ofOne.stop()
    ofAll.stop()
  })
})

describe('of the whole inbox', () => {
  test('a conversation that is started later is in it, from its first message on', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `late-${index}`)
    const peers = await usersOf(scene, 'eve', ...names)
    const eve = peers[0]!
    const stream = await eve.subscribe(MessageAddedDocument, wholeInbox)
    await Promise.all(
      names.map(async (name, index) => {
        const peer = peers[index + 1]!
        const conversationId = await startDirect(peer, 'eve')
        await send(peer, conversationId, `first of ${name}`)
        await send(peer, conversationId, `second of ${name}`)
      }),
    )
    const messages = await take(stream, 20)
    for (const name of names) {
      const ofName = messages.filter(({ sender }) => sender!.externalId === name).map(({ body }) => body)
      expect(ofName).toEqual([`first of ${name}`, `second of ${name}`])
    }
    expect(stream.waiting()).toEqual([])
    stream.stop()
  })

  test('one that the viewer starts is too', async () => {
    const [fay] = await usersOf(scene, 'fay', 'gus')
    const stream = await fay.subscribe(MessageAddedDocument, wholeInbox)
    const conversationId = await startDirect(fay, 'gus')
    await send(fay, conversationId, 'to gus')
    await send(scene.as('gus'), conversationId, 'to fay')
    expect(await bodies(stream, 2)).toEqual(['to gus', 'to fay'])
    stream.stop()
  })

  test("to a service that acts for a user it is that user's", async () => {
    const stream = await scene.asService('bo').subscribe(MessageAddedDocument, wholeInbox)
    await send(ada, id, 'to bo')
    expect(await bodies(stream, 1)).toEqual(['to bo'])
    stream.stop()
  })

  test('a service that acts for nobody has none', async () => {
    expect(await refusalOf(await scene.asService().subscribe(MessageAddedDocument, wholeInbox))).toEqual({
      code: 'FORBIDDEN',
    })
  })
})

describe('is refused', () => {
  test('by a service that acts for a user who may not see it', async () => {
    const stream = await scene.asService('cy').subscribe(MessageAddedDocument, { conversationId: id })
    expect(await refusalOf(stream)).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
  })

  test('with an id that is garbage or of another type', async () => {
    for (const conversationId of [...GARBAGE, encodeId('User', uuidOf(id)), uuidOf(id)]) {
      const stream = await ada.subscribe(MessageAddedDocument, { conversationId })
      expect(await refusalOf(stream)).toEqual({ code: 'BAD_USER_INPUT', field: 'conversationId' })
    }
  })
})
