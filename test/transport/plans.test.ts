import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import {
  execute,
  type GraphQLField,
  type GraphQLNamedType,
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
