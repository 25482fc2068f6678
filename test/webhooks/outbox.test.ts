import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { type Db, openDb } from '../../src/db/client.ts'
import { type Claim, createOutbox, type Outbox, type Tried, type Waiting } from '../../src/features/webhooks/outbox.ts'
import type { Verdict } from '../../src/features/webhooks/retries.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

// What nodes that know nothing of each other may rely on: claims, turns, sleep. No worker runs here.

let database: TestDatabase
let db: Db
let outbox: Outbox
const NOBODY = new Map<string, number>()
const [E1, E2] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'] as const

beforeAll(async () => {
  database = await createTestDatabase()
  db = await openDb({ url: database.url, poolSize: 4, log: createLogger('silent'), unhurried: true })
  await db.query(`INSERT INTO conversations (id, kind, version, details_version)
                  SELECT md5('c' || n)::uuid, 'GENERAL', 1, 1 FROM generate_series(1, 40) AS n`)
})
afterAll(async () => {
  await db.close()
  await database.drop()
})
beforeEach(async () => {
  outbox = createOutbox(db)
  await db.query('DELETE FROM webhook_endpoints')
  await db.query(
    `INSERT INTO webhook_endpoints (id, url, event_types, secret)
                  VALUES ($1, 'https://one.example/', '{message.added}', '')`,
    [E1],
  )
})

const SEND = `SELECT send_message(md5('c' || $1::int)::uuid, NULL, 'TEXT', 'text', '{}', NULL, NULL, NULL, NULL, false, false, false)`
const send = (conversation: number) => db.query(SEND, [conversation])
const streams = () =>
  db.query<{ due: boolean; claimed: boolean }>(
    'SELECT due_at IS NOT NULL AS due, claimed_until IS NOT NULL AS claimed FROM webhook_streams',
  )

const tried = (waiting: Waiting, verdict: Verdict): Tried => ({
  waiting,
  at: new Date(),
  durationMs: 1,
  answer: { httpStatus: 200, error: null, retryAfter: null },
  verdict,
})
const DELIVERED: Verdict = { status: 'DELIVERED' }

/** The one stream's claim, and what comes first in it. */
async function take(): Promise<{ claim: Claim; waiting: Waiting }> {
  const [claim, ...more] = await outbox.claim(NOBODY)
  expect(more).toEqual([])
  return { claim: claim!, waiting: (await outbox.first(claim!))! }
}

test('what is claimed nobody else claims, until the claim has run out', async () => {
  await send(1)
  const first = await take()
  expect(await outbox.claim(NOBODY)).toEqual([])
  await db.query(`UPDATE webhook_streams SET claimed_until = now() - interval '1 ms'`)
  const second = await take()
  expect(second.waiting.id).toBe(first.waiting.id)
  // Who lost it may say what it did, but has no more to say about the stream.
  await send(1)
  expect(await outbox.finish(first.claim, tried(first.waiting, { status: 'DEAD' }), true)).toBeNull()
  await outbox.release(first.claim)
  expect(await db.query('SELECT status FROM webhook_deliveries ORDER BY position LIMIT 1')).toEqual([
    { status: 'PENDING' },
  ])
  expect(await streams()).toEqual([{ due: true, claimed: true }])
  expect(await outbox.finish(second.claim, tried(second.waiting, DELIVERED), true)).not.toBeNull()
  expect(await db.query('SELECT number FROM webhook_tries')).toHaveLength(2)
})

test('each endpoint has as many streams in work as it may, whatever becomes of others; one that is off has none', async () => {
  await db.query(
    `INSERT INTO webhook_endpoints (id, url, event_types, secret) VALUES ($1, 'https://two.example/', '{message.added}', '')`,
    [E2],
  )
  for (let conversation = 1; conversation <= 40; conversation++) await send(conversation)
  const counts = (claims: Claim[]) => [E1, E2].map((id) => claims.filter(({ endpointId }) => endpointId === id).length)
  expect(counts(await outbox.claim(new Map([[E1, 30]])))).toEqual([2, 32])
  expect(
    counts(
      await outbox.claim(
        new Map([
          [E1, 32],
          [E2, 32],
        ]),
      ),
    ),
  ).toEqual([0, 0])
  await db.query('UPDATE webhook_endpoints SET disabled_at = now() WHERE id = $1', [E1])
  expect(counts(await outbox.claim(NOBODY))).toEqual([0, 8])
})

test('a claim goes on while more waits and it is asked to; then the stream sleeps until something comes', async () => {
  for (let number = 0; number < 3; number++) await send(1)
  const { claim, waiting } = await take()
  const second = (await outbox.finish(claim, tried(waiting, DELIVERED), true))!
  const next = (await outbox.first(second))!
  expect(BigInt(next.position)).toBeGreaterThan(BigInt(waiting.position))
  // Its turn is over: others may go on with it.
  expect(await outbox.finish(second, tried(next, DELIVERED), false)).toBeNull()
  expect(await streams()).toEqual([{ due: true, claimed: false }])
  const third = await take()
  expect(await outbox.finish(third.claim, tried(third.waiting, DELIVERED), true)).toBeNull()
  expect(await streams()).toEqual([{ due: false, claimed: false }])
  expect(await outbox.claim(NOBODY)).toEqual([])
  await send(1)
  expect((await take()).waiting.tries).toBe(0)
})

test('what fails waits, and so does all behind it', async () => {
  await send(1)
  const { claim, waiting } = await take()
  const again = { status: 'PENDING', waitMs: 60_000, switchOff: false } as const
  expect(await outbox.finish(claim, tried(waiting, again), true)).toBeNull()
  await send(1)
  expect(await outbox.claim(NOBODY)).toEqual([])
  await db.query('UPDATE webhook_streams SET due_at = now()')
  expect((await take()).waiting).toMatchObject({ id: waiting.id, tries: 1 })
})

test('no stream is put to sleep past an event that is being written', async () => {
  await send(1)
  const { claim, waiting } = await take()
  let finished: Promise<Claim | null> | undefined
  await db.transaction(async (query) => {
    await query(SEND, [1])
    finished = outbox.finish(claim, tried(waiting, DELIVERED), true)
    // It waits for this transaction, which holds the stream's row.
    await vi.waitFor(
      async () => {
        const waits = await db.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        expect(waits).toHaveLength(1)
      },
      { timeout: 15_000, interval: 10 },
    )
  })
  const next = await finished!
  expect(next && (await outbox.first(next))).toMatchObject({ tries: 0 })
})

test('a stream that is due though nothing waits is put to sleep', async () => {
  await send(1)
  await db.query('DELETE FROM webhook_deliveries')
  const [claim] = await outbox.claim(NOBODY)
  expect(await outbox.first(claim!)).toBeNull()
  await outbox.release(claim!)
  expect(await streams()).toEqual([{ due: false, claimed: false }])
})

test('what is released is due at once', async () => {
  await send(1)
  const { claim } = await take()
  await outbox.release(claim)
  expect(await streams()).toEqual([{ due: true, claimed: false }])
  await take()
})
