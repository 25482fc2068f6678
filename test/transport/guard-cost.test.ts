import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createLogger } from '../../src/lib/log.ts'
import { schema } from '../../src/schema/index.ts'
import { createGuard, type OperationRequest } from '../../src/transport/guard/guard.ts'

// A guard remembers what it allowed: nobody may get through by what somebody asked before.

const newGuard = () => createGuard(schema, { log: createLogger('silent'), suggestions: false, introspection: true })

const page = (size: string, inner: string) => `messages(first: ${size}) { edges { node { ${inner} } } }`
const list = (size: string, inner: string) => `{ conversations(first: ${size}) { edges { node { ${inner} } } } }`

const DOCUMENTS = [
  `query A($a: Int) ${list('$a', page('100', `conversation { ${page('5', 'id')} }`))}`,
  `query A($a: Int = 100) ${list('100', page('$a', `conversation { ${page('5', 'id')} }`))}`,
  `query A($a: Int!, $b: Int) ${list('$a', `...F`)} fragment F on Conversation { ${page('$b', 'id body sender { id }')} }
   query B($a: Int, $b: Int) ${list('$b', page('$a', `conversation { ${page('100', 'id')} }`))}
   query C ${list('1', 'id')}`,
  `query A($ids: [ID!]!, $a: Int) { nodes(ids: $ids) { ... on Conversation { ${page('$a', `conversation { ${page('100', 'id')} }`)} } } }`,
  `query A($a: Int, $after: String, $skip: Boolean = true) ${list('100', `messages(first: $a, after: $after) @skip(if: $skip) { edges { node { conversation { ${page('50', 'id')} } } } }`)}`,
  `query A($text: String!, $a: Int!) { users(search: $text, first: $a) { edges { node { id } } } }`,
  'mutation A($input: SetTypingInput!) { setTyping(input: $input) { expiresAt } }',
]

/** Mostly such as are allowed, so that the same ones come again with others. */
const size = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(undefined, null, 1, 10, 100) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-1, 0, 50, 1e9, 2 ** 31, Number.POSITIVE_INFINITY, 1.5, '1', true, {}, [100]),
  },
)
const variables = fc.record({
  a: size,
  b: size,
  after: fc.constantFrom(undefined, null, 'x', 'x'.repeat(300)),
  skip: fc.constantFrom(undefined, null, true, false),
  text: fc.constantFrom(undefined, 'x', 'y" a=1'),
  ids: fc.constantFrom(
    undefined,
    null,
    [],
    ['x'],
    Array.from({ length: 100 }, () => 'x'),
    'x',
  ),
  input: fc.constantFrom(
    undefined,
    null,
    {},
    { conversationId: 'x', isTyping: true },
    { conversationId: 'y'.repeat(300) },
  ),
})
/** Requests with the same document. */
const requests = fc.constantFrom(...DOCUMENTS).chain((query) =>
  fc.array(
    fc.record<OperationRequest>({
      query: fc.constant(query),
      operationName: fc.constantFrom(...(query.includes('query B') ? ['A', 'B', 'C'] : [undefined, 'A'])),
      // As JSON has them: what is undefined is left out.
      variables: variables.map((given) =>
        Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      ),
    }),
    { minLength: 50, maxLength: 50 },
  ),
)

const told = (guard: ReturnType<typeof newGuard>, asked: OperationRequest) => {
  const { prepared, errors } = guard(asked)
  return prepared ? 'allowed' : JSON.stringify(errors)
}

it('says of each request what a guard says that has seen no other', () => {
  const seen = new Map<string, number>()
  fc.assert(
    fc.property(requests, (asked) => {
      const guard = newGuard()
      for (const each of asked) {
        const verdict = told(guard, each)
        expect(verdict).toBe(told(newGuard(), each))
        const kind = /Ask for smaller pages/.exec(verdict)?.[0] ?? verdict.slice(0, 7)
        seen.set(kind, (seen.get(kind) ?? 0) + 1)
      }
    }),
    { numRuns: 100 },
  )
  // Otherwise this would prove nothing.
  expect(seen.get('allowed')).toBeGreaterThan(50)
  expect(seen.get('Ask for smaller pages')).toBeGreaterThan(20)
})
