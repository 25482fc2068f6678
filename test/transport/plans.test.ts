import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import {
  buildSchema,
  execute,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLResolveInfo,
  type GraphQLScalarType,
  type GraphQLUnionType,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isLeafType,
  isObjectType,
  type OperationDefinitionNode,
  parse,
  print,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { createLogger } from '../../src/lib/log.ts'
import { schema } from '../../src/schema/index.ts'
import { createGuard, type OperationRequest } from '../../src/transport/guard/guard.ts'
import { createPlans } from '../../src/transport/plan/plans.ts'
import { createGroup } from '../features/groups.ts'
import { createDispute, initiatePayment } from '../features/integrations/support.ts'
import { missingConversation, type Scene, send, startDirect, startScene, usersOf } from '../features/support.ts'
import {
  AddParticipantsDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  MarkReadDocument,
  RequestContactDocument,
  SetTypingDocument,
  UpdateConversationDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'
import { seedOfRun } from '../support/random-operations.ts'
import { isOfRequest } from '../support/statements.ts'

// Whatever is executed by a plan must be what graphql-js says, to the letter; and what graphql-js finds fault with must
// not be answered by a plan at all.

const policy = { log: createLogger('silent'), suggestions: true, introspection: true }
const guard = createGuard(schema, policy)

let scene: Scene
let ada: TestClient
let statements: string[] = []
/** Of the last request of each user. */
const contexts = new Map<string, RequestContext>()
/** What came for each subscription. */
const events: Record<string, object[]> = {}
let isListening = true
/** All ids that there are to ask for, and one that is of nothing. */
let ids: string[] = []
let group: string
let direct: string

beforeAll(async () => {
  listenIn()
  scene = await startScene({ env: { RATE_LIMIT: '0' }, overrides: { onStatement: (sql) => void statements.push(sql) } })
  const [first, bo] = await usersOf(scene, 'ada', 'bo', 'eve', 'max')
  ada = first
  await fillIn(bo)
})
afterAll(() => scene.close())

/** Takes down the contexts and events that the server's resolvers are given. */
function listenIn() {
  const { viewer } = schema.getQueryType()!.getFields() as Record<string, GraphQLField<unknown, RequestContext>>
  tap(viewer!, (_source, ctx) => {
    if (ctx.viewer.kind === 'user') contexts.set(ctx.viewer.user.externalId, ctx)
  })
  for (const field of Object.values(schema.getSubscriptionType()!.getFields())) {
    events[field.name] = []
    tap(field, (event) => {
      if (isListening) events[field.name]!.push(event as object)
    })
  }
}

function tap(field: GraphQLField<unknown, RequestContext>, note: (source: unknown, ctx: RequestContext) => void) {
  const resolve = field.resolve!
  field.resolve = (source, args, ctx, info) => {
    note(source, ctx)
    return resolve(source, args, ctx, info)
  }
}

/** Something of every kind, and an event of every kind of it. */
async function fillIn(bo: TestClient) {
  direct = await startDirect(ada, 'bo')
  group = await createGroup(ada, 'bo', 'eve')
  const streams = await Promise.all([
    ...SUBSCRIPTIONS.map(({ query }) => ada.subscribe(parse(query), { conversationId: group })),
    ada.subscribe(parse(SUBSCRIPTIONS[0]!.query), { conversationId: direct }),
  ])
  const first = await send(ada, group, 'first', { metadata: { a: [1, { b: null }] }, idempotencyKey: 'k' })
  const second = await send(bo, group, 'second', { replyToId: first.id })
  const third = await send(bo, group, 'third')
  await send(bo, direct, 'hello')
  await ada.run(EditMessageDocument, { input: { messageId: first.id, body: 'edited' } })
  await bo.run(DeleteMessageDocument, { input: { messageId: third.id } })
  await bo.run(MarkReadDocument, { input: { conversationId: group } })
  await bo.run(SetTypingDocument, { input: { conversationId: group, isTyping: true } })
  await ada.run(UpdateConversationDocument, { input: { conversationId: group, title: 'New', tags: ['a', 'b'] } })
  await ada.run(AddParticipantsDocument, { input: { conversationId: group, externalIds: ['max'] } })
  await bo.run(RequestContactDocument, { input: { externalId: 'ada' } })
  const bosId = (await bo.run(ViewerDocument)).viewer!.id
  const adasId = (await ada.run(ViewerDocument)).viewer!.id
  const { dispute } = await createDispute(ada, { conversationId: direct })
  const { payment } = await initiatePayment(ada, { conversationId: direct, payeeId: bosId })
  ids = [group, direct, first.id, second.id, third.id, adasId, bosId, dispute.id, payment.id, missingConversation, 'x']
  for (const { name, atLeast } of SUBSCRIPTIONS) {
    await vi.waitFor(() => expect(events[name]!.length).toBeGreaterThanOrEqual(atLeast), { timeout: 30_000 })
  }
  for (const stream of streams) stream.stop()
  isListening = false
}

/** How many events of each there will be in the group. */
const SUBSCRIPTIONS = [
  {
    name: 'messageAdded',
    atLeast: 4,
    query: 'subscription($conversationId: ID) { messageAdded(conversationId: $conversationId) { id } }',
  },
  {
    name: 'conversationEvents',
    atLeast: 7,
    query: 'subscription($conversationId: ID!) { conversationEvents(conversationId: $conversationId) { __typename } }',
  },
  {
    name: 'typing',
    atLeast: 1,
    query: 'subscription($conversationId: ID!) { typing(conversationId: $conversationId) { isTyping } }',
  },
  {
    name: 'readReceipt',
    atLeast: 1,
    query: 'subscription($conversationId: ID!) { readReceipt(conversationId: $conversationId) { readAt } }',
  },
  { name: 'inboxUpdated', atLeast: 1, query: 'subscription { inboxUpdated { cursor } }' },
  { name: 'contactUpdated', atLeast: 1, query: 'subscription { contactUpdated { __typename } }' },
]

/** A context of its own for each execution, as the server makes them. */
function contextOf(externalId: string): () => RequestContext {
  const { viewer } = contexts.get(externalId)!
  return () => Object.assign(Object.create(Object.getPrototypeOf(contexts.get(externalId)!)), { viewer })
}

/** Executes a request both ways: where graphql-js has no error to tell, the plan must say the same, and else nothing. */
async function compare(
  request: OperationRequest,
  as = 'ada',
  rootValue?: object,
): Promise<'same' | 'errors' | 'refused'> {
  const { prepared } = guard(request)
  if (!prepared) return 'refused'
  const { document, operationName, variables: variableValues } = prepared
  const makeContext = contextOf(as)
  const before = JSON.stringify(variableValues)
  const expected = await execute({
    ...{ schema, document, operationName, variableValues, rootValue },
    contextValue: makeContext(),
  })
  const planned = await createPlans(schema, 0).run(prepared, makeContext, rootValue)
  const told = `${request.query} ${before}`
  if (expected.errors) {
    expect(planned, told).toBeNull()
    return 'errors'
  }
  expect(jsonOf(planned), told).toBe(jsonOf(expected))
  return 'same'
}

/** As JSON without the snapshots in cursors, which move on with whatever else PostgreSQL does. */
const jsonOf = (result: unknown) => JSON.stringify(result)?.replaceAll(/"(i\.\w+)\.[\d_-]+"/g, '"$1"')

const FOLDER = new URL('../operations/', import.meta.url)
const FILES = readdirSync(FOLDER).map((file) => parse(readFileSync(new URL(file, FOLDER), 'utf8')))
const FRAGMENTS = FILES.flatMap(({ definitions }) => definitions).filter((node) => node.kind === 'FragmentDefinition')
const OPERATIONS = FILES.flatMap(({ definitions }) => definitions).filter(
  (node): node is OperationDefinitionNode => node.kind === 'OperationDefinition' && node.operation !== 'mutation',
)

/** The text of an operation with the fragments that it needs. */
function textOf(operation: OperationDefinitionNode): string {
  let text = print(operation)
  const missing = () =>
    FRAGMENTS.find(({ name }) => text.includes(`...${name.value}\n`) && !text.includes(`fragment ${name.value} `))
  for (let next = missing(); next; next = missing()) text += `\n${print(next)}`
  return text
}

/** Values for the variables of an operation, of all ids: those that it must have, alone, with all others and with each. */
function valuesFor({ variableDefinitions = [] }: OperationDefinitionNode): Record<string, unknown>[] {
  const valueFor = (name: string, type: string, id: string) => {
    if (type.startsWith('[ID')) return ids
    if (type.startsWith('ID')) return id
    if (type === 'Int') return name === 'last' ? null : 2
    if (name === 'externalId') return 'bo'
    return type === 'String!' ? 'a' : null
  }
  const asked = variableDefinitions.map(({ variable, type }) => [variable.name.value, print(type)] as const)
  const values = (isGiven: (name: string) => boolean) =>
    ids.map((id) => {
      const given = asked.filter(([name, type]) => type.endsWith('!') || isGiven(name))
      return Object.fromEntries(given.map((each) => [each[0], valueFor(...each, id)]))
    })
  const all = [
    () => false,
    () => true,
    ...asked.map(
      ([name]) =>
        (each: string) =>
          each === name,
    ),
  ].flatMap(values)
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()]
}

describe('an operation of the tests', () => {
  const queries = OPERATIONS.filter(({ operation }) => operation === 'query')
  it.each(queries.map((each) => [each.name!.value, each] as const))(
    'is answered alike: %s',
    async (_name, operation) => {
      const verdicts = new Set<string>()
      for (const variables of valuesFor(operation)) verdicts.add(await compare({ query: textOf(operation), variables }))
      // Those of services are refused to users, and those of things that nobody has made have nothing to show.
      const ofServices = /audit|webhook/i.test(operation.name!.value)
      if (!ofServices) expect([...verdicts]).toContain('same')
    },
  )

  const subscriptions = OPERATIONS.filter(({ operation }) => operation === 'subscription')
  it.each(subscriptions.map((each) => [each.name!.value, each] as const))(
    'tells events alike: %s',
    async (_name, node) => {
      const [field] = node.selectionSet.selections
      if (field?.kind !== 'Field') throw new Error('not a field')
      for (const event of events[field.name.value]!) {
        expect(await compare({ query: textOf(node), variables: { conversationId: group } }, 'ada', event)).toBe('same')
      }
    },
  )
})

it('asks the database for no more', async () => {
  for (const name of ['ConversationsInFull', 'Snapshot', 'ActionHistory', 'ListPage', 'MessagePage']) {
    const query = textOf(OPERATIONS.find((each) => each.name!.value === name)!)
    const variables = { id: group, conversationIds: ids, messageIds: ids }
    const { prepared } = guard({ query, variables })
    const { document } = prepared!
    const makeContext = contextOf('ada')
    // Again where the server has just asked for something by itself.
    await vi.waitFor(async () => {
      statements = []
      await execute({ schema, document, variableValues: variables, contextValue: makeContext() })
      const asked = statements.filter(isOfRequest).sort()
      statements = []
      expect(await createPlans(schema, 0).run(prepared!, makeContext)).not.toBeNull()
      const askedByPlan = statements.filter(isOfRequest).sort()
      expect([...new Set(askedByPlan)]).toEqual([...new Set(asked)])
      expect(askedByPlan.length).toBeLessThanOrEqual(asked.length)
    })
  }
})

const VIEWER = '__typename id externalId displayName'
/** [the document, its variables] */
const ODD: [string, object?][] = [
  ['{ b: viewer { y: id x: id id } viewer { displayName } a: viewer { id } b: viewer { z: externalId x: id } }'],
  [
    '{ viewer { ...A ...B } viewer { role } } fragment A on User { id ...B } fragment B on User { displayName ...C } fragment C on User { type }',
  ],
  ['{ viewer { ...A id ...A @skip(if: true) } } fragment A on User { username id }'],
  ['{ viewer { ...A @skip(if: true) id ...A } } fragment A on User { username }'],
  ['{ __typename viewer { __typename t: __typename } t: __typename }'],
  [
    'query($ids: [ID!]!) { nodes(ids: $ids) { id ...N ... on User { displayName ...N } ... on Message { body } ... on Node { x: id } } } fragment N on Node { ... on Message { seq } __typename ... on Node { ... on Conversation { kind } } }',
  ],
  [
    'query($id: ID!) { conversation(id: $id) { messages { edges { node { subject { __typename ... on Dispute { d: status } ... on Payment { p: status } ... on Node { id } } } } } } }',
  ],
  [
    `query($yes: Boolean = true, $no: Boolean!) { viewer { a: id @skip(if: $yes) b: id @skip(if: $no) c: id @include(if: $yes) d: id @include(if: $no) e: id @skip(if: $no) @include(if: $yes) ... @include(if: $no) { f: id } ...F @skip(if: $yes) } } fragment F on User { role }`,
    { no: false },
  ],
  [
    `query($yes: Boolean = true, $no: Boolean!) { viewer { a: id @skip(if: $yes) b: id @skip(if: $no) ... @include(if: $no) { f: id } ...F @skip(if: $yes) } } fragment F on User { role }`,
    { yes: false, no: true },
  ],
  ['query($yes: Boolean = true) { viewer { id @skip(if: $yes) } }', { yes: null }],
  ['{ viewer { id @skip(if: true) } }'],
  ['{ viewer @include(if: false) { id } }'],
  [
    'query($c: Boolean!) { viewer { c: id @skip(if: $c) constructor: id toString: role hasOwnProperty: type valueOf: id toJSON: id then: id length: id } }',
    { c: true },
  ],
  ['{ constructor: viewer { id } then: viewer { id } }'],
  [
    'query($a: [ConversationKind!], $b: Boolean) { conversations(filter: { kinds: $a, isPinned: $b }) { edges { node { id } } } }',
    { a: 'GROUP' },
  ],
  [
    'query($a: [ConversationKind!], $b: Boolean) { conversations(filter: { kinds: $a, isPinned: $b }) { edges { node { id } } } }',
    { b: null },
  ],
  [
    'query($f: ConversationFilter = { kinds: [GROUP, DIRECT] }) { conversations(filter: $f) { edges { node { id kind } } } }',
  ],
  [
    'query($f: ConversationFilter) { conversations(filter: $f) { edges { node { id kind } } } }',
    { f: { tag: 'a', archived: 'INCLUDE' } },
  ],
  [
    'query($n: Int = 1) { a: conversations(first: $n) { edges { cursor } } b: conversations(first: 2) { edges { cursor } } }',
    { n: null },
  ],
  ['query($n: Int = 1) { a: conversations(first: $n) { edges { cursor } } b: conversations { edges { cursor } } }'],
  ['query($id: ID!) { nodes(ids: [$id, "x", $id]) { id } }'],
  [
    'query($toString: Int, $hasOwnProperty: String) { conversations(first: $toString, after: $hasOwnProperty) { edges { cursor } } }',
    {},
  ],
  ['query($constructor: String) { users(search: "a", role: $constructor) { edges { node { id } } } }', {}],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a client may write it
  ['{ users(search: "\\u2028\\u2029\\"\\\\`${globalThis.ran=1}*/</script>") { edges { cursor } } }'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as a client may write it
  ['{ users(search: """a\n"b" \\""" `${1}` */""") { edges { cursor } } }'],
  [`{ ${Array.from({ length: 30 }, (_, index) => `a${index}: viewer { ${VIEWER} }`).join(' ')} }`],
  [`{ viewer { ${Array.from({ length: 200 }, (_, index) => `a${index}: id`).join(' ')} } }`],
  [`query($id: ID!) { conversation(id: $id) { ${'lastMessage { conversation { '.repeat(6)} id ${'} } '.repeat(6)} } }`],
  ['query A { viewer { id } } query B { viewer { role } }'],
]

it.each(ODD)('odd document %# is answered alike', async (query, variables = {}) => {
  for (const id of [group, direct]) {
    const asked = {
      query,
      variables: { ids, id, ...variables },
      operationName: query.includes('query B') ? 'B' : null,
    }
    expect(await compare(asked)).not.toBe('refused')
  }
})

// Documents drawn at random.

const VARIABLES: Record<string, [type: string, value: () => unknown]> = {
  n: ['Int = 2', () => undefined],
  m: ['Int', () => null],
  id: ['ID!', () => group],
  ids: ['[ID!]!', () => ids],
  yes: ['Boolean = true', () => undefined],
  no: ['Boolean!', () => false],
}
/** What a field can be given: the first of it without an alias. */
function argumentsFor({ name, args }: GraphQLField<unknown, unknown>): string[] {
  const text = JSON.stringify
  if (name === 'node' || name === 'conversation')
    return args.length ? ['(id: $id)', ...ids.map((id) => `(id: ${text(id)})`)] : ['']
  if (name === 'nodes') return ['(ids: $ids)', `(ids: ${text(ids)})`]
  if (name === 'user' || name === 'directConversation') return ['(externalId: "bo")', '(externalId: "nobody")']
  if (name === 'users') return ['(search: "a")', '(search: "b", first: $n)']
  if (!args.some((arg) => arg.name === 'first')) return ['']
  return [
    '',
    '(first: 2)',
    '(first: $n)',
    '(first: $m)',
    ...(args.some((arg) => arg.name === 'last') ? ['(last: 1)'] : []),
  ]
}
const ROOTS =
  'viewer user users node nodes conversation conversations directConversation contacts unread blockedUsers'.split(' ')
const SELDOM = 'auditEntries webhookEndpoints'.split(' ')

function documentOf(draw: fc.GeneratorValue): { query: string; root: string | null } {
  const pick = <Item>(list: readonly Item[]) => list[draw(fc.nat, list.length - 1)]!
  const fragments: string[] = []
  const condition = () =>
    pick([
      '',
      '',
      '',
      '',
      '',
      '@skip(if: $no)',
      '@include(if: $yes)',
      '@skip(if: $yes)',
      '@include(if: $no)',
      '@include(if: true)',
    ])

  function fieldOf(type: GraphQLNamedType, field: GraphQLField<unknown, unknown>, depth: number): string {
    const given = argumentsFor(field)
    const number = draw(fc.nat, given.length - 1)
    const alias = number > 0 ? `${field.name}${number}:` : pick(['', '', `${type.name}_${field.name}:`])
    const named = getNamedType(field.type)
    return `${alias} ${field.name}${given[number]} ${condition()} ${isLeafType(named) ? '' : setOf(named, depth - 1)}`
  }

  function setOf(type: GraphQLNamedType, depth: number): string {
    const fields = isCompositeType(type) && 'getFields' in type ? Object.values(type.getFields()) : []
    const known = depth > 0 ? fields : fields.filter((field) => isLeafType(getNamedType(field.type)))
    const parts = Array.from({ length: 1 + draw(fc.nat, 3) }, () => {
      const kind = draw(fc.nat, 9)
      if (kind === 0 || known.length === 0) return '__typename'
      if (kind > 3) return fieldOf(type, pick(known), depth)
      const about = pick(typesLike(type))
      const set = setOf(about, depth - 1)
      if (kind > 1)
        return `... ${pick(['', `on ${about.name}`]) && about === type ? '' : `on ${about.name}`} ${condition()} ${set}`
      fragments.push(`fragment F${fragments.length} on ${about.name} ${set}`)
      const name = `...F${fragments.length - 1}`
      return pick([`${name} ${condition()}`, `${name} ${condition()} ${name}`])
    })
    return `{ ${parts.join(' ')} }`
  }

  const root = draw(fc.nat, 2) === 0 ? pick(SUBSCRIPTIONS).name : null
  const type = root ? schema.getSubscriptionType()! : schema.getQueryType()!
  const names = root
    ? [root]
    : Array.from({ length: 1 + draw(fc.nat, 2) }, () => pick(draw(fc.nat, 30) === 0 ? SELDOM : ROOTS))
  const sets = names.map((name) => {
    const field = type.getFields()[name]!
    const set = isLeafType(getNamedType(field.type)) ? '' : setOf(getNamedType(field.type), 5)
    return `${name}${root ? argumentsOfEvent(field) : argumentsFor(field)[0]} ${set}`
  })
  const text = [`{ ${sets.join(' ')} }`, ...fragments].join('\n')
  const used = Object.entries(VARIABLES).filter(([name]) => new RegExp(`\\$${name}\\b`).test(text))
  const definitions = used.map(([name, [type]]) => `$${name}: ${type}`).join(' ')
  return { query: `${root ? 'subscription' : 'query'} A${definitions && `(${definitions})`} ${text}`, root }
}

const argumentsOfEvent = ({ args }: GraphQLField<unknown, unknown>) =>
  args.some(({ name }) => name === 'conversationId') ? '(conversationId: $id)' : ''

/** Types that a value of this type may have too. */
function typesLike(type: GraphQLNamedType): readonly GraphQLNamedType[] {
  if (isAbstractType(type)) return [type, ...schema.getPossibleTypes(type)]
  return isObjectType(type) ? [type, ...type.getInterfaces()] : [type]
}

it('a random document is answered alike', { timeout: 300_000 }, async () => {
  const seen: Record<string, number> = { same: 0, errors: 0, refused: 0 }
  const variables = Object.fromEntries(Object.entries(VARIABLES).map(([name, [, value]]) => [name, value()]))
  await fc.assert(
    fc.asyncProperty(fc.gen(), async (draw) => {
      const { query, root } = documentOf(draw)
      const event = root ? events[root]![draw(fc.nat, events[root]!.length - 1)] : undefined
      const as = root ? 'ada' : ['ada', 'bo'][draw(fc.nat, 1)]
      seen[await compare({ query, variables: JSON.parse(JSON.stringify(variables)) }, as, event)]!++
    }),
    { seed: seedOfRun(), numRuns: 1_000, endOnFailure: true },
  )
  // Otherwise this would prove nothing.
  expect(seen.same).toBeGreaterThan(500)
  expect(seen.errors).toBeGreaterThan(5)
})

// What no resolver of the schema does, though one could.

const TYPES = `
  scalar Odd
  enum Letter { A B }
  interface Named { name: String }
  type Person implements Named { name: String, friend: Named, friends: [Named!], self: Person, any: Any, count(from: Int = 1): Int }
  type Thing implements Named { name: String, size: Int! }
  union Any = Person | Thing
  type Query {
    text: String, strict: String!, int: Int, letter: Letter, letters: [Letter], odd: Odd, matrix: [[Int!]]
    named: Named, any: Any, all: [Any], grid: [[Person]], person: Person, people: [Person!]!, given(a: Int = 1, b: [Int], c: Odd): String
  }
`
const oddSchema = buildSchema(TYPES)
const oddGuard = createGuard(oddSchema, policy)
;(oddSchema.getType('Odd') as GraphQLScalarType).serialize = (value) => {
  if (value === 'refused') throw new Error('refused')
  return value === 'undefined' ? undefined : value
}
/** By the value itself, as interfaces find it without being told, or as it says, perhaps later. */
const anyType = oddSchema.getType('Any') as GraphQLUnionType
anyType.resolveType = (value: { type?: string; __typename?: string }) => value.type ?? value.__typename
const person = { __typename: 'Person', name: 'P' }
const thing = { __typename: 'Thing', name: 'T', size: 1 }
const ALL = `text int letter letters odd matrix given(b: [1, 2], c: { x: [1] }) named { name ... on Person { friend { name } } }
  any { __typename ... on Named { name } ... on Thing { size } } all { ... on Person { friends { __typename name } self { name } } }
  person { name any { ... on Thing { size } } } people { name }`
const strictly = `{ ${ALL} strict }`
const later = <Value>(value: Value) => new Promise<Value>((resolve) => setImmediate(resolve, value))
const rejected = () => Promise.reject(new Error('rejected'))
const throwing = () => {
  throw new Error('thrown')
}
/** Both ways, of the same root. */
async function both(query: string, rootValue: object, variables?: object) {
  const { prepared } = oddGuard({ query, variables })
  const { document, variables: variableValues } = prepared!
  const expected = await execute({ schema: oddSchema, document, rootValue, variableValues, contextValue: {} })
  return { expected, planned: await createPlans(oddSchema, 0).run(prepared!, () => ({}) as RequestContext, rootValue) }
}

// biome-ignore lint/suspicious/noThenProperty: resolvers may give such
const refusing = { then: (_done: unknown, fail: (error: Error) => void) => fail(new Error()) }
// biome-ignore lint/suspicious/noThenProperty: resolvers may give such
const lazily = (value: unknown) => ({ then: (resolve: (value: unknown) => void) => resolve(value) })

it.each<[string, object]>([
  ['nothing', {}],
  ['nulls in lists', { letters: ['A', null, undefined], matrix: [[1], null], all: [null, person], people: [] }],
  ['functions', { text: () => 'x', person: { name: () => 'y' }, given: (args: object) => JSON.stringify(args) }],
  ['values that are converted', { text: 5, int: '7', odd: { a: [1] }, strict: true }],
  [
    'iterables',
    {
      letters: new Set(['A', 'B']),
      matrix: [new Set([1]), Uint8Array.of(2)],
      all: () => new Map([[1, thing]]).values(),
    },
  ],
  [
    'promises everywhere',
    {
      text: later('x'),
      letters: later([later('A'), 'B', lazily('A')]),
      matrix: [later([1, 2]), [3]],
      all: [later(thing), person, lazily(thing)],
      named: later({ ...person, friend: later(thing) }),
      people: later([later(person)]),
    },
  ],
  [
    'thenables that are there at once',
    { text: lazily('x'), person: lazily({ name: lazily('y') }), letters: lazily([lazily('A')]) },
  ],
  [
    'abstract in abstract',
    {
      named: { ...person, friend: { ...person, name: 'Q' } },
      any: thing,
      all: [{ ...person, friends: [thing, person], self: person }],
    },
  ],
])('completes alike: %s', async (_what, given) => {
  const root = { strict: 's', people: [], ...given }
  const { expected, planned } = await both(strictly, root)
  expect(expected.errors).toBeUndefined()
  expect(JSON.stringify(planned)).toBe(JSON.stringify(expected))
})

const FAULTS: [string, object][] = [
  ['a resolver that throws', { text: throwing }],
  ['one that rejects', { text: rejected }],
  [
    'one that rejects while others wait',
    { text: () => later('x').then(throwing), person: later(person), people: later([later(person)]) },
  ],
  [
    'one that throws while others reject',
    { odd: rejected, letters: () => [rejected(), rejected()], text: rejected, strict: throwing },
  ],
  ['an error as a value', { text: new Error('returned') }],
  ['an error as an object', { person: new Error('returned') }],
  ['an error that a scalar would take', { odd: new Error('returned') }],
  ['a promise of an error', { text: later(new Error('returned')) }],
  ['null where none may be', { strict: null }],
  ['a promise of null where none may be', { strict: later(null) }],
  ['null in a list where none may be', { people: [person, null] }],
  ['null deep in a list', { matrix: [[1, null]] }],
  ['no list', { people: 5 }],
  ['text for a list', { letters: 'AB' }],
  ['an async iterable', { letters: (async function* () {})() }],
  ['a value that an enum does not have', { letter: 'C' }],
  ['a number that is none', { int: 'x' }],
  ['a value that a scalar refuses', { odd: 'refused' }],
  ['one that it makes nothing of', { odd: 'undefined' }],
  ['a type that is not said', { named: { name: 'x' } }],
  ['a type that is not one of them', { any: { __typename: 'Query' } }],
  ['a type that is rejected', { any: () => ({ type: rejected() }) }],
  ['a type that there is not', { all: [{ __typename: 'constructor' }] }],
  ['an error in a list', { all: [person, new Error('returned')] }],
  ['a rejection in a list', { all: () => [person, rejected(), rejected()] }],
]

it.each(FAULTS)('leaves to graphql-js: %s', async (_what, given) => {
  const root = { strict: 's', people: [], ...given }
  const { expected, planned } = await both(strictly, root)
  expect(expected.errors).not.toBeUndefined()
  expect(planned).toBeNull()
})

/** Of which graphql-js leaves the rejections unhandled. */
const LEFT_BEHIND: [string, object][] = [
  ['rejections behind what ends a list', { people: () => [null, rejected(), rejected()] }],
  ['a thenable that rejects at once', { text: refusing }],
]

it.each([...FAULTS, ...LEFT_BEHIND])('leaves no rejection behind: %s', async (_what, given) => {
  const unhandled = vi.fn()
  process.on('unhandledRejection', unhandled)
  const { prepared } = oddGuard({ query: strictly })
  const root = { strict: 's', people: [], ...given }
  expect(await createPlans(oddSchema, 0).run(prepared!, () => ({}) as RequestContext, root)).toBeNull()
  // By then what was rejected without anybody looking would have been told.
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  process.off('unhandledRejection', unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

it('checks the type of an object where it has a check', async () => {
  const type = oddSchema.getType('Person') as { isTypeOf?: unknown }
  for (const [answer, isSame] of [
    [true, true],
    [false, false],
    [Promise.resolve(true), false],
    [rejected(), false],
  ]) {
    if (answer instanceof Promise) answer.catch(() => {})
    type.isTypeOf = () => answer
    const { expected, planned } = await both('{ person { name } }', { person })
    if (isSame) expect(JSON.stringify(planned)).toBe(JSON.stringify(expected))
    else expect(planned).toBeNull()
  }
  type.isTypeOf = undefined
})

it('gives each resolver arguments of its own', async () => {
  const counting = { ...person, count: (args: { from: number }) => args.from++ }
  const query = 'query($n: Int) { people { a: count b: count(from: $n) c: count(from: 5) } }'
  const { expected, planned } = await both(query, { people: [counting, counting] }, { n: 3 })
  expect(JSON.stringify(planned)).toBe(JSON.stringify(expected))
})

it('tells resolvers the same', async () => {
  const told: unknown[] = []
  const note = (args: object, context: object, info: GraphQLResolveInfo) => {
    const {
      fieldName,
      fieldNodes,
      returnType,
      parentType,
      path,
      schema,
      fragments,
      rootValue,
      operation,
      variableValues,
    } = info
    told.push({
      fieldName,
      fieldNodes,
      returnType,
      parentType,
      path,
      fragments,
      operation,
      variableValues,
      args,
      context,
    })
    expect(schema).toBe(oddSchema)
    expect(rootValue).toBe(root)
    return null
  }
  const noted = { ...person, name: note, friend: note }
  const root = {
    given: note,
    text: note,
    named: { ...person, friend: noted },
    all: [noted, noted],
    grid: [[noted], [noted, later(noted)]],
    people: [later(noted), { ...noted, self: noted }],
  }
  const query = `query A($c: Odd, $d: Int = 3) { text g: given(b: [$d, 1], c: $c) given given2: given(c: { x: $c, y: [true] })
    named { ...F } all { ...F ...F } grid { name } p: people { name n: name self { name ...F } } }
    fragment F on Named { name ... on Person { friend { name ...G } } } fragment G on Person { name }`
  await both(query, root, { c: { z: 1 } })
  expect(told.length).toBeGreaterThan(10)
  const [byGraphQL, byPlan] = [told.slice(0, told.length / 2), told.slice(told.length / 2)]
  expect(byPlan).toEqual(byGraphQL)
})

it('keeps the operations of a document apart, and what their conditions make of them', () => {
  const query = `query A($a: Boolean!, $b: Boolean! = true) { text @skip(if: $a) person { name @include(if: $b) __typename } }
    query B($b: Boolean!) { int @skip(if: $b) text @include(if: $b) }`
  const plans = createPlans(oddSchema, 0)
  const rootValue = { text: 'x', int: 1, person }
  for (const _again of [1, 2]) {
    for (const [operationName, variables] of [
      ['A', { a: true }],
      ['A', { a: false }],
      ['A', { a: true, b: false }],
      ['A', { a: false, b: false }],
      ['B', { b: true }],
      ['B', { b: false }],
    ] as const) {
      const { prepared } = oddGuard({ query, operationName, variables })
      const expected = execute({
        schema: oddSchema,
        rootValue,
        operationName,
        document: prepared!.document,
        variableValues: variables,
      })
      const planned = plans.run(prepared!, () => ({}) as RequestContext, rootValue)
      expect(JSON.stringify(planned)).toBe(JSON.stringify(expected))
    }
  }
})

it('plans what comes again, and nothing that asks for more than resolvers give', () => {
  const root = { text: 'x', person: { name: 'y' } }
  const tries = (query: string, variables = {}) => {
    const { prepared } = oddGuard({ query, variables })
    const plans = createPlans(oddSchema)
    return Array.from({ length: 6 }, () => plans.run(prepared!, () => ({}) as RequestContext, root) !== null)
  }
  const never = Array(6).fill(false)
  expect(tries('{ text }')).toEqual([false, false, false, true, true, true])
  // What fails is executed twice only now and then.
  expect(tries('{ strict }')).toEqual(never)
  expect(tries('{ text __schema { queryType { name } } }')).toEqual(never)
  expect(tries('{ text __type(name: "Query") { name } }')).toEqual(never)
  expect(tries('{ __proto__: text }')).toEqual(never)
  expect(tries('{ person { __proto__: name } }')).toEqual(never)
  // Whose fragments multiply what it asks for.
  const fragments = Array.from(
    { length: 10 },
    (_, n) => `fragment F${n + 1} on Person { a: self { ...F${n} } b: self { ...F${n} } }`,
  )
  const few = `{ person { ...F2 } } fragment F0 on Person { name } ${fragments.slice(0, 2).join(' ')}`
  expect(tries(few)).toEqual([false, false, false, true, true, true])
  expect(tries(`{ person { ...F10 } } fragment F0 on Person { name } ${fragments.join(' ')}`)).toEqual(never)
})

describe('a server', () => {
  it.each([
    ['{ viewer { id } conversations(first: 2) { edges { node { id title } } } }'],
    ['{ viewer { id } conversation(id: "x") { id } }'],
    ['{ auditEntries { edges { cursor } } viewer { id } }'],
    ['{ viewer { __proto__: id } __proto__: viewer { __proto__: id } }'],
    ['{ __schema { queryType { name } } viewer { id } }'],
  ])('answers in the same words each time: %s', async (query) => {
    const answers = new Set<string>()
    for (let time = 0; time < 6; time++) {
      const response = await fetch(`${scene.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await ada.token}` },
        body: JSON.stringify({ query }),
      })
      answers.add(`${response.status} ${await response.text()}`)
    }
    expect([...answers]).toEqual([expect.stringContaining('"data":{')])
  })
})
