import { expect, test } from 'vitest'
import { type Answer, judge, MAX_TRIES, RETRY_DELAYS_MS } from '../../src/features/webhooks/retries.ts'

const NOW = Date.parse('2026-11-20T10:00:00Z')
const HOUR = 3_600_000
const answered = (httpStatus: number | null, retryAfter: string | null = null): Answer => ({
  httpStatus,
  error: 'It failed.',
  retryAfter,
})
const waitOf = (answer: Answer, number = 1, random = 0.5) => {
  const verdict = judge(answer, number, random, NOW)
  return verdict.status === 'PENDING' ? verdict.waitMs : verdict.status
}

test('there are ten tries over three days', () => {
  expect(MAX_TRIES).toBe(10)
  const total = RETRY_DELAYS_MS.reduce((sum, delay) => sum + delay)
  expect(total / HOUR).toBeGreaterThan(70)
  expect(total / HOUR).toBeLessThan(74)
  expect(RETRY_DELAYS_MS).toEqual([...RETRY_DELAYS_MS].sort((a, b) => a - b))
})

test('success ends it, whatever the try', () => {
  for (const number of [1, 10, 11]) {
    expect(judge({ httpStatus: 200, error: null, retryAfter: '60' }, number, 0, NOW)).toEqual({ status: 'DELIVERED' })
  }
})

test('each failure waits as the table says, a tenth more or less, and the last one is final', () => {
  for (const [index, delay] of RETRY_DELAYS_MS.entries()) {
    expect(waitOf(answered(500), index + 1)).toBe(delay)
    expect(waitOf(answered(null), index + 1, 0)).toBe(delay * 0.9)
    expect(waitOf(answered(404), index + 1, 1)).toBe(Math.round(delay * 1.1))
  }
  expect(waitOf(answered(500), 10)).toBe('DEAD')
  expect(waitOf(answered(500), 11)).toBe('DEAD')
})

test('410 switches off, and gives nothing up', () => {
  const verdict = { status: 'PENDING', waitMs: 0, switchOff: true }
  for (const number of [1, 10]) expect(judge(answered(410), number, 0.5, NOW)).toEqual(verdict)
})

test.each<[number, string, number]>([
  [429, '60', 60_000],
  [503, '3600', HOUR],
  [503, 'Fri, 20 Nov 2026 12:00:00 GMT', 2 * HOUR],
  [503, '1', 5_000], // less than the table says
  [503, '-1', 5_000],
  [503, 'soon', 5_000],
  [503, 'Fri, 20 Nov 2026 09:00:00 GMT', 5_000], // over
  [503, '999999999', 24 * HOUR], // a day is enough
  [500, '3600', 5_000], // not for this
])('%i with retry-after %s waits %i ms', (status, retryAfter, wait) => {
  expect(waitOf(answered(status, retryAfter))).toBe(wait)
})
