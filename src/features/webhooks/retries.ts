// When a delivery is tried again, and when it is given up.

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** How long after the first, second, … failed try of a delivery the next one is made; together about three days. */
export const RETRY_DELAYS_MS = [
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  18 * HOUR,
  22 * HOUR,
]
export const MAX_TRIES = RETRY_DELAYS_MS.length + 1

/** Each delay is so much longer or shorter, at random, so that what failed together isn't tried again together. */
export const JITTER = 0.1

/** A receiver that asks for more time with 429 or 503 is given at most this. */
export const MAX_RETRY_AFTER_MS = 24 * HOUR

/** What came of a try. */
export interface Answer {
  /** Null where there was none. */
  httpStatus: number | null
  /** Why the try failed; null where it didn't. */
  error: string | null
  /** The header, where there was one. */
  retryAfter: string | null
}

/** What becomes of a delivery. */
export type Verdict = { status: 'DELIVERED' | 'DEAD' } | { status: 'PENDING'; waitMs: number; switchOff: boolean }

/** What a try leads to: `number` is 1 for the first, `random` from 0 to 1, `now` milliseconds since the epoch. */
export function judge(answer: Answer, number: number, random: number, now: number): Verdict {
  if (answer.error === null) return { status: 'DELIVERED' }
  // The receiver is gone for good: what waits stays, for when somebody switches it on again.
  if (answer.httpStatus === 410) return { status: 'PENDING', waitMs: 0, switchOff: true }
  const delay = RETRY_DELAYS_MS[number - 1]
  if (delay === undefined) return { status: 'DEAD' }
  const jittered = delay * (1 - JITTER + 2 * JITTER * random)
  return { status: 'PENDING', waitMs: Math.round(Math.max(jittered, askedFor(answer, now))), switchOff: false }
}

/** The milliseconds that a receiver asks for: in seconds, or until a date. */
function askedFor({ httpStatus, retryAfter }: Answer, now: number): number {
  if (retryAfter === null || (httpStatus !== 429 && httpStatus !== 503)) return 0
  const asked = /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * SECOND : Date.parse(retryAfter) - now
  return Number.isNaN(asked) ? 0 : Math.min(Math.max(asked, 0), MAX_RETRY_AFTER_MS)
}
