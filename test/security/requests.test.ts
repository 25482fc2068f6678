import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery, printSchema } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { schema } from '../../src/schema/index.ts'
import { SECRET, startApp, type TestApp } from '../support/app.ts'
import { type Outcome, type Row, testEveryWay } from './table.ts'
import { type Caller, WAYS, ways } from './ways.ts'
import { adaWithTwo } from './world.ts'

// What may be asked. In production, where the server tells least.

let app: TestApp
let world: World
type World = Awaited<ReturnType<typeof adaWithTwo>>

beforeAll(async () => {
  app = await startApp({ env: { NODE_ENV: 'production', JWT_SECRET: SECRET, RATE_LIMIT: '0' } })
  world = await adaWithTwo(app)
})
afterAll(() => app.close())

const many = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => part(i)).join('')
const nested = (depth: number, open: string, inside: string, close: string) =>
  open.repeat(depth) + inside + close.repeat(depth)

/** Five times the 50 ms that are meant, as test machines go. */
const AT_ONCE = 250
const INVALID: Outcome = { refused: 'GRAPHQL_VALIDATION_FAILED' }
const UNPARSED: Outcome = { refused: 'GRAPHQL_PARSE_FAILED' }
const BAD_INPUT: Outcome = { refused: 'BAD_USER_INPUT' }
/** Without a name of the schema that the client did not give. */
const UNHINTED: Outcome = { refused: 'GRAPHQL_VALIDATION_FAILED', message: /^((?!Did you mean).)*$/s }
const TOO_DEEP: Outcome = { refused: 'GRAPHQL_VALIDATION_FAILED', message: /^The operation is \d+ levels deep/ }
const TOO_DEAR: Outcome = { refused: 'GRAPHQL_VALIDATION_FAILED', message: /^The operation may read \d+ fields/ }
const TOO_DEAR_A_SCHEMA: Outcome = { refused: 'GRAPHQL_VALIDATION_FAILED', message: /fields of the schema; 1000 are/ }
const QUERY_TYPE: Outcome = { data: { __typename: 'Query' } }

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { metadata } } }'
const LIST = 'query ($first: Int) { conversations(first: $first) { edges { cursor } } }'
const LEVEL = 'lastMessage { conversation { '

const rows: Row<World>[] = [
  // 12: names that mean something to JavaScript
  {
    number: 12,
    what: 'a variable named __proto__',
    query: 'query ($__proto__: ID!) { node(id: $__proto__) { id } }',
    variables: '{"__proto__":"x"}',
    comes: { data: { node: null } },
  },
  {
    number: 12,
    what: 'variables with a __proto__ and a constructor',
    query: '{ __typename }',
    variables: '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    comes: QUERY_TYPE,
  },
  {
    number: 12,
    what: 'aliases __proto__, constructor, toString',
    query: '{ __proto__: __typename constructor: __typename toString: __typename }',
    comes: { data: JSON.parse('{"__proto__":"Query","constructor":"Query","toString":"Query"}') },
  },
  {
    number: 12,
    what: 'metadata with a __proto__, as a variable',
    query: SEND,
    variables: ({ withBob }) =>
      `{"input":{"conversationId":"${withBob}","body":"x","metadata":{"__proto__":{"polluted":1}}}}`,
    comes: { data: { sendMessage: { message: { metadata: JSON.parse('{"__proto__":{"polluted":1}}') } } } },
  },
  {
    number: 12,
    what: 'metadata with a __proto__, in the document',
    query: `mutation ($id: ID!) { sendMessage(input: {conversationId: $id, body: "x", metadata: {__proto__: {polluted: 1}}}) { message { metadata } } }`,
    variables: ({ withBob }) => ({ id: withBob }),
    comes: { data: { sendMessage: { message: { metadata: JSON.parse('{"__proto__":{"polluted":1}}') } } } },
  },
  {
    number: 12,
    what: 'input with a __proto__',
    query: SEND,
    variables: ({ withBob }) => `{"input":{"conversationId":"${withBob}","body":"x","__proto__":{"polluted":1}}}`,
    comes: BAD_INPUT,
  },

  // 14: what production does not tell
  {
    number: 14,
    what: 'introspection of the schema',
    query: '{ __schema { types { name } } }',
    comes: INVALID,
  },
  { number: 14, what: 'introspection of a type', query: '{ __type(name: "User") { name } }', comes: INVALID },
  { number: 14, what: '__typename is no introspection', query: '{ __typename }', comes: QUERY_TYPE },
  { number: 14, what: 'a typo in a field', query: '{ viewr { id } }', comes: UNHINTED },
  { number: 14, what: 'a typo in an argument', query: '{ user(externalID: "x") { id } }', comes: UNHINTED },
  { number: 14, what: 'a typo in a type', query: '{ node(id: "x") { ... on Usr { id } } }', comes: UNHINTED },
  {
    number: 14,
    what: 'a typo in an input',
    query: SEND,
    variables: { input: { bdy: 'x' } },
    comes: { ...UNHINTED, refused: 'BAD_USER_INPUT' },
  },
  {
    number: 14,
    what: 'a typo in an input, in the document',
    query: 'mutation { sendMessage(input: {conversationId: "x", bdy: "x"}) { deduplicated } }',
    comes: UNHINTED,
  },

  // 15 to 19: documents made to cost
  {
    number: 15,
    what: 'circular fragments',
    query: '{ viewer { ...A } } fragment A on User { ...B } fragment B on User { ...A }',
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '300 fragments in circles',
    query: `{ viewer { ...F0 } } ${many(300, (i) => `fragment F${i} on User { ...F${(i + 1) % 300} ...F${(i + 7) % 300} } `)}`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '5,000 directives',
    query: `{ __typename ${'@x '.repeat(5_000)} }`,
    comes: UNPARSED,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '2,000 directives, which it takes to read',
    query: `{ __typename ${'@x '.repeat(2_000)} }`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '8,000 duplicate fields',
    query: `{ ${'__typename '.repeat(8_000)} }`,
    comes: UNPARSED,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '4,900 duplicate fields, which it takes to compare',
    query: `{ viewer { ${'id '.repeat(4_900)} } }`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '490 duplicate fields with arguments',
    query: `{ ${'user(externalId: "x") { id } '.repeat(490)} }`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '150 x 100 inline fragments',
    query: `{ ${`... on Query { ${'__typename '.repeat(100)} } `.repeat(150)} }`,
    comes: UNPARSED,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '180 x 20 inline fragments, which it takes to compare',
    query: `{ ${`... on Query { ${'__typename '.repeat(20)} } `.repeat(180)} }`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 15,
    what: '50,000 values that are none of their type',
    query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    variables: `{"ids":[${'{},'.repeat(49_999)}{}]}`,
    comes: BAD_INPUT,
    within: AT_ONCE,
  },
  {
    number: 16,
    what: '10,000 aliases',
    query: `{ ${many(10_000, (i) => `a${i}: __typename `)} }`,
    comes: UNPARSED,
  },
  {
    number: 17,
    what: 'depth 5,000',
    query: nested(5_000, '{ a ', '', '}'),
    comes: UNPARSED,
  },
  {
    number: 17,
    what: 'depth 800 of fields that there are',
    query: `{ conversations { edges { node { ${nested(800, LEVEL, 'id ', '} } ')} } } } }`,
    comes: INVALID,
  },
  {
    number: 17,
    what: 'a chain of 9,000 fragments, which are as many as go into a request',
    query: `{viewer{...F0}}${many(9_000, (i) => `fragment F${i} on User{...F${i + 1}}`)}`.slice(0, 250_000),
    comes: UNPARSED,
  },
  {
    number: 17,
    what: 'a chain of 500 fragments, which is no depth',
    query: `{ viewer { ...F0 } } ${many(500, (i) => `fragment F${i} on User { ...F${i + 1} } `)} fragment F500 on User { username }`,
    comes: { data: { viewer: { username: 'ada' } } },
  },
  {
    number: 17,
    what: '1,600 inline fragments in each other, which are no depth either',
    query: `{ ${nested(1_600, '... { ', '__typename ', '} ')} }`,
    comes: QUERY_TYPE,
  },
  {
    number: 17,
    what: 'a value 2,400 lists deep',
    query: `{ node(id: ${nested(2_400, '[', '', ']')}) { id } }`,
    comes: UNPARSED,
  },
  {
    number: 17,
    what: 'variables 10,000 deep',
    query: '{ __typename }',
    variables: `{"x":${nested(10_000, '[', '', ']')}}`,
    comes: BAD_INPUT,
  },
  {
    number: 18,
    what: 'depth in a fragment named __schema',
    query: `{ conversations { ...__schema } } fragment __schema on ConversationConnection { edges { node { ${nested(8, LEVEL, 'id ', '} } ')} } } }`,
    comes: TOO_DEEP,
  },
  {
    number: 18,
    what: 'a fragment that is used again deeper down',
    query: `{ conversation(id: "x") { ...Deep ${nested(5, LEVEL, '...Deep ', '} } ')} } } fragment Deep on Conversation { ${nested(3, LEVEL, 'id ', '} } ')} }`,
    comes: { refused: 'GRAPHQL_VALIDATION_FAILED', message: /^The operation is 18 levels deep/ },
  },
  {
    number: 18,
    what: 'fragments that double 150 times',
    query: `{ conversation(id: "x") { ...F0 } } ${many(150, (i) => `fragment F${i} on Conversation { a: ${LEVEL}...F${i + 1} } } b: ${LEVEL}...F${i + 1} } } } `)} fragment F150 on Conversation { id }`,
    comes: INVALID,
    within: AT_ONCE,
  },
  {
    number: 19,
    what: 'nested lists multiply',
    query: `{ conversations(first: 100) { edges { node { messages(first: 100) { edges { node { conversation { messages(first: 100) { edges { node { id } } } } } } } } } } }`,
    comes: TOO_DEAR,
  },
  {
    number: 19,
    what: 'nested lists multiply, their size in a variable',
    query: `query ($n: Int) { conversations(first: $n) { edges { node { messages(last: $n) { edges { node { conversation { messages(last: $n) { edges { node { id } } } } } } } } } } }`,
    variables: { n: 100 },
    comes: TOO_DEAR,
  },

  {
    number: '',
    what: 'a subscription to what a variable decides',
    query: 'subscription ($no: Boolean!) { messageAdded @skip(if: $no) { id } }',
    variables: { no: true },
    comes: INVALID,
  },
  {
    number: '',
    what: 'two subscriptions in one',
    query: 'subscription { messageAdded { id } inboxUpdated { change } }',
    comes: INVALID,
  },
  {
    number: '',
    what: 'null where only the default may be left out',
    query: 'query ($id: ID = "x") { node(id: $id) { id } }',
    variables: { id: null },
    comes: { refused: 'BAD_USER_INPUT', field: 'id' },
  },
  {
    number: '',
    what: 'null inside of an input where only the default may be left out',
    query: 'mutation ($id: ID = "x") { sendMessage(input: { conversationId: $id }) { deduplicated } }',
    variables: { id: null },
    comes: BAD_INPUT,
  },
  {
    number: '',
    what: 'no operation',
    query: 'fragment A on User { id }',
    comes: INVALID,
  },
  {
    number: '',
    what: 'several operations and none named',
    query: 'query A { __typename } query B { __typename }',
    comes: { refused: 'BAD_USER_INPUT', field: 'operationName' },
  },
  {
    number: '',
    what: 'a change of the schema',
    query: 'type A { a: Int } extend type Query { a: Int } { __typename }',
    comes: INVALID,
  },

  // 20: page sizes
  ...['1000000000', '101', '0', '-1'].flatMap((first): Row<World>[] => [
    {
      number: 20,
      what: `first: ${first}`,
      query: `{ conversations(first: ${first}) { edges { cursor } } }`,
      comes: { failed: 'BAD_USER_INPUT', field: 'first' },
    },
    {
      number: 20,
      what: `first: ${first} as a variable`,
      query: LIST,
      variables: `{"first":${first}}`,
      comes: { failed: 'BAD_USER_INPUT', field: 'first' },
    },
  ]),
  ...['2147483648', '1e400', '1.5', '"1"', 'true', '{}'].flatMap((first): Row<World>[] => [
    {
      number: 20,
      what: `first: ${first}`,
      query: `{ conversations(first: ${first}) { edges { cursor } } }`,
      comes: INVALID,
    },
    {
      number: 20,
      what: `first: ${first} as a variable`,
      query: LIST,
      variables: `{"first":${first}}`,
      comes: { refused: 'BAD_USER_INPUT', field: 'first' },
    },
  ]),
]

describe('what is asked', () => {
  testEveryWay(rows, () => world)

  it('12 nothing is polluted after all of this', () => {
    expect(Object.prototype).not.toHaveProperty('polluted')
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

describe('what is asked of the schema, where that is allowed', () => {
  let development: TestApp
  let ada: Caller

  beforeAll(async () => {
    development = await startApp()
    ada = { url: development.url, authorization: `Bearer ${await development.as('ada').token}` }
  })
  afterAll(() => development.close())

  const aliased = (count: number, field: string) => many(count, (i) => `a${i}: ${field} `)
  testEveryWay(
    [
      {
        number: 15,
        what: 'aliases that multiply',
        query: `{ __schema { ${aliased(40, 'types { ...T }')} } }
          fragment T on __Type { ${aliased(40, 'fields { ...F }')} } fragment F on __Field { ${aliased(40, 'args { name }')} }`,
        comes: TOO_DEAR_A_SCHEMA,
        within: AT_ONCE,
      },
      {
        number: 15,
        what: 'aliases of the whole',
        query: `{ ${aliased(150, '__schema { types { name fields { name } inputFields { name } enumValues { name } } }')} }`,
        comes: TOO_DEAR_A_SCHEMA,
        within: AT_ONCE,
      },
      {
        number: 15,
        what: 'fields of types of fields of types',
        query: '{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }',
        comes: INVALID,
      },
    ],
    () => ada,
  )

  for (const way of WAYS) {
    it(`14 what tools ask for is answered: ${way}`, async () => {
      const query = getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true, oneOf: true })
      const { result } = await ways[way](ada, { query })
      expect(printSchema(buildClientSchema(result!.data as unknown as IntrospectionQuery))).toBe(printSchema(schema))
    })
  }
})
