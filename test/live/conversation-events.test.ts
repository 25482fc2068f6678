import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { add, createGroup, leave } from '../features/groups.ts'
import { GARBAGE, refusalOf, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../features/support.ts'
import {
  CloseConversationDocument,
  ConversationDocument,
  ConversationEventsDocument,
  ConversationsDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  MarkReadDocument,
  MessageAddedDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SetParticipantRoleDocument,
  UpdateConversationDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { createTestDatabase } from '../support/database.ts'
import { type ConversationEvent, type Events, eventsUntil, follow, forge, lineOf, nextEvent } from './events.ts'
import { type Nodes, startNodes } from './nodes.ts'

// All that happens in a conversation, on one stream. Ada is on this node; Bo and Cy are on the other.

vi.setConfig({ testTimeout: 60_000 })

let nodes: Nodes
let here: Scene
let there: TestApp
let ada: TestClient
let bo: TestClient
let cy: TestClient
let dan: TestClient
let id: string
let quiet: Events

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
  ;[ada, dan] = await usersOf(here, 'ada', 'dan')
  ;[bo, cy] = await usersOf(there, 'bo', 'cy')
  // Followed from now on, so that its half minute of quiet passes while the other tests run.
  quiet = await follow(bo, await startDirect(bo, 'ada'))
})
afterAll(() => nodes.close())
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
})

const cursorOf = async (client: TestClient) => (await client.run(ConversationDocument, { id })).conversation!.cursor
const idOf = async (client: TestClient) => (await client.run(ViewerDocument)).viewer!.id
const remove = async (client: TestClient) =>
  ada.run(RemoveParticipantDocument, { input: { conversationId: id, userId: await idOf(client) } })
const markRead = (client: TestClient) => client.run(MarkReadDocument, { input: { conversationId: id } })

describe('a stream', () => {
  test('begins with the present receipts, and then is caught up', async () => {
    await send(ada, id, 'one')
    await markRead(bo)
    await send(ada, id, 'two')
    for (const [client, after] of [
      [cy, null],
      [ada, null],
      [cy, await cursorOf(cy)],
    ] as const) {
      const stream = await follow(client, id, after)
      const first = [await nextEvent(stream), await nextEvent(stream)]
      expect(first.map(lineOf).sort()).toEqual(['read ada 2', 'read bo 1'])
      expect(lineOf(await nextEvent(stream))).toBe('caught up')
      stream.stop()
    }
  })

  test('tells of each change once and in order, on either node', async () => {
    const streams = [await follow(cy, id), await follow(ada, id)]
    for (const stream of streams) expect(lineOf(await nextEvent(stream))).toBe('caught up')
    const host = there.asService()
    const conversation = { conversationId: id }
    const danId = await idOf(dan)
    const cursors = new Set<string>()

    /** Does something, and expects both streams to tell of that and nothing else. */
    async function tells(line: string, action: () => Promise<unknown>) {
      await action()
      const events = await Promise.all(streams.map(nextEvent))
      expect(events.map(lineOf)).toEqual([line, line])
      expect(events[1]!.cursor).toBe(events[0]!.cursor)
      expect(events[0]!.conversationId).toBe(id)
      cursors.add(events[0]!.cursor)
    }

    const hello = await send(bo, id, 'hello').then(({ id: messageId }) => messageId)
    for (const stream of streams) expect(lineOf(await nextEvent(stream))).toBe('added 1 hello')
    await tells('updated 1 hi', () => bo.run(EditMessageDocument, { input: { messageId: hello, body: 'hi' } }))
    await tells('updated 1 deleted', () => ada.run(DeleteMessageDocument, { input: { messageId: hello } }))
    await tells('JOINED dan MEMBER', () => add(ada, id, ['dan']))
    await tells('ROLE_CHANGED dan ADMIN', () =>
      host.run(SetParticipantRoleDocument, { input: { ...conversation, userId: danId, role: 'ADMIN' } }),
    )
    await tells('LEFT dan gone', () => leave(dan, id))
    await tells('JOINED dan MEMBER', () => add(ada, id, ['dan'], { withHistory: true }))
    await tells('REMOVED dan gone', () => remove(dan))
    await tells('Other open', () =>
      host.run(UpdateConversationDocument, { input: { ...conversation, title: 'Other' } }),
    )
    await tells('Other closed', () => ada.run(CloseConversationDocument, { input: conversation }))
    await tells('Other open', () => host.run(ReopenConversationDocument, { input: conversation }))
    await tells('added 2 more', () => send(bo, id, 'more'))
    expect(cursors.size).toBe(11)
    // A receipt is a state, not a change: it comes at the position that the stream is at.
    await markRead(cy)
    for (const stream of streams) {
      const receipt = await nextEvent(stream)
      expect(lineOf(receipt)).toBe('read cy 2')
      expect(cursors).toContain(receipt.cursor)
      stream.stop()
    }
  })

  test('gives a service all of a conversation that it is not in', async () => {
    const stream = await follow(there.asService(), id)
    expect(lineOf(await nextEvent(stream))).toBe('caught up')
    await send(ada, id, 'hello')
    await remove(bo)
    expect(lineOf(await nextEvent(stream))).toBe('added 1 hello')
    expect(lineOf(await nextEvent(stream))).toBe('REMOVED bo gone')
    await ada.run(DeleteConversationDocument, { input: { conversationId: id } })
    expect(lineOf(await nextEvent(stream))).toBe('revoked')
    expect(await stream.ended).toEqual({})
  })

  test('is refused to whoever is not in the conversation', async () => {
    const stream = await follow(dan, id)
    expect(await refusalOf(stream)).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
  })
})

describe('a cursor', () => {
  test('that is none is refused', async () => {
    for (const after of GARBAGE) {
      const stream = await follow(cy, id, after)
      expect(await refusalOf(stream)).toEqual({ code: 'BAD_USER_INPUT', field: 'after' })
    }
  })

  test('of something else is refused: another conversation, a message, the list', async () => {
    const other = await createGroup(ada, 'bo', 'cy')
    const { conversation } = await cy.run(ConversationDocument, { id: other })
    const message = await send(ada, id, 'hello')
    const { conversations } = await cy.run(ConversationsDocument)
    for (const after of [conversation!.cursor, message.cursor, conversations!.cursor]) {
      const stream = await follow(cy, id, after)
      expect(await refusalOf(stream)).toEqual({ code: 'BAD_USER_INPUT', field: 'after' })
    }
  })

  /** That nothing goes on from a cursor, of which both subscriptions tell in their own way. */
  async function expectReset(client: TestClient, conversationId: string, after: string) {
    const stream = await follow(client, conversationId, after)
    const event = (await nextEvent(stream)) as Extract<ConversationEvent, { __typename: 'ResetRequiredEvent' }>
    expect(event).toMatchObject({ __typename: 'ResetRequiredEvent', conversationId })
    expect(event.reason).toMatch(/Fetch anew/)
    expect(await stream.ended).toEqual({})
    expect(stream.waiting()).toEqual([])
    const messages = await client.subscribe(MessageAddedDocument, { conversationId, after })
    expect(await refusalOf(messages)).toEqual({ code: 'RESET_REQUIRED', field: 'after' })
  }

  test('of another history of the database, or ahead of this one, leads nowhere', async () => {
    await send(ada, id, 'hello')
    const { cursor, version, lastSeq } = (await cy.run(ConversationDocument, { id })).conversation!
    await expectReset(cy, id, forge(cursor, { epoch: '00000000' }))
    await expectReset(cy, id, forge(cursor, { version: version + 1 }))
    await expectReset(cy, id, forge(cursor, { version: 2 ** 31 }))
    await expectReset(cy, id, forge(cursor, { seq: lastSeq + 1 }))
  })

  test('leads on from 100,000 versions back, and no further', async () => {
    await send(ada, id, 'hello')
    const after = await cursorOf(cy)
    const raise = (by: number) =>
      here.sql('UPDATE conversations SET version = version + $2 WHERE id = $1', [uuidOf(id), by])
    await raise(100_000)
    const stream = await follow(cy, id, after)
    expect((await eventsUntil(stream, 'CaughtUpEvent')).map(lineOf)).toEqual(['read ada 1', 'caught up'])
    stream.stop()
    await raise(1)
    await expectReset(cy, id, after)
  })

  test('of an earlier stay leads nowhere, and one of the new stay does', async () => {
    const earlier = await cursorOf(cy)
    await remove(cy)
    await send(ada, id, 'not for Cy')
    await add(ada, id, ['cy'])
    await expectReset(cy, id, earlier)
    const stream = await follow(cy, id, await cursorOf(cy))
    expect((await eventsUntil(stream, 'CaughtUpEvent')).map(lineOf)).toEqual(['read ada 1', 'caught up'])
    stream.stop()
  })

  test.each([
    ['was given another epoch', `UPDATE database_epoch SET epoch = 'otherone'`],
    ['is found on another server, as after a restore', `UPDATE database_epoch SET system_identifier = '1'`],
  ])('leads nowhere after a restart when the database %s', async (_, change) => {
    const database = await createTestDatabase()
    const before = await startScene({ databaseUrl: database.url })
    const [eve] = await usersOf(before, 'eve', 'fay')
    const direct = await startDirect(eve, 'fay')
    const { cursor } = (await eve.run(ConversationDocument, { id: direct })).conversation!
    await before.sql(change)
    await before.close()
    const after = await startApp({ databaseUrl: database.url })
    await expectReset(after.as('eve'), direct, cursor)
    const { conversation } = await after.as('eve').run(ConversationDocument, { id: direct })
    const stream = await follow(after.as('eve'), direct, conversation!.cursor)
    expect(lineOf(await nextEvent(stream))).toBe('caught up')
    await after.close()
    await database.drop()
  })
})

describe('the end of access is the last that is told,', () => {
  const ways: [string, () => Promise<unknown>][] = [
    ['after removal', () => remove(cy)],
    ['after leaving', () => leave(cy, id)],
    ['after deletion', () => ada.run(DeleteConversationDocument, { input: { conversationId: id } })],
  ]
  test.each(ways)('%s, on both nodes', async (_, end) => {
    await send(ada, id, 'before')
    const after = await cursorOf(cy)
    const streams = [await follow(cy, id), await follow(here.as('cy'), id), await follow(here.as('cy'), id, after)]
    for (const stream of streams) await eventsUntil(stream, 'CaughtUpEvent')
    await end()
    // Where the conversation is deleted, nobody can write any more.
    await send(ada, id, 'secret').catch(() => {})
    for (const stream of streams) {
      expect(lineOf(await nextEvent(stream))).toBe('revoked')
      expect(await stream.ended).toEqual({})
      expect(stream.waiting()).toEqual([])
    }
    const again = await cy.subscribe(ConversationEventsDocument, { conversationId: id, after })
    expect(await refusalOf(again)).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
  })

  test('and one who comes back gets it anew, with nothing of the time between', async () => {
    const first = await follow(cy, id)
    await eventsUntil(first, 'CaughtUpEvent')
    await remove(cy)
    await send(ada, id, 'secret')
    await add(ada, id, ['cy'])
    expect(lineOf(await nextEvent(first))).toBe('revoked')
    expect(await first.ended).toEqual({})
    const second = await follow(cy, id)
    expect((await eventsUntil(second, 'CaughtUpEvent')).map(lineOf)).toEqual(['read ada 1', 'caught up'])
    await send(ada, id, 'welcome back')
    expect(lineOf(await nextEvent(second))).toBe('added 2 welcome back')
    second.stop()
  })
})

test('a stream says that it is caught up again after half a minute of quiet', { timeout: 150_000 }, async () => {
  const first = await nextEvent(quiet)
  expect(lineOf(first)).toBe('caught up')
  expect(await nextEvent(quiet)).toEqual(first)
  quiet.stop()
})
