import { afterAll, beforeAll, describe, it } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { expectClean, expectOutcome, type Outcome, type Row, testEveryWay } from './table.ts'
import { type Caller, canGo, WAYS, ways } from './ways.ts'
import { adaWithTwo, sendTo } from './world.ts'

// What values may be, and whose: cases 21, 60, 61 and 64; of editing and deleting messages too.

let app: TestApp
let world: World
type World = Awaited<ReturnType<typeof adaWithTwo>> & {
  cursor: string
  messageId: string
  otherCursor: string
  listCursor: string
}

beforeAll(async () => {
  app = await startApp({ env: { RATE_LIMIT: '0' } })
  const ada = app.as('ada')
  const two = await adaWithTwo(app)
  const { cursor, id: messageId } = await sendTo(ada, two.withBob)
  const { cursor: otherCursor } = await sendTo(ada, two.withCarl)
  const { result } = await ways.POST(two, { query: '{ conversations { edges { cursor } } }' })
  const { conversations } = result!.data as { conversations: { edges: { cursor: string }[] } }
  world = { ...two, cursor, messageId, otherCursor, listCursor: conversations.edges[0]!.cursor }
})
afterAll(() => app.close())

const BAD_INPUT: Outcome = { refused: 'BAD_USER_INPUT' }
const failed = (field: string): Outcome => ({ failed: 'BAD_USER_INPUT', field })
const sent = (message: object): Outcome => ({ data: { sendMessage: { message } } })

const SEND = `mutation ($id: ID!, $body: String = "x", $metadata: JSONObject, $key: String) {
  sendMessage(input: { conversationId: $id, body: $body, metadata: $metadata, idempotencyKey: $key }) {
    message { body metadata }
  }
}`
const EDIT = `mutation ($id: ID!, $body: String!) {
  editMessage(input: { messageId: $id, body: $body }) { message { body } }
}`
const DELETE = 'mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { message { id } } }'
const USER = 'query ($externalId: String!) { user(externalId: $externalId) { id } }'
const NODE = 'query ($id: ID!) { node(id: $id) { id } }'
const START =
  'mutation ($externalId: String!) { startDirectConversation(input: { externalId: $externalId }) { created } }'
const CONVERSATIONS = 'query ($after: String) { conversations(after: $after) { edges { cursor } } }'
const MESSAGES = `query ($id: ID!, $after: String) {
  conversation(id: $id) { messages(first: 10, after: $after) { edges { cursor } } }
}`

/** A send to Bob whose variables are beside that this JSON text. */
const sending = (json: string) => (world: World) => `{"id":"${world.withBob}",${json}}`

/** An edit of Ada's message to Bob to this JSON text. */
const editing = (json: string) => (world: World) => `{"id":"${world.messageId}","body":${json}}`

const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

/** Cursors that are none of the list of messages with Bob. */
const CURSORS: [string, (world: World) => string][] = [
  ['of another conversation', (world) => world.otherCursor],
  ['of another list', (world) => world.listCursor],
  ['with another conversation put in', (world) => world.cursor.replace(/\.[^.]+(?=\.\w+$)/, '.AAAAAAAAAAAAAAAAAAAAAA')],
  ['cut off', (world) => world.cursor.replace(/\.\w+$/, '')],
  ['with a line break after it', (world) => `${world.cursor}\n`],
  ['of a seq that there can not be', (world) => world.cursor.replace(/\w+$/, 'zzzzzz')],
  ['of a negative seq', (world) => world.cursor.replace(/\w+$/, '-1')],
  ['that is empty', () => ''],
  ['that is SQL', () => "' OR 1=1 --"],
]

/** What is no message's id, as JSON text. */
const NO_MESSAGES: [string, (world: World) => string][] = [
  ['that is empty', () => '""'],
  ['that is SQL', () => `"' OR 1=1 --"`],
  ['of 10,000 characters', () => `"${'x'.repeat(10_000)}"`],
  ['of a conversation', (world) => `"${world.withBob}"`],
  ['with a line break after it', (world) => `"${world.messageId}\\n"`],
  ['with padding', (world) => `"${world.messageId}="`],
  ['of seq 0', (world) => `"${withSeq(world.messageId, '0')}"`],
  ['of a negative seq', (world) => `"${withSeq(world.messageId, '-1')}"`],
  ['of a seq that there can not be', (world) => `"${withSeq(world.messageId, '2147483648')}"`],
  ['of two seqs', (world) => `"${withSeq(world.messageId, '1:1')}"`],
  ['that is a number', () => '1'],
]

function withSeq(messageId: string, seq: string): string {
  const text = Buffer.from(messageId, 'base64url').toString()
  return Buffer.from(text.replace(/\d+$/, seq)).toString('base64url')
}

/** What no body may be, as JSON text. */
const NO_BODIES = Object.entries({
  'an empty body': '""',
  'a blank body': '" \\n\\t\\u00a0"',
  'a body of 10,001 characters': `"${'x'.repeat(10_001)}"`,
  'a body of 10,001 emoji': `"${'😀'.repeat(10_001)}"`,
  'a body of 100,000 combining marks': `"a${'\u0301'.repeat(100_000)}"`,
})

/** What PostgreSQL can't store, as JSON text. */
const UNSTORABLE = Object.entries({
  'a NUL': '\\u0000',
  'a NUL in the middle': 'a\\u0000b',
  'a lone high surrogate': 'a\\ud83d',
  'a lone low surrogate': '\\ude00b',
  'surrogates the wrong way round': '\\ude00\\ud83d',
})

/** Text that is unusual and all the same text. */
const TEXTS = Object.entries({
  'text in both directions': '\u202eevil\u202c \u2067עברית\u2069 \u200f\u061c',
  '9,999 combining marks': `a${'\u0301'.repeat(9_999)}`,
  '10,000 emoji, of two code units each': '😀'.repeat(10_000),
  'control characters': '\u0001\u0007\u001b[31m\u007f\u0085\u2028',
  'CR, LF and tabs': 'a\r\nb\n\tc\r',
  'a byte order mark and noncharacters': '\ufeff\uffff\ufdd0',
  markup: '<script>alert("&amp;")</script>',
})

const rows: Row<World>[] = [
  ...CURSORS.map(
    ([what, after]): Row<World> => ({
      number: 21,
      what: `a message cursor ${what}`,
      query: MESSAGES,
      variables: (world) => ({ id: world.withBob, after: after(world) }),
      comes: failed('after'),
    }),
  ),
  {
    number: 21,
    what: "a message's cursor in the list of conversations",
    query: CONVERSATIONS,
    variables: (world) => ({ after: world.cursor }),
    comes: failed('after'),
  },
  ...UNSTORABLE.flatMap(([what, text]): Row<World>[] => [
    {
      number: 60,
      what: `${what} in a body`,
      query: SEND,
      variables: sending(`"body":"${text}"`),
      comes: failed('body'),
    },
    {
      number: 60,
      what: `${what} in an idempotencyKey`,
      query: SEND,
      variables: sending(`"key":"${text}"`),
      comes: failed('idempotencyKey'),
    },
    {
      number: 60,
      what: `${what} in metadata`,
      query: SEND,
      variables: sending(`"metadata":{"a":[{"b":"${text}"}]}`),
      comes: failed('metadata'),
    },
    {
      number: 60,
      what: `${what} in a key of metadata`,
      query: SEND,
      variables: sending(`"metadata":{"a":{"${text}":1}}`),
      comes: failed('metadata'),
    },
    {
      number: 60,
      what: `${what} in an externalId`,
      query: USER,
      variables: `{"externalId":"${text}"}`,
      comes: failed('externalId'),
    },
    {
      number: 60,
      what: `${what} in the externalId of a mutation`,
      query: START,
      variables: `{"externalId":"${text}"}`,
      comes: failed('externalId'),
    },
    {
      number: 60,
      what: `${what} in an edited body`,
      query: EDIT,
      variables: editing(`"${text}"`),
      comes: failed('body'),
    },
    ...[EDIT, DELETE].map(
      (query): Row<World> => ({
        number: 60,
        what: `${what} in the id of a message to ${query === EDIT ? 'edit' : 'delete'}`,
        query,
        variables: query === EDIT ? `{"id":"${text}","body":"x"}` : `{"id":"${text}"}`,
        comes: failed('messageId'),
      }),
    ),
    {
      number: 60,
      what: `${what} in an id`,
      query: NODE,
      variables: `{"id":"${text}"}`,
      comes: { data: { node: null } },
    },
    {
      number: 60,
      what: `${what} in the id of a mutation`,
      query: SEND,
      variables: `{"id":"${text}"}`,
      comes: failed('conversationId'),
    },
    {
      number: 60,
      what: `${what} in a cursor`,
      query: CONVERSATIONS,
      variables: `{"after":"${text}"}`,
      comes: failed('after'),
    },
  ]),
  ...TEXTS.map(
    ([what, body]): Row<World> => ({
      number: 60,
      what: `${what} are exact`,
      query: SEND,
      variables: (world) => ({ id: world.withBob, body, metadata: { [body.slice(0, 100)]: body.slice(0, 1_000) } }),
      comes: sent({ body, metadata: { [body.slice(0, 100)]: body.slice(0, 1_000) } }),
    }),
  ),
  ...TEXTS.map(
    ([what, body]): Row<World> => ({
      number: 60,
      what: `${what} are exact, edited`,
      query: EDIT,
      variables: (world) => ({ id: world.messageId, body }),
      comes: { data: { editMessage: { message: { body } } } },
    }),
  ),
  ...NO_BODIES.flatMap(([what, body]): Row<World>[] => [
    { number: '', what, query: SEND, variables: sending(`"body":${body}`), comes: failed('body') },
    { number: '', what: `${what}, edited`, query: EDIT, variables: editing(body), comes: failed('body') },
  ]),
  { number: '', what: 'a body of null, edited', query: EDIT, variables: editing('null'), comes: BAD_INPUT },
  {
    number: '',
    what: 'a body that is a number, edited',
    query: EDIT,
    variables: editing('1'),
    comes: { refused: 'BAD_USER_INPUT' },
  },
  {
    number: '',
    what: 'a body of 1 MB, edited',
    query: EDIT,
    variables: editing(`"${'x'.repeat(1_000_000)}"`),
    comes: 'too large',
  },
  ...NO_MESSAGES.flatMap(([what, id]): Row<World>[] => [
    {
      number: '',
      what: `a message to edit by an id ${what}`,
      query: EDIT,
      variables: (world) => `{"id":${id(world)},"body":"x"}`,
      comes: failed('messageId'),
    },
    {
      number: '',
      what: `a message to delete by an id ${what}`,
      query: DELETE,
      variables: (world) => `{"id":${id(world)}}`,
      comes: failed('messageId'),
    },
  ]),
  {
    number: 60,
    what: '100,000 combining marks',
    query: SEND,
    variables: (world) => ({ id: world.withBob, body: `a${'\u0301'.repeat(100_000)}` }),
    comes: failed('body'),
  },
  {
    number: 60,
    what: 'an externalId in both directions',
    query: USER,
    variables: { externalId: '\u202eada' },
    comes: { data: { user: null } },
  },

  {
    number: 61,
    what: 'metadata of 33 levels',
    query: SEND,
    variables: sending(`"metadata":${deep(33)}`),
    comes: failed('metadata'),
  },
  {
    number: 61,
    what: 'metadata of 32 levels',
    query: SEND,
    variables: sending(`"metadata":${deep(32)}`),
    comes: sent({ body: 'x', metadata: JSON.parse(deep(32)) }),
  },
  {
    number: 61,
    what: 'metadata of 1,000 levels',
    query: SEND,
    variables: sending(`"metadata":${deep(1_000)}`),
    comes: BAD_INPUT,
  },
  {
    number: 61,
    what: 'metadata of 1,000 levels in the document',
    query: `mutation { sendMessage(input: {conversationId: "x", body: "x", metadata: ${deep(1_000).replaceAll('"', '')}}) { deduplicated } }`,
    comes: { failed: 'BAD_USER_INPUT' },
  },
  {
    number: 61,
    what: 'metadata of 10,000 levels',
    query: SEND,
    variables: sending(`"metadata":${deep(10_000)}`),
    comes: BAD_INPUT,
  },
  {
    number: 61,
    what: 'metadata of 200 KB',
    query: SEND,
    variables: sending(`"metadata":{"a":"${'x'.repeat(200_000)}"}`),
    comes: failed('metadata'),
  },
  {
    number: 61,
    what: 'metadata of 1 MB',
    query: SEND,
    variables: sending(`"metadata":{"a":"${'x'.repeat(1_000_000)}"}`),
    comes: 'too large',
  },
  ...['[]', '"text"', '1', 'true'].map(
    (metadata): Row<World> => ({
      number: 61,
      what: `metadata that is ${metadata}`,
      query: SEND,
      variables: sending(`"metadata":${metadata}`),
      comes: { refused: 'BAD_USER_INPUT', field: 'metadata' },
    }),
  ),
]

describe('what is given', () => testEveryWay(rows, () => world))

describe('64 an idempotencyKey', () => {
  for (const way of WAYS.filter((way) => canGo(way, { query: SEND }))) {
    const send = async (caller: Caller, variables: object) => {
      const answer = await ways[way](caller, { query: SEND, variables: { id: world.withBob, ...variables } })
      expectClean(answer)
      return answer
    }

    it(`with another body or other metadata: ${way}`, async () => {
      const key = `of ada by ${way}`
      expectOutcome(await send(world, { key, body: 'one' }), sent({ body: 'one', metadata: {} }))
      expectOutcome(await send(world, { key, body: 'two' }), { failed: 'CONFLICT', field: 'idempotencyKey' })
      expectOutcome(await send(world, { key, body: 'one', metadata: { a: 1 } }), { failed: 'CONFLICT' })
      expectOutcome(await send(world, { key, body: 'one' }), sent({ body: 'one', metadata: {} }))
    })

    it(`of another user is another one: ${way}`, async () => {
      const key = `of both by ${way}`
      const bob = { url: app.url, authorization: `Bearer ${await app.as('bob').token}` }
      expectOutcome(await send(world, { key, body: 'hers' }), sent({ body: 'hers', metadata: {} }))
      expectOutcome(await send(bob, { key, body: 'his' }), sent({ body: 'his', metadata: {} }))
    })
  }
})
