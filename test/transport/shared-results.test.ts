import { randomUUID } from 'node:crypto'
import { type GraphQLObjectType, getNamedType, isAbstractType, isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { createGroup } from '../features/groups.ts'
import { type Scene, send, startScene, usersOf } from '../features/support.ts'
import {
  AddParticipantsDocument,
  DeleteMessageDocument,
  MarkReadDocument,
  SetTypingDocument,
} from '../generated/graphql.ts'
import { openAcknowledged, type RawSocket } from '../security/ways.ts'
import type { TestClient } from '../support/app.ts'
import { isOfRequest } from '../support/statements.ts'

// A result is shared by all subscribers where every field of it is marked as the same for every viewer.

/**
 * Of every type that a subscription can lead to, what is the same for every viewer, and after the bar what is not. A new
 * field has to be put on one of the sides, after asking: could two viewers of one event ever be given different values?
 */
const FIELDS: Record<string, string> = {
  Subscription: 'conversationEvents messageAdded readReceipt typing | contactUpdated inboxUpdated',
  Message:
    'body createdAt cursor deletedAt editedAt id idempotencyKey kind metadata sender seq status version | conversation readBy replyTo subject',
  User: 'avatarUrl displayName externalId id role type username |',
  TypingEvent: 'conversationId expiresAt isTyping user |',
  ReadReceipt: 'conversationId readAt | participant',
  MessageAddedEvent: 'conversationId cursor message |',
  MessageUpdatedEvent: 'conversationId cursor message |',
  ParticipantChangedEvent: 'change conversationId cursor user | participant',
  ConversationUpdatedEvent: 'conversationId cursor | conversation',
  ReadReceiptEvent: 'conversationId cursor receipt |',
  CaughtUpEvent: 'conversationId cursor |',
  ResetRequiredEvent: 'conversationId cursor reason |',
  AccessRevokedEvent: 'conversationId cursor |',
}

/** Types of which nothing is: what they hold depends on whose they are, or is reached only through what does. */
const OF_THE_VIEWER = [
  ...['Contact', 'ContactUpdate', 'Conversation', 'ConversationViewerState', 'InboxUpdate', 'Participant'],
  ...['Dispute', 'JobUpdate', 'Payment', 'MessageRead', 'PageInfo', 'UnreadByKind', 'UnreadSummary'],
]
const isOfTheViewer = (name: string) => OF_THE_VIEWER.includes(name) || /(Connection|Edge)$/.test(name)

/** All object types that a subscription can lead to. */
function reachable(): GraphQLObjectType[] {
  const types = new Set<GraphQLObjectType>()
  function visit(type: GraphQLObjectType) {
    if (types.has(type)) return
    types.add(type)
    for (const field of Object.values(type.getFields())) {
      const named = getNamedType(field.type)
      if (isObjectType(named)) visit(named)
      else if (isAbstractType(named)) schema.getPossibleTypes(named).forEach(visit)
    }
  }
  visit(schema.getSubscriptionType()!)
  return [...types]
}

describe('every field that a subscription can lead to', () => {
  it.each(reachable().map((type) => [type.name, type] as const))('is classified: %s', (name, type) => {
    const fields = Object.values(type.getFields())
    const shareable = fields.filter((field) => field.extensions.shareable === true).map((field) => field.name)
    if (isOfTheViewer(name)) return expect(shareable).toEqual([])
    const [same = [], differing = []] = FIELDS[name]!.split('|').map((side) => side.split(' ').filter(Boolean))
    expect([...same, ...differing].sort()).toEqual(fields.map((field) => field.name).sort())
    expect(shareable.sort()).toEqual(same)
  })

  it('is of a type that there is', () => {
    const names = reachable().map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining([...Object.keys(FIELDS), ...OF_THE_VIEWER]))
  })
})

let scene: Scene
let ada: TestClient
let bo: TestClient
let conversationId: string
/** How many subscriptions have come into effect. */
let begun = 0
let statements: string[] = []

beforeAll(async () => {
  scene = await startScene({
    env: { RATE_LIMIT: '0' },
    overrides: { onSubscribed: () => void begun++, onStatement: (sql) => void statements.push(sql) },
  })
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'eve', 'max')
  conversationId = await createGroup(ada, 'eve', 'max')
  await send(ada, conversationId, 'before bo came')
  // Differs from Ada in all that a viewer can: role, what it sees and what it has read.
  await ada.run(AddParticipantsDocument, { input: { conversationId, externalIds: ['bo'], withHistory: false } })
})
afterAll(() => scene.close())

/** A socket of a viewer with one subscription in effect. */
async function listen(client: TestClient, query: string, variables = {}, id = 'it'): Promise<RawSocket> {
  const socket = await openAcknowledged({ url: scene.url, authorization: `Bearer ${await client.token}` })
  const before = begun
  socket.send({ type: 'subscribe', id, payload: { query, variables: { conversationId, ...variables } } })
  await vi.waitFor(() => expect(begun).toBeGreaterThan(before), { timeout: 30_000 })
  return socket
}

/** The event that came next, which must have no errors. */
async function eventOf(socket: RawSocket): Promise<Record<string, unknown>> {
  const { payload } = (await socket.next()) as { payload: { data: Record<string, Record<string, unknown>> } }
  expect(payload).toEqual({ data: expect.anything() })
  return Object.values(payload.data)[0]!
}

const shareableOf = (type: string) => FIELDS[type]!.split('|')[0]!.trim().replace('sender', `sender { ${USER} }`)
const USER = FIELDS.User!.replace('|', '')
const MESSAGE = () => shareableOf('Message')
const READ = '... on ReadReceiptEvent { receipt { conversationId readAt } }'
const COMMON = '__typename conversationId cursor'

/** For each subscription: all that is the same for everybody, a field that is not, and what makes an event of it. */
const SUBSCRIPTIONS = {
  messageAdded: {
    same: () => MESSAGE(),
    own: 'conversation { viewerState { unreadCount role } }',
    happen: () => send(ada, conversationId, 'hello', { metadata: { a: [1, 'é'] }, idempotencyKey: randomUUID() }),
  },
  conversationEvents: {
    same: () => `${COMMON} ${READ}
      ... on MessageAddedEvent { message { ${MESSAGE()} } } ... on MessageUpdatedEvent { message { ${MESSAGE()} } }
      ... on ParticipantChangedEvent { change user { ${USER} } }`,
    own: `... on MessageAddedEvent { message { conversation { viewerState { unreadCount role } } } }
      ... on MessageUpdatedEvent { message { conversation { viewerState { unreadCount role } } } }`,
    async happen() {
      const { id } = await send(ada, conversationId, 'to be deleted')
      await ada.run(DeleteMessageDocument, { input: { messageId: id } })
    },
  },
  typing: {
    same: () => `conversationId isTyping expiresAt user { ${USER} }`,
    own: null,
    happen: () => scene.as('eve').run(SetTypingDocument, { input: { conversationId, isTyping: true } }),
  },
  readReceipt: {
    same: () => 'conversationId readAt',
    own: 'participant { lastReadSeq }',
    happen: () => scene.as('eve').run(MarkReadDocument, { input: { conversationId } }),
  },
}

describe.each(Object.entries(SUBSCRIPTIONS))(
  'what two viewers who differ are told by %s',
  (name, { same, own, happen }) => {
    const of = (fields: string) =>
      `subscription ($conversationId: ID!) { ${name}(conversationId: $conversationId) { ${fields} } }`

    it('is the same in each shareable field, shared or executed for each of them', async () => {
      // Aliased, so that the fields of the viewer can be left out of the comparison.
      const queries = own ? [of(same()), of(`${same()} ${own}`)] : [of(same())]
      const viewers = [ada, bo, scene.asService()]
      const sockets = await Promise.all(viewers.flatMap((viewer) => queries.map((query) => listen(viewer, query))))
      await happen()
      const told = await Promise.all(
        sockets.map(async (socket) => {
          let event = await eventOf(socket)
          while (['CaughtUpEvent', 'ReadReceiptEvent'].includes(String(event.__typename))) event = await eventOf(socket)
          return withoutOwn(event)
        }),
      )
      for (const event of told) expect(event).toEqual(told[0])
      expect(Object.keys(told[0]!).length).toBeGreaterThan(1)
      for (const socket of sockets) socket.end()
    })
  },
)

/** An event without the fields that were asked for as somebody's own. */
function withoutOwn({ conversation: _, participant: __, message, ...event }: Record<string, unknown>) {
  if (!message) return event
  const { conversation: ___, ...rest } = message as Record<string, unknown>
  return { ...event, message: rest }
}

describe('a message to forty sockets', () => {
  const of = (fields: string) =>
    `subscription ($conversationId: ID!, $full: Boolean = false) {
       messageAdded(conversationId: $conversationId) { seq body @include(if: $full) ${fields} } }`
  const forty = (query: string, client = ada) => Promise.all(Array.from({ length: 40 }, () => listen(client, query)))

  async function readsOf(sockets: RawSocket[]): Promise<number> {
    statements = []
    await send(ada, conversationId, 'how many reads?')
    await Promise.all(sockets.map(eventOf))
    for (const socket of sockets) socket.end()
    return statements.filter((sql) => isOfRequest(sql) && sql.includes('min(p.last_read_seq)')).length
  }

  it('is executed once where everything asked is the same for all', async () => {
    const sockets = [...(await forty(of('status'))), await listen(bo, of('status'))]
    expect(await readsOf(sockets)).toBe(1)
  })

  it('is executed once for each viewer where something is not', async () => {
    const query = of('status conversation { viewerState { role } }')
    const sockets = [...(await forty(query)), await listen(bo, query)]
    expect(await readsOf(sockets)).toBe(2)
  })

  it("gives each viewer its own, and what another's variables asked for to nobody else", async () => {
    const own = of('conversation { viewerState { role unreadCount } }')
    const short = of('')
    const [ofAda, ofBo] = [await listen(ada, own), await listen(bo, own)]
    const [withBody, without] = [await listen(bo, short, { full: true }), await listen(bo, short)]
    const { seq } = await send(ada, conversationId, 'hi')
    const role = async (socket: RawSocket) =>
      ((await eventOf(socket)).conversation as { viewerState: object }).viewerState
    expect(await role(ofAda)).toEqual({ role: 'OWNER', unreadCount: 0 })
    expect(await role(ofBo)).toMatchObject({ role: 'MEMBER', unreadCount: expect.not.closeTo(0) })
    expect(await eventOf(withBody)).toEqual({ seq, body: 'hi' })
    expect(await eventOf(without)).toEqual({ seq })
    for (const socket of [ofAda, ofBo, withBody, without]) socket.end()
  })

  it('comes under the id that each has chosen, whatever is in it, and after its answer', async () => {
    const ids = [
      '1',
      'ж'.repeat(30),
      '"\\\u0000\u2028',
      '\ud83d\ude00',
      'x'.repeat(200),
      randomUUID(),
      'a,"type":"next"',
    ]
    const sockets = await Promise.all(ids.map((id) => listen(ada, of(''), { full: true }, id)))
    for (const body of ['short', 'ü'.repeat(100), 'x'.repeat(9_999)]) {
      const { seq } = await send(ada, conversationId, body)
      for (const [index, socket] of sockets.entries()) {
        const payload = { data: { messageAdded: { seq, body } } }
        expect(await socket.next()).toEqual({ type: 'next', id: ids[index], payload })
      }
    }
    for (const socket of sockets) socket.end()
  })

  it('comes whole and in order to whoever reads nothing for a while, as to those who do', async () => {
    const MESSAGES = 300
    const fields = ['a', 'b', 'c', 'd'].map((alias) => `${alias}: body`).join(' ')
    const query = `subscription ($conversationId: ID!) { messageAdded(conversationId: $conversationId) { seq ${fields} } }`
    const [slow, slower, reader] = [await listen(ada, query), await listen(bo, query), await listen(ada, query)]
    slow.ws.pause()
    slower.ws.pause()
    const sent: Record<string, unknown>[] = []
    // More than the operating system holds for a socket.
    for (let number = 0; number < MESSAGES; number++) {
      const body = `${number} `.repeat(2_000)
      const { seq } = await send(ada, conversationId, body)
      sent.push({ seq, a: body, b: body, c: body, d: body })
      expect(await eventOf(reader)).toEqual(sent.at(-1))
      // Goes on in the middle, and stops again.
      if (number === MESSAGES / 2) slow.ws.resume()
      if (number === MESSAGES / 2 + 20) slow.ws.pause()
    }
    for (const socket of [slow, slower]) {
      socket.ws.resume()
      for (const message of sent) expect(await eventOf(socket)).toEqual(message)
      socket.end()
    }
    reader.end()
  })
})
