import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ConversationDocument, DeleteMessageDocument, EditMessageDocument } from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { provideRedis } from '../support/redis.ts'
import { type Caller, openAcknowledged, type RawSocket, ways } from './ways.ts'
import { openDirect, sendTo } from './world.ts'

// Case 41: what a message said before it was edited or deleted is told to nobody any more, neither by events, nor between
// nodes, nor to who comes later. Case 43: nor can it be asked for.

let database: TestDatabase
let redis: Awaited<ReturnType<typeof provideRedis>>
let here: TestApp
let there: TestApp
let ada: TestClient
let bob: Caller
let id: string
/** Sees what any node publishes. */
let listener: Redis
const published: string[] = []

beforeAll(async () => {
  redis = await provideRedis()
  database = await createTestDatabase()
  const env = { RATE_LIMIT: '0', REDIS_URL: redis.url }
  here = await startApp({ env, databaseUrl: database.url })
  there = await startApp({ env, databaseUrl: database.url })
  listener = new Redis(redis.url)
  listener.on('pmessageBuffer', (_pattern, _channel, message) => published.push(String(message)))
  await listener.psubscribe('*')
  ada = here.as('ada')
  bob = { url: there.url, authorization: `Bearer ${await there.as('bob').token}` }
  await ways.POST(bob, { query: '{ viewer { id } }' })
  id = await openDirect(ada, 'bob')
})
afterAll(async () => {
  listener.disconnect()
  await there.close()
  await here.close()
  await database.drop()
  await redis.stop()
})

const MESSAGE = 'message { seq body metadata deletedAt replyTo { body } conversation { lastMessage { body } } }'
const EVENTS = `subscription ($id: ID!, $after: String) {
  conversationEvents(conversationId: $id, after: $after) {
    __typename cursor
    ... on MessageAddedEvent { ${MESSAGE} }
    ... on MessageUpdatedEvent { ${MESSAGE} }
  }
}`
const ADDED = 'subscription ($id: ID, $after: String) { messageAdded(conversationId: $id, after: $after) { seq body } }'
const INBOX = 'subscription { inboxUpdated { change conversation { lastMessage { seq body metadata } } } }'

const SUBSCRIPTIONS = ['events', 'added', 'all', 'inbox']

/** Everything that Bob, who is on the other node, is sent on a socket. */
async function follow(after?: string | null): Promise<{ socket: RawSocket; sent: string[] }> {
  const socket = await openAcknowledged(bob)
  const sent: string[] = []
  socket.ws.on('message', (data) => sent.push(String(data)))
  const subscribe = (id: string, query: string, variables = {}) =>
    socket.send({ type: 'subscribe', id, payload: { query, variables } })
  subscribe('events', EVENTS, { id, after })
  subscribe('added', ADDED, { id, after })
  subscribe('all', ADDED)
  subscribe('inbox', INBOX)
  await vi.waitFor(() => expect(sent.join()).toContain('CaughtUpEvent'), WAIT)
  // In effect are the others too, once they tell of something.
  let number = 0
  await vi.waitFor(async () => {
    await sendTo(ada, id, `are you there ${number++}`)
    for (const each of SUBSCRIPTIONS) expect(told(sent, each, 'are you there')).toBe(true)
  }, WAIT)
  return { socket, sent }
}

const WAIT = { timeout: 60_000, interval: 100 }

/** Whether a subscription told of a text. */
const told = (sent: string[], subscription: string, text: string) =>
  sent.some((message) => message.includes(`"id":"${subscription}"`) && message.includes(text))

/** All that nodes and Bob were told from the beginning of a change on. */
async function toldOf(sent: string[], what: string, change: () => Promise<unknown>) {
  published.length = 0
  sent.length = 0
  await change()
  // What comes after it has come: so has all that came of it.
  const last = `after ${what}`
  await sendTo(ada, id, last)
  await vi.waitFor(() => {
    expect(published.join()).toContain(last)
    for (const each of SUBSCRIPTIONS) expect(told(sent, each, last)).toBe(true)
  }, WAIT)
  return { bus: published.join('\n'), bob: sent.join('\n') }
}

describe.each([
  ['small', ''],
  // Over the bus as its ids alone.
  ['too big for the bus', 'x'.repeat(9_000)],
])('41 a message that is %s', (size, padding) => {
  it('is told of without what it said before', { timeout: 240_000 }, async () => {
    const { socket, sent } = await follow()
    let messageId = ''
    const added = await toldOf(sent, `sending, ${size}`, async () => {
      messageId = (await sendTo(ada, id, `first secret ${padding}`)).id
    })
    // This is where they would be seen.
    expect(added.bob).toContain('first secret')
    if (padding === '') expect(added.bus).toContain('first secret')

    const edited = await toldOf(sent, `editing, ${size}`, () =>
      ada.run(EditMessageDocument, { input: { messageId, body: `second secret ${padding}` } }),
    )
    expect(edited.bob).toContain('second secret')
    expect(edited.bob + edited.bus).not.toContain('first secret')

    const deleted = await toldOf(sent, `deleting, ${size}`, () =>
      ada.run(DeleteMessageDocument, { input: { messageId } }),
    )
    expect(deleted.bob).toMatch(/MessageUpdatedEvent[^\n]*"body":null/)
    expect(deleted.bus).toContain('message-changed')
    expect(deleted.bob + deleted.bus).not.toContain('secret')
    socket.end()
  })
})

it('41 what was deleted meanwhile is not told to who comes back', { timeout: 240_000 }, async () => {
  const { conversation } = await ada.run(ConversationDocument, { id })
  const { id: messageId } = await sendTo(ada, id, 'a secret of the past')
  await ada.run(EditMessageDocument, { input: { messageId, body: 'another secret of the past' } })
  await ada.run(DeleteMessageDocument, { input: { messageId } })
  const { socket, sent } = await follow(conversation!.cursor)
  for (const each of ['events', 'added']) expect(told(sent, each, '"body":null')).toBe(true)
  expect(sent.join()).not.toContain('secret')
  socket.end()
})

describe('43 what the server keeps for itself is not selectable', () => {
  const of = {
    message: ['revisions', 'previousBody', 'history', 'fingerprint', 'xid', 'senderId'],
    conversation: ['directKey', 'openingKey', 'xid', 'detailsVersion', 'revisions', 'deletedAt'],
    user: ['email', 'profileIssuedAt', 'tokensValidFrom', 'deactivatedAt', 'words', 'token'],
    participant: ['xid', 'stateXid', 'joinedVersion', 'visibleFromSeq', 'leftAt'],
  }
  const PATHS: Record<keyof typeof of, (field: string) => string> = {
    message: (field) => `{ conversation(id: "${id}") { lastMessage { ${field} } } }`,
    conversation: (field) => `{ conversation(id: "${id}") { ${field} } }`,
    user: (field) => `{ viewer { ${field} } }`,
    participant: (field) => `{ conversation(id: "${id}") { participants { edges { node { ${field} } } } } }`,
  }
  const fields = Object.entries(of).flatMap(([type, names]) =>
    names.map((name): [keyof typeof of, string] => [type as keyof typeof of, name]),
  )

  it.each(fields)('of a %s: %s', async (type, name) => {
    const { result } = await ways.POST(bob, { query: PATHS[type](name) })
    expect(result?.errors?.map(({ extensions }) => extensions?.code)).toEqual(['GRAPHQL_VALIDATION_FAILED'])
    expect((await ways.POST(bob, { query: PATHS[type]('id') })).result).not.toHaveProperty('errors')
  })

  it.each(['revisions', 'messageRevisions', 'messageHistory'])('as a field of the query: %s', async (name) => {
    const { result } = await ways.POST(bob, { query: `{ ${name} { body } }` })
    expect(result?.errors?.map(({ extensions }) => extensions?.code)).toEqual(['GRAPHQL_VALIDATION_FAILED'])
  })

  it('as a node: a revision has no id', async () => {
    const revision = Buffer.from('MessageRevision:00000000-0000-7000-8000-000000000000:1:1').toString('base64url')
    const { result } = await ways.POST(bob, {
      query: 'query ($id: ID!) { node(id: $id) { id } }',
      variables: { id: revision },
    })
    expect(result).toEqual({ data: { node: null } })
  })
})
