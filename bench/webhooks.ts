// What webhooks cost and how fast they are: npx tsx bench/webhooks.ts [seconds]
//
// A PostgreSQL and a node are started for it, a receiver answers in this process. Messages go straight to the database
// function that sends them, so that it is the outbox that is measured and not the way in.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { migrate } from '../src/db/migrate.ts'
import { startTemporaryPostgres } from '../test/support/postgres.ts'

const RATE = 1_000
const SECONDS = Number(process.argv[2] ?? 20)
const WARM_UP_SECONDS = 5
const CONVERSATIONS = 500
const SENDS_TIMED = 2_000
const ROUNDS = 10
const SENDERS = 8

const postgres = await startTemporaryPostgres()
await migrate(postgres.url)
const pool = new pg.Pool({ connectionString: postgres.url, max: SENDERS })
/** Milliseconds from the message to its arrival. */
const lags: number[] = []
const receiver = http.createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  lags.push(Date.now() - Date.parse(JSON.parse(text).timestamp))
  response.writeHead(204).end()
})
receiver.listen(0, '127.0.0.1')
await once(receiver, 'listening')

await pool.query(
  `INSERT INTO conversations (id, kind, version, details_version)
        SELECT md5('c' || n)::uuid, 'GENERAL', 1, 1 FROM generate_series(0, $1::int - 1) AS n`,
  [CONVERSATIONS],
)
const table = [...(await costOfSends()), ...(await throughput())]
const width = Math.max(...table.map(([what]) => what.length))
for (const [what, figure] of table) process.stdout.write(`${what.padEnd(width)}  ${figure.padStart(9)}\n`)
await pool.end()
receiver.close()
receiver.closeAllConnections()
await postgres.stop()

function sendTo(conversation: string): string {
  return `send_message(md5('c' || ${conversation})::uuid, NULL, 'TEXT', 'A message of some words', '{}', NULL, NULL, NULL, NULL, false, false, false)`
}

async function listen() {
  const { port } = receiver.address() as AddressInfo
  await pool.query(
    `INSERT INTO webhook_endpoints (id, url, event_types, secret)
          VALUES (gen_random_uuid(), $1, '{message.added}', 'whsec_c2VjcmV0')`,
    [`http://127.0.0.1:${port}/`],
  )
}

/** Each send a transaction of its own; without waiting for the disk, so that the work alone counts. */
async function timeSends(): Promise<number> {
  const began = performance.now()
  await pool.query(`DO $$ BEGIN
    SET synchronous_commit = off;
    FOR i IN 1..${SENDS_TIMED} LOOP PERFORM ${sendTo(`(i % ${CONVERSATIONS})`)}; COMMIT; END LOOP;
    RESET synchronous_commit;
  END $$`)
  return ((performance.now() - began) * 1_000) / SENDS_TIMED
}

/** The best of some rounds, in which each takes its turn, so that neither the growing tables nor others favour one. */
async function costOfSends(): Promise<[string, string][]> {
  await listen()
  const ways = {
    'a send in the database, without triggers': ['ALTER TABLE messages DISABLE TRIGGER USER'],
    'a send, no endpoint': [
      'ALTER TABLE messages ENABLE TRIGGER USER',
      'UPDATE webhook_endpoints SET disabled_at = now()',
    ],
    'a send, one endpoint': ['UPDATE webhook_endpoints SET disabled_at = NULL'],
  }
  const best = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    for (const [what, preparation] of Object.entries(ways)) {
      for (const statement of [...preparation, 'VACUUM conversations, webhook_streams']) await pool.query(statement)
      best.set(what, Math.min(best.get(what) ?? Number.POSITIVE_INFINITY, await timeSends()))
    }
  }
  await pool.query('TRUNCATE webhook_deliveries, webhook_tries, webhook_streams')
  return [...best].map(([what, micros]) => [what, `${Math.round(micros)} µs`])
}

/** Sends at the rate, whatever becomes of it, and waits until all has arrived. */
async function load(seconds: number): Promise<{ total: number; sentIn: number; deliveredIn: number }> {
  const total = RATE * seconds
  const began = performance.now()
  let next = 0
  async function sender() {
    while (next < total) {
      const number = next++
      const wait = began + (number * 1_000) / RATE - performance.now()
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      await pool.query({ name: 'send', text: `SELECT ${sendTo('$1::int')}`, values: [number % CONVERSATIONS] })
    }
  }
  await Promise.all(Array.from({ length: SENDERS }, sender))
  const sentIn = performance.now() - began
  while (lags.length < total) await new Promise((resolve) => setTimeout(resolve, 10))
  return { total, sentIn, deliveredIn: performance.now() - began }
}

async function throughput(): Promise<[string, string][]> {
  const env = {
    NODE_ENV: 'production',
    PORT: '0',
    LOG_LEVEL: 'warn',
    JWT_SECRET: 'a secret for the bench, long enough',
  }
  const args = ['--import', 'tsx', new URL('../src/main.ts', import.meta.url).pathname]
  const node = spawn(process.execPath, args, {
    env: { ...process.env, ...env, DATABASE_URL: postgres.url, WEBHOOK_ALLOW_PRIVATE: 'on' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.once('exit', () => node.kill('SIGKILL'))
  await once(createInterface(node.stdout), 'line')

  // Until the node's code is warm.
  await load(WARM_UP_SECONDS)
  lags.length = 0
  const { total, sentIn, deliveredIn } = await load(SECONDS)
  node.kill('SIGTERM')
  await once(node, 'exit')

  const sorted = [...lags].sort((a, b) => a - b)
  const at = (share: number) => `${sorted[Math.ceil(sorted.length * share) - 1]} ms`
  return [
    [`messages sent in ${SECONDS} s`, String(total)],
    ['sent a second', String(Math.round((total * 1_000) / sentIn))],
    ['delivered a second', String(Math.round((total * 1_000) / deliveredIn))],
    ['lag, half of them', at(0.5)],
    ['lag, 95 of 100', at(0.95)],
    ['lag, 99 of 100', at(0.99)],
    ['lag, the worst', at(1)],
  ]
}
