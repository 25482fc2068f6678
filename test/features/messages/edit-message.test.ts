import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CloseConversationDocument,
  ConversationDocument,
  DeleteConversationDocument,
  EditMessageDocument,
  MessageAddedDocument,
  MessageEventsDocument,
  type MessageEventsSubscription,
  ReopenConversationDocument,
  RepliesToChangedDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import { expectSound, startTwoWith } from '../conversations/support.ts'
import { add, createGroup, leave } from '../groups.ts'
import { expectRefused, GARBAGE, missingConversation, type Scene, send, uuidOf } from '../support.ts'
import { edit, find, remove, revisionsOf } from './support.ts'

let scene: Scene
/** Another node of the same. */
let second: TestApp
let ada: TestClient
let bo: TestClient
/** A group in which Ada has written one message, anew for each test. */
let id: string
let messageId: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo', 'cy', 'di'))
  ada = scene.as('ada')
  bo = scene.as('bo')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})
beforeEach(async () => {
  id = await createGroup(bo, 'ada', 'cy')
  ;({ id: messageId } = await send(ada, id, 'first', { metadata: { a: 1 }, idempotencyKey: 'key' }))
})

const refused = (client: TestClient, input: { messageId?: string; body?: string }, refusal: object) =>
  expectRefused(
    scene,
    () => client.execute(EditMessageDocument, { input: { messageId, body: 'refused', ...input } }),
    refusal as { code: string },
  )

const versionOf = async () => (await ada.run(ConversationDocument, { id })).conversation!.version

describe('an edit', () => {
  test('changes the body and says when, with the next version; all else stays', async () => {
    const before = await find(ada, messageId)
    expect(before.editedAt).toBeNull()
    const begun = Date.now()
    const edited = await edit(ada, messageId, ' <b>second</b>\n')
    expect(edited).toEqual({
      ...before,
      body: ' <b>second</b>\n',
      editedAt: expect.any(String),
      version: before.version + 1,
    })
    expect(Date.parse(edited.editedAt!)).toBeGreaterThanOrEqual(Date.parse(before.createdAt))
    expect(Date.parse(edited.editedAt!)).toBeLessThan(begun + 60_000)
    expect(await versionOf()).toBe(edited.version)
    for (const client of [ada, second.as('cy'), scene.asService()])
      expect(await find(client, messageId)).toEqual(edited)
  })

  test('keeps what the message said before, each time', async () => {
    const versions = [(await find(ada, messageId)).version]
    for (const body of ['second', 'third', 'first']) versions.push((await edit(ada, messageId, body)).version)
    expect(await revisionsOf(scene, messageId)).toEqual([
      { version: versions[0], body: 'first' },
      { version: versions[1], body: 'second' },
      { version: versions[2], body: 'third' },
    ])
  })

  test('that changes nothing raises no version and keeps nothing', async () => {
    const edited = await edit(ada, messageId, 'second')
    expect(await edit(ada, messageId, 'second')).toEqual(edited)
    expect(await edit(second.as('ada'), messageId, 'second')).toEqual(edited)
    expect(await versionOf()).toBe(edited.version)
    expect(await revisionsOf(scene, messageId)).toHaveLength(1)
  })

  test('moves neither the head, nor activity, nor what is read', async () => {
    await send(bo, id, 'newer')
    const see = async (client: TestClient) => (await client.run(ConversationDocument, { id })).conversation!
    const before = { bo: await see(bo), cy: await see(scene.as('cy')) }
    await edit(ada, messageId, 'second')
    for (const name of ['bo', 'cy'] as const) {
      const { lastSeq, lastMessageAt, viewerState, version } = before[name]
      expect(await see(scene.as(name))).toMatchObject({ lastSeq, lastMessageAt, viewerState, version: version + 1 })
    }
  })

  test('is shown as the last message and by what replies to it', async () => {
    await edit(ada, messageId, 'second')
    expect((await bo.run(ConversationDocument, { id })).conversation!.lastMessage).toMatchObject({ body: 'second' })
    await send(bo, id, 'a reply', { replyToId: messageId })
    await edit(ada, messageId, 'third')
    const { conversation } = await bo.run(RepliesToChangedDocument, { id })
    expect(conversation!.messages.edges[1]!.node.replyTo).toMatchObject({
      id: messageId,
      body: 'third',
      deletedAt: null,
    })
  })

  test('leaves the key of the message: a retry gives the message as it is now', async () => {
    const edited = await edit(ada, messageId, 'second')
    const again = await send(ada, id, 'first', { metadata: { a: 1 }, idempotencyKey: 'key' })
    expect(again).toMatchObject({ id: messageId, body: 'second', version: edited.version })
  })

  test('may be made by a service that acts for the sender', async () => {
    expect(await edit(scene.asService('ada'), messageId, 'for Ada')).toMatchObject({
      body: 'for Ada',
      sender: { externalId: 'ada' },
    })
  })
})

describe('a body', () => {
  test.each(['x', ' x ', 'x'.repeat(10_000), '😀'.repeat(10_000), '\u202eevil\u202c', 'a\r\nb'])(
    'is stored as it comes: %#',
    async (body) => expect(await edit(ada, messageId, body)).toMatchObject({ body }),
  )

  test.each(['', ' ', '\n\t\u00a0', 'x'.repeat(10_001), '😀'.repeat(10_001), 'a\0b', 'a\ud83d', '\ude00b'])(
    'is refused: %#',
    (body) => refused(ada, { body }, { code: 'BAD_USER_INPUT', field: 'body' }),
  )
})

describe('is refused', () => {
  const NOT_FOUND = { code: 'NOT_FOUND', field: 'messageId' }
  const CONFLICT = { code: 'CONFLICT', field: 'messageId' }

  test('to all but the sender', async () => {
    const others = [bo, scene.as('cy'), scene.asService(), scene.asService('bo')]
    for (const client of others) await refused(client, {}, { code: 'FORBIDDEN' })
  })

  test('of what the system says, to everybody', async () => {
    const system = await send(scene.asService(), id, 'of the system')
    for (const client of [ada, bo, scene.asService(), scene.asService('ada')]) {
      await refused(client, { messageId: system.id }, { code: 'FORBIDDEN' })
    }
  })

  test('of a deleted message, whoever deleted it', async () => {
    await remove(bo, messageId)
    await refused(ada, {}, CONFLICT)
    await refused(ada, { body: 'first' }, CONFLICT)
  })

  test('while the conversation is closed', async () => {
    await bo.run(CloseConversationDocument, { input: { conversationId: id } })
    await refused(ada, {}, CONFLICT)
    await bo.run(ReopenConversationDocument, { input: { conversationId: id } })
    expect(await edit(ada, messageId, 'reopened')).toMatchObject({ body: 'reopened' })
  })

  test('to who is not in the conversation, or no more, as if it were missing', async () => {
    for (const client of [scene.as('di'), scene.asService('di')]) await refused(client, {}, NOT_FOUND)
    await leave(ada, id)
    for (const client of [ada, second.as('ada'), scene.asService('ada')]) await refused(client, {}, NOT_FOUND)
  })

  test('of what one wrote in an earlier stay and does not see in this one', async () => {
    await leave(ada, id)
    await add(bo, id, ['ada'])
    await refused(ada, {}, NOT_FOUND)
    await leave(ada, id)
    await add(bo, id, ['ada'], { withHistory: true })
    expect(await edit(ada, messageId, 'seen again')).toMatchObject({ body: 'seen again' })
  })

  test('once the conversation is deleted', async () => {
    await bo.run(DeleteConversationDocument, { input: { conversationId: id } })
    for (const client of [ada, scene.asService(), scene.asService('ada')]) await refused(client, {}, NOT_FOUND)
  })

  test('of a message that is not there', async () => {
    const missing = [2, 3, 2 ** 31 - 1].map((seq) => encodeId('Message', uuidOf(id), seq))
    for (const one of [...missing, encodeId('Message', uuidOf(missingConversation), 1)]) {
      for (const client of [ada, scene.asService()]) await refused(client, { messageId: one }, NOT_FOUND)
    }
  })

  test('of what is no message’s id', async () => {
    for (const garbage of [...GARBAGE, id, uuidOf(id), encodeId('User', uuidOf(id)), `${messageId}=`]) {
      await refused(ada, { messageId: garbage }, { code: 'BAD_USER_INPUT', field: 'messageId' })
    }
  })
})

describe('at once', () => {
  test('20 edits over two nodes take a version each, and what each replaced is kept', async () => {
    const { version } = await find(ada, messageId)
    const clients = [ada, second.as('ada')]
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, number) => edit(clients[number % 2]!, messageId, `edit ${number}`)),
    )
    const inOrder = answers.map((answer) => answer).sort((one, other) => one.version - other.version)
    expect(inOrder.map((answer) => answer.version)).toEqual(Array.from({ length: 20 }, (_, n) => version + 1 + n))
    // Each said what it was asked to say.
    expect(answers.map(({ body }) => body)).toEqual(Array.from({ length: 20 }, (_, number) => `edit ${number}`))
    const last = inOrder.at(-1)!
    expect(await find(bo, messageId)).toEqual(last)
    const replaced = [{ version, body: 'first' }, ...inOrder.slice(0, -1)]
    expect(await revisionsOf(scene, messageId)).toEqual(
      replaced.map((each) => ({ version: each.version, body: each.body })),
    )
    expect(await versionOf()).toBe(last.version)
  })

  test('the times of edits go the way of their versions', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, number) => edit(ada, messageId, `edit ${number}`)))
    const times = answers.sort((one, other) => one.version - other.version).map(({ editedAt }) => editedAt!)
    expect(times).toEqual(times.toSorted())
  })

  test('an edit and a delete, 200 times: a tombstone never has a body', { timeout: 120_000 }, async () => {
    const ids: string[] = []
    for (let number = 0; number < 200; number++) ids.push((await send(ada, id, `m${number}`)).id)
    const codes = new Set<unknown>()
    // Ten at a time, so that they meet; which of the two comes first is theirs to settle.
    for (let begin = 0; begin < ids.length; begin += 10) {
      await Promise.all(
        ids.slice(begin, begin + 10).map(async (each, index) => {
          const deleted = () => remove(index % 2 ? bo : second.as('bo'), each)
          const edited = () => ada.execute(EditMessageDocument, { input: { messageId: each, body: 'too late?' } })
          const [tombstone, { data, errors }] =
            index % 4 < 2
              ? await Promise.all([deleted(), edited()])
              : await Promise.all([edited(), deleted()]).then(([one, other]) => [other, one] as const)
          codes.add(errors ? errors[0]!.extensions!.code : 'OK')
          if (data?.editMessage) expect(data.editMessage.message).toMatchObject({ body: 'too late?', deletedAt: null })
          expect(tombstone).toMatchObject({ body: null, metadata: {}, deletedAt: expect.any(String) })
          expect(await find(bo, each)).toEqual(tombstone)
        }),
      )
    }
    expect([...codes].filter((code) => code !== 'OK' && code !== 'CONFLICT')).toEqual([])
    const [kept] = await scene.sql(
      `SELECT count(*)::int AS bodies, (SELECT count(*)::int FROM message_revisions WHERE conversation_id = $1) AS revisions
         FROM messages WHERE conversation_id = $1 AND deleted_at IS NOT NULL AND (body IS NOT NULL OR metadata <> '{}')`,
      [uuidOf(id)],
    )
    expect(kept).toEqual({ bodies: 0, revisions: 0 })
  })

  test('edits and a close: each is made before it or refused', async () => {
    const edits = Array.from({ length: 20 }, (_, number) =>
      ada.execute(EditMessageDocument, { input: { messageId, body: `edit ${number}` } }),
    )
    await bo.run(CloseConversationDocument, { input: { conversationId: id } })
    const closedAs = await find(bo, messageId)
    const results = await Promise.all(edits)
    const codes = results.flatMap(({ errors }) => errors?.map(({ extensions }) => extensions?.code) ?? [])
    expect(codes).toEqual(codes.map(() => 'CONFLICT'))
    expect(await revisionsOf(scene, messageId)).toHaveLength(20 - codes.length)
    expect(await find(bo, messageId)).toEqual(closedAs)
  })
})

describe('those who follow, on the other node,', () => {
  type Event = MessageEventsSubscription['conversationEvents']
  type Told = Extract<Event, { __typename: 'MessageAddedEvent' | 'MessageUpdatedEvent' }>

  /** The next events that are about messages. */
  async function take(stream: Stream<MessageEventsSubscription>, count: number) {
    const told: Told[] = []
    while (told.length < count) {
      const { conversationEvents: event } = await stream.next()
      if (event.__typename === 'MessageAddedEvent' || event.__typename === 'MessageUpdatedEvent') told.push(event)
    }
    return told
  }

  test('are told of an edit once, with the message as it is then; messageAdded does not repeat it', async () => {
    const cy = second.as('cy')
    const events = await cy.subscribe(MessageEventsDocument, { conversationId: id })
    const added = await cy.subscribe(MessageAddedDocument, { conversationId: id })
    const edited = await edit(ada, messageId, 'second')
    const same = await edit(ada, messageId, 'second')
    const next = await send(bo, id, 'after')
    expect(same).toEqual(edited)
    const told = await take(events, 2)
    expect(told.map(({ __typename, message }) => [__typename, message.seq])).toEqual([
      ['MessageUpdatedEvent', 1],
      ['MessageAddedEvent', 2],
    ])
    expect(told[0]!.message).toEqual(edited)
    expect((await added.next()).messageAdded).toMatchObject({ id: next.id, body: 'after' })
    events.stop()
    added.stop()
  })

  test('are told of one that is too big for the bus too', async () => {
    const events = await second.as('cy').subscribe(MessageEventsDocument, { conversationId: id })
    const edited = await edit(ada, messageId, '😀'.repeat(10_000))
    expect(await take(events, 1)).toEqual([{ __typename: 'MessageUpdatedEvent', message: edited }])
    events.stop()
  })

  test('are told of nothing where nothing was changed', async () => {
    const events = await second.as('cy').subscribe(MessageEventsDocument, { conversationId: id })
    await refused(bo, {}, { code: 'FORBIDDEN' })
    await refused(ada, { body: ' ' }, { code: 'BAD_USER_INPUT', field: 'body' })
    expect(await edit(ada, messageId, 'first')).toMatchObject({ editedAt: null })
    const next = await send(bo, id, 'after')
    expect((await take(events, 1)).map(({ message }) => message.id)).toEqual([next.id])
    events.stop()
  })
})
