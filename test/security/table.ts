import { expect, it } from 'vitest'
import { type Answer, type Ask, type Caller, canGo, WAYS, ways } from './ways.ts'

// Each case is a row: its number, what it is, what is sent, what must come back. Each row is run by every way in.

export interface Row<World> {
  /** Of the case; none for those beside the list. */
  number: number | ''
  what: string
  query: string
  variables?: Ask['variables'] | ((world: World) => Ask['variables'])
  comes: Outcome
  /** Milliseconds that it may take. */
  within?: number
}

export type Outcome =
  /** Refused as a whole, with this code. */
  | { refused: string; field?: string; message?: RegExp }
  /** Executed, and the first root field failed with this code. */
  | { failed: string; field?: string }
  /** Executed without an error; the data holds this. */
  | { data: object }
  /** Refused by its size, unread. */
  | 'too large'

/** Tests each row by each way that it can go; `world` is who asks, and what the rows' variables are made of. */
export function testEveryWay<World extends Caller>(rows: Row<World>[], world: () => World) {
  for (const { number, what, query, variables, comes, within } of rows) {
    const known = { query, variables: typeof variables === 'function' ? {} : variables }
    for (const way of WAYS.filter((way) => canGo(way, known))) {
      it(`${number} ${what}: ${way}`.trim(), async () => {
        const ask = typeof variables === 'function' ? { query, variables: variables(world()) } : known
        const answer = await ways[way](world(), ask)
        expectClean(answer)
        expectOutcome(answer, comes)
        if (within !== undefined) expect(await quickest(() => ways[way](world(), ask), within)).toBeLessThan(within)
      })
    }
  }
}

/** The milliseconds that something takes when nothing else gets in its way: the least of 20, or one that is enough. */
async function quickest(run: () => Promise<unknown>, enough: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 20 && least >= enough; i++) {
    const begun = performance.now()
    await run()
    least = Math.min(least, performance.now() - begun)
  }
  return least
}

export function expectOutcome(answer: Answer, outcome: Outcome) {
  const { status, result } = answer
  if (outcome === 'too large') {
    expect([413, 1009]).toContain(status)
    expect(codesOf(answer)).toEqual(status === 413 ? ['PAYLOAD_TOO_LARGE'] : [])
  } else if ('data' in outcome) {
    expect(result).toEqual({ data: expect.objectContaining(outcome.data) })
    expect([200, 101]).toContain(status)
  } else if ('failed' in outcome) {
    expect(codesOf(answer)).toEqual([outcome.failed])
    expect(Object.values(result?.data ?? {})[0]).toBeNull()
    if (outcome.field !== undefined) expect(result?.errors?.[0]?.extensions?.field).toBe(outcome.field)
    expect([200, 101]).toContain(status)
  } else {
    expect(codesOf(answer)).toEqual([outcome.refused])
    expect(result).not.toHaveProperty('data')
    if (outcome.message) expect(result?.errors?.[0]?.message).toMatch(outcome.message)
    if (outcome.field !== undefined) expect(result?.errors?.[0]?.extensions?.field).toBe(outcome.field)
  }
}

/** The documented list: there is no other. */
const CODES = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'CONFLICT',
  'RATE_LIMITED',
  'PAYLOAD_TOO_LARGE',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
]

/** What an error may say beside its message and place. */
const EXTENSIONS = ['code', 'field', 'retryAfter', 'id']

/** What must hold of every answer: codes of the documented list, and nothing of the server's inside. */
export function expectClean({ result, text }: Pick<Answer, 'result' | 'text'>) {
  for (const { extensions = {} } of result?.errors ?? []) {
    expect(CODES).toContain(extensions.code)
    expect(EXTENSIONS).toEqual(expect.arrayContaining(Object.keys(extensions)))
  }
  expect(text).not.toMatch(/node_modules|\.[jt]s:\d+|stacktrace|originalError|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b/)
}

/** The codes of an answer's errors, each once. */
export function codesOf({ result }: Pick<Answer, 'result'>): unknown[] {
  return [...new Set((result?.errors ?? []).map(({ extensions }) => extensions?.code))]
}
