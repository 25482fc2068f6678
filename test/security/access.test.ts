import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodeId, encodeId } from '../../src/lib/ids.ts'
import { ConversationDocument } from '../generated/graphql.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { isOfRequest } from '../support/statements.ts'
import { codesOf, expectClean, type Outcome, type Row, testEveryWay } from './table.ts'
import { type Caller, canGo, WAYS, ways } from './ways.ts'
import { adaWithTwo, openDirect, sendTo } from './world.ts'

// Cases 31 to 35: Ada asks for what is Bob's and Carl's. It must be as if it were not there.

let app: TestApp
let world: World
const statements: string[] = []

interface World extends Caller {
  withBob: string
  withCarl: string
  /** Ids of things that Ada may not see, by what they are. */
  foreign: Record<Kind, string>
  /** The same for things that don't exist. */
  missing: Record<Kind, string>
}

const KINDS = ['Conversation', 'Message', 'Participant', 'ConversationViewerState'] as const
type Kind = (typeof KINDS)[number]

beforeAll(async () => {
  app = await startApp({ env: { RATE_LIMIT: '0' }, overrides: { onStatement: (sql) => statements.push(sql) } })
  const two = await adaWithTwo(app)
  await sendTo(app.as('ada'), two.withBob, 'ours')
  const bob = app.as('bob')
  const theirs = await openDirect(bob, 'carl')
  const message = await sendTo(bob, theirs, 'a secret of Bob and Carl')
  const { conversation } = await bob.run(ConversationDocument, { id: theirs })
  const foreign = {
    Conversation: theirs,
    Message: message.id,
    Participant: conversation!.participants.edges[0]!.node.id,
    ConversationViewerState: conversation!.viewerState!.id,
  }
  const missing = Object.fromEntries(KINDS.map((kind) => [kind, withOtherUuids(foreign[kind])]))
  world = { ...two, foreign, missing: missing as Record<Kind, string> }
})
afterAll(() => app.close())

/** The id of a thing of the same type that there is not. */
function withOtherUuids(globalId: string): string {
  const text = Buffer.from(globalId, 'base64url').toString()
  return Buffer.from(text.replace(/[0-9a-f]{4}(?=-)/g, '0000')).toString('base64url')
}

const messageIn = (conversationId: string, seq: number) => encodeId('Message', decodeId(conversationId)!.key[0]!, seq)

const NODE = 'query ($id: ID!) { node(id: $id) { __typename id } }'
const NODES = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }'
const ALL = `{
  viewer { username }
  conversations(first: 5) {
    edges { node {
      id title
      lastMessage { body sender { username } conversation { id } }
      participants(first: 5) { edges { node { user { username } } } }
      messages(last: 5) { edges { node { body conversation { id participants(first: 5) { edges { node { id } } } } } } }
    } }
  }
}`

const rows: Row<World>[] = [
  ...KINDS.flatMap((kind): Row<World>[] => [
    {
      number: 31,
      what: `node of a foreign ${kind}`,
      query: NODE,
      variables: ({ foreign }) => ({ id: foreign[kind] }),
      comes: { data: { node: null } },
    },
    {
      number: 31,
      what: `node of a ${kind} that there is not`,
      query: NODE,
      variables: ({ missing }) => ({ id: missing[kind] }),
      comes: { data: { node: null } },
    },
  ]),
  {
    number: 32,
    what: 'nodes, own and foreign, missing and malformed: only the own',
    query: NODES,
    variables: ({ withBob, withCarl, foreign, missing }) => ({
      ids: [withBob, ...Object.values(foreign), withCarl, ...Object.values(missing), 'x', withBob],
    }),
    comes: {
      data: {
        nodes: [
          { __typename: 'Conversation' },
          ...KINDS.map(() => null),
          { __typename: 'Conversation' },
          ...KINDS.map(() => null),
          null,
          { __typename: 'Conversation' },
        ],
      },
    },
  },
  {
    number: 34,
    what: 'conversation of a foreign id',
    query: 'query ($id: ID!) { conversation(id: $id) { id } }',
    variables: ({ foreign }) => ({ id: foreign.Conversation }),
    comes: { data: { conversation: null } },
  },
]

const notFound = (field: string): Outcome => ({ failed: 'NOT_FOUND', field })
const DO = {
  sendMessage: ['SendMessageInput', 'deduplicated', { body: 'x' }],
  markRead: ['MarkReadInput', 'conversation { id }', {}],
  setTyping: ['SetTypingInput', 'expiresAt', { isTyping: true }],
} as const

for (const [name, [type, selection, input]] of Object.entries(DO)) {
  rows.push({
    number: 35,
    what: `${name} in a foreign conversation`,
    query: `mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} } }`,
    variables: ({ foreign }) => ({ input: { conversationId: foreign.Conversation, ...input } }),
    comes: notFound('conversationId'),
  })
}

for (const [name, [type, input]] of Object.entries({
  editMessage: ['EditMessageInput', { body: 'x' }],
  deleteMessage: ['DeleteMessageInput', {}],
} as const)) {
  rows.push({
    number: 35,
    what: `${name} of a foreign message`,
    query: `mutation ($input: ${type}!) { ${name}(input: $input) { message { id body } } }`,
    variables: ({ foreign }) => ({ input: { messageId: foreign.Message, ...input } }),
    comes: notFound('messageId'),
  })
  rows.push({
    number: 35,
    what: `${name} of a message that a conversation of one's own has not`,
    query: `mutation ($input: ${type}!) { ${name}(input: $input) { message { id body } } }`,
    variables: ({ withBob }) => ({ input: { messageId: messageIn(withBob, 99), ...input } }),
    comes: notFound('messageId'),
  })
}

for (const name of ['conversationEvents', 'messageAdded', 'typing', 'readReceipt']) {
  rows.push({
    number: 35,
    what: `${name} of a foreign conversation`,
    query: `subscription ($id: ID!) { ${name}(conversationId: $id) { __typename } }`,
    variables: ({ foreign }) => ({ id: foreign.Conversation }),
    comes: { refused: 'NOT_FOUND', field: 'conversationId' },
  })
}

describe("what is somebody else's", () => testEveryWay(rows, () => world))

describe('33 from the viewer on', () => {
  for (const way of WAYS) {
    it(`nothing leads to a foreign conversation: ${way}`, async () => {
      const answer = await ways[way](world, { query: ALL })
      expectClean(answer)
      const { conversations } = answer.result!.data as { conversations: { edges: { node: { id: string } }[] } }
      expect(conversations.edges.map(({ node }) => node.id).sort()).toEqual([world.withBob, world.withCarl].sort())
      expect(answer.text).toContain('ours')
      expect(answer.text).not.toContain('secret')
      expect(answer.text).not.toContain(world.foreign.Conversation)
    })
  }
})

describe('34 foreign and missing', () => {
  for (const { what, query, variables } of rows.filter(({ what }) => /a foreign/.test(what))) {
    for (const way of WAYS.filter((way) => canGo(way, { query }))) {
      it(`the same answer by the same statements: ${what}: ${way}`, async () => {
        const ask = async (things: Record<Kind, string>) => {
          statements.length = 0
          const of = (variables as (world: World) => object)({ ...world, foreign: things })
          const { status, result } = await ways[way](world, { query, variables: of })
          return { status, result, statements: statements.filter(isOfRequest) }
        }
        const foreign = await ask(world.foreign)
        expect(await ask(world.missing)).toEqual(foreign)
        expect(foreign.statements.length).toBeGreaterThan(0)
        expect(codesOf(foreign)).not.toContain('INTERNAL_SERVER_ERROR')
      })
    }
  }
})
