import type { Db } from '../../db/client.ts'
import { createBatcher } from '../../lib/batch.ts'
import type { EventType } from './event-types.ts'
import { CLAIM, FINISH_FREE, FINISH_ONE, FIRST, SWITCH_OFF } from './outbox-statements.ts'
import type { Answer, Verdict } from './retries.ts'

// The outbox as the worker sees it. Times are the database's, so that nodes whose clocks differ agree.

/** A node that was killed keeps its streams for so long. */
const CLAIM_SECONDS = 60
/** Of one endpoint's streams on one node. */
const AT_ONCE = 32

/** The right to deliver what waits in a stream. */
export interface Claim {
  endpointId: string
  streamId: string
  /** Tells this claim from others of the same stream. */
  until: Date
  /** performance.now() when it was had. */
  takenAt: number
}

/** What comes first in a stream, and where it is to go. */
export interface Waiting {
  /** A bigint, as text. */
  position: string
  id: string
  eventType: EventType
  reference: Reference
  createdAt: Date
  /** Those that count. */
  tries: number
  url: string
  secret: string
  previousSecret: string | null
  previousSecretUntil: Date | null
}

/** What an event is about; which of these are there, the triggers say. */
export interface Reference {
  conversationId: string
  seq: number
  subjectId: string
  userId: string
  contactId: string
  requesterId: string
  addresseeId: string
}

/** A try that was made. */
export interface Tried {
  waiting: Waiting
  at: Date
  durationMs: number
  answer: Answer
  verdict: Verdict
}

export interface Outbox {
  /** Claims streams that are due, of each endpoint as many as it may have at once less those that `busy` has of it. */
  claim(busy: ReadonlyMap<string, number>): Promise<Claim[]>
  /** What comes first in a claimed stream; null where nothing waits. */
  first(claim: Claim): Promise<Waiting | null>
  /** Notes a try. If more waits that may be tried at once, and `goesOn`, the claim goes on; else it ends: null. */
  finish(claim: Claim, tried: Tried, goesOn: boolean): Promise<Claim | null>
  /** Gives a claim back. */
  release(claim: Claim): Promise<void>
}

/** A try to be noted. */
interface Turn {
  claim: Claim
  tried: Tried
  goesOn: boolean
}

/** Those who ask at the same time are served by one statement. */
export function createOutbox({ query }: Pick<Db, 'query'>): Outbox {
  const first = createBatcher(readFirst, ({ endpointId, streamId }: Claim) => endpointId + streamId)

  async function readFirst(claims: readonly Claim[]): Promise<(Waiting | null)[]> {
    const rows = await query<{ key: number } & Waiting>(FIRST, [
      claims.map(({ endpointId }) => endpointId),
      claims.map(({ streamId }) => streamId),
    ])
    const byKey = new Map(rows.map(({ key, ...waiting }) => [key, waiting]))
    return claims.map((_, index) => byKey.get(index) ?? null)
  }

  const noteFree = createBatcher(
    (turns: readonly Turn[]) => noteTries(FINISH_FREE, turns),
    ({ claim }: Turn) => claim.endpointId + claim.streamId,
  )

  /** Undefined: the stream is another's just now, or no more. */
  async function noteTries(statement: string, turns: readonly Turn[]): Promise<(Date | null | undefined)[]> {
    const rows = await query<{ key: number; until: Date | null }>(statement, [
      turns.map(({ claim }) => claim.endpointId),
      turns.map(({ claim }) => claim.streamId),
      turns.map(({ claim }) => claim.until),
      turns.map(({ tried }) => tried.waiting.position),
      turns.map(({ tried: { verdict } }) => (verdict.status === 'PENDING' ? verdict.waitMs : null)),
      turns.map(({ goesOn }) => (goesOn ? CLAIM_SECONDS : null)),
      turns.map(({ tried }) => tried.at),
      turns.map(({ tried }) => tried.answer.httpStatus),
      turns.map(({ tried }) => tried.answer.error),
      turns.map(({ tried }) => tried.durationMs),
      turns.map(({ tried }) => tried.verdict.status),
    ])
    const byKey = new Map(rows.map(({ key, until }) => [key, until]))
    return turns.map((_, index) => byKey.get(index))
  }

  async function note(turn: Turn): Promise<Date | null> {
    const until = await noteFree(turn)
    if (until !== undefined) return until
    const [alone] = await noteTries(FINISH_ONE, [turn])
    return alone ?? null
  }

  return {
    first,

    async claim(busy) {
      const takenAt = performance.now()
      const rows = await query<Omit<Claim, 'takenAt'>>(CLAIM, [
        AT_ONCE,
        CLAIM_SECONDS,
        [...busy.keys()],
        [...busy.values()],
      ])
      return rows.map((row) => ({ ...row, takenAt }))
    },

    async finish(claim, tried, goesOn) {
      const takenAt = performance.now()
      const { verdict, waiting } = tried
      if (verdict.status === 'PENDING' && verdict.switchOff) await query(SWITCH_OFF, [claim.endpointId, waiting.url])
      const until = await note({ claim, tried, goesOn })
      return until && { ...claim, until, takenAt }
    },

    async release({ endpointId, streamId, until }) {
      await query('SELECT leave_webhook_stream($1, $2, $3, NULL, NULL, NULL)', [endpointId, streamId, until])
    },
  }
}
