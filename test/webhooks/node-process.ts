// A node of its own that delivers webhooks, as the tests kill it: sound, or broken in one way, which they must notice.

import pg from 'pg'
import { createApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { Claim, Outbox, Waiting } from '../../src/features/webhooks/outbox.ts'
import { FIRST } from '../../src/features/webhooks/outbox-statements.ts'
import { createLogger } from '../../src/lib/log.ts'
import { SECRET } from '../support/app.ts'
import type { Make } from './nodes.ts'
import { ALLOW_PRIVATE } from './support.ts'

/** For receivers that hang. */
const TIMEOUT_MS = 5_000

const [databaseUrl, make] = process.argv.slice(2) as [string, Make]

/** Notes a delivery as made before it is, so that what fails then is not made up for. */
function notesTooEarly(outbox: Outbox): Outbox {
  const next = new Map<string, Claim | null>()
  return {
    ...outbox,
    async first(claim) {
      const waiting = await outbox.first(claim)
      if (waiting) next.set(waiting.position, await outbox.finish(claim, madeUp(waiting), true))
      return waiting
    },
    finish: async (_claim, { waiting }) => next.get(waiting.position) ?? null,
  }
}

function madeUp(waiting: Waiting) {
  const answer = { httpStatus: 200, error: null, retryAfter: null }
  return { waiting, at: new Date(), durationMs: 0, answer, verdict: { status: 'DELIVERED' } as const }
}

/** Takes what is newest in a stream instead of what is oldest. */
function takesNewest(outbox: Outbox): Outbox {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4 })
  const newest = FIRST.replace('ORDER BY w.position', 'ORDER BY w.position DESC')
  return {
    ...outbox,
    async first({ endpointId, streamId }) {
      const { rows } = await pool.query(newest, [[endpointId], [streamId]])
      return rows[0] ?? null
    },
  }
}

const wrapOutbox = { sound: (outbox: Outbox) => outbox, notesTooEarly, takesNewest }[make]
const env = { NODE_ENV: 'test', PORT: '0', DATABASE_URL: databaseUrl, JWT_SECRET: SECRET, ...ALLOW_PRIVATE }
const webhooks = { wrapOutbox, timeoutMs: TIMEOUT_MS }
const { url } = await createApp(parseConfig(env), { log: createLogger('silent'), webhooks }).listen()
process.stdout.write(`${url}\n`)
