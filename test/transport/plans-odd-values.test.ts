import { buildSchema, execute, type GraphQLResolveInfo, type GraphQLScalarType, type GraphQLUnionType } from 'graphql'
import { expect, it, vi } from 'vitest'
import type { RequestContext } from '../../src/context.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createGuard } from '../../src/transport/guard/guard.ts'
import { createPlans } from '../../src/transport/plan/plans.ts'

// What no resolver of the schema gives, though one could: a plan does with it what graphql-js does, or leaves it to that.

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
const oddGuard = createGuard(oddSchema, { log: createLogger('silent'), suggestions: true, introspection: true })
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
