import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { CLAIM, FIRST } from '../../src/features/webhooks/outbox-statements.ts'
import { purgeWebhooks } from '../../src/features/webhooks/purge.ts'
import { type Row, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../features/support.ts'
import { RetryWebhookDeliveryDocument, WebhookDeliveriesDocument } from '../generated/graphql.ts'
import { listen } from './support.ts'

// How PostgreSQL goes about the outbox when much was delivered: by indexes alone. What a statement really read is counted
// by PostgreSQL, what the functions in it read too.

/** A million, as CI has it: PLANS_MESSAGES=1000000. */
const DELIVERED = Number(process.env.PLANS_MESSAGES ?? 200_000)
const STREAMS = DELIVERED / 10
const BIG = ['webhook_deliveries', 'webhook_streams', 'webhook_tries']

let scene: Scene
let endpointId: string
let conversationId: string
let statements: { sql: string; values: unknown[] }[] = []

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql, values) => statements.push({ sql, values }) } })
  const [ada] = await usersOf(scene, 'ada', 'bo')
  conversationId = await startDirect(ada, 'bo')
  // Nothing answers there; and it is switched on only where it must be, so that the worker keeps out of this.
  ;({ endpointId } = await listen(scene, 'https://192.0.2.1.example/', ['message.added']))
  await scene.sql('UPDATE webhook_endpoints SET disabled_at = now()')
  await fill(uuidOf(endpointId))
}, 900_000)
afterAll(() => scene.close())
beforeEach(() => {
  statements = []
})

/** What was delivered, an event in each stream that waits in some of them, and a few that are dead. */
async function fill(endpoint: string) {
  const { sql } = scene
  await sql(
    `INSERT INTO webhook_streams (endpoint_id, stream_id, due_at)
          SELECT $1, md5('s' || n)::uuid, CASE WHEN n % 10 = 0 THEN now() - n * interval '1 ms' END
            FROM generate_series(1, $2::int) AS n`,
    [endpoint, STREAMS],
  )
  await sql(
    `INSERT INTO webhook_deliveries (endpoint_id, stream_id, event_type, reference, status, created_at, finished_at)
          SELECT $1, md5('s' || 1 + n % $3)::uuid, 'message.added', '{}', 'DELIVERED', now() - ($2 - n) * interval '1 s', now()
            FROM generate_series(1, $2::int) AS n`,
    [endpoint, DELIVERED, STREAMS],
  )
  await sql(
    `INSERT INTO webhook_tries (position, number, tried_at, http_status, duration_ms)
          SELECT position, 1, now(), 204, 5 FROM webhook_deliveries`,
  )
  for (const status of ['PENDING', 'DEAD']) {
    await sql(
      `INSERT INTO webhook_deliveries (endpoint_id, stream_id, event_type, reference, status)
            SELECT $1, md5('s' || n)::uuid, 'message.added', '{}', $3::delivery_status
              FROM generate_series(10, $2::int, 10) AS n`,
      [endpoint, STREAMS, status],
    )
  }
  await sql('ANALYZE')
}

/** Which big tables a statement reads as a whole when it runs; it is undone again. */
async function wholeReads(sql: string, values: unknown[]): Promise<unknown[]> {
  // What this connection did before is still counted until it is handed over.
  await scene.sql('SELECT pg_stat_force_next_flush()')
  await scene.sql('BEGIN')
  try {
    await scene.sql('UPDATE webhook_endpoints SET disabled_at = NULL')
    await scene.sql(sql, values)
    const rows: Row[] = await scene.sql('SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0')
    return rows.map(({ relname }) => relname).filter((name) => BIG.includes(name as string))
  } finally {
    await scene.sql('ROLLBACK')
  }
}

async function expectIndexesOnly() {
  const sent = statements.filter(({ sql }) => sql.includes('webhook_'))
  expect(sent.length).toBeGreaterThan(0)
  for (const { sql, values } of sent) expect(await wholeReads(sql, values), sql).toEqual([])
}

test('it would show', async () => {
  expect(await wholeReads('SELECT FROM webhook_deliveries WHERE event_type = $1', ['x'])).toEqual([
    'webhook_deliveries',
  ])
})

test('claiming what is due, and reading what comes first', async () => {
  expect(await wholeReads(CLAIM, [32, 60, [], []])).toEqual([])
  const streams = await scene.sql('SELECT stream_id AS id FROM webhook_streams WHERE due_at IS NOT NULL LIMIT 32')
  const values = [streams.map(() => uuidOf(endpointId)), streams.map(({ id }) => id)]
  expect(await wholeReads(FIRST, values)).toEqual([])
  // Of all that waits for an endpoint, it looks at what is first in each stream alone.
  const plan = await scene.sql(`EXPLAIN ${FIRST}`, values)
  expect(plan.map((line) => line['QUERY PLAN']).join('\n')).toContain('webhook_deliveries_waiting')
})

test('noting a try', async () => {
  const [head] = await scene.sql(`SELECT position, stream_id FROM webhook_deliveries WHERE status = 'PENDING' LIMIT 1`)
  const statement = `
    WITH claimed AS (UPDATE webhook_streams SET claimed_until = now() WHERE endpoint_id = $1 AND stream_id = $2 RETURNING 1)
    SELECT finish_webhook_try($1, $2, (SELECT now() FROM claimed), $3, NULL, 60, now(), 204, NULL, 5, 'DELIVERED')`
  expect(await wholeReads(statement, [uuidOf(endpointId), head!.stream_id, head!.position])).toEqual([])
})

test('a send', async () => {
  const statement = `SELECT send_message($1, NULL, 'TEXT', 'x', '{}', NULL, NULL, NULL, NULL, false, false, false)`
  expect(await wholeReads(statement, [uuidOf(conversationId)])).toEqual([])
  await send(scene.as('ada'), conversationId, 'hello')
})

test('listing deliveries, of all statuses and of one', async () => {
  const list = async (variables: object) =>
    (await scene.asService().run(WebhookDeliveriesDocument, { endpointId, ...variables })).webhookDeliveries!
  const { pageInfo } = await list({ first: 20 })
  await list({ first: 20, after: pageInfo.endCursor })
  for (const status of ['PENDING', 'DELIVERED', 'DEAD']) await list({ first: 20, status })
  await expectIndexesOnly()
})

test('sending a dead one again', async () => {
  const { webhookDeliveries } = await scene
    .asService()
    .run(WebhookDeliveriesDocument, { endpointId, status: 'DEAD', first: 1 })
  const input = { deliveryId: webhookDeliveries!.edges[0]!.node.id }
  await scene.asService().run(RetryWebhookDeliveryDocument, { input })
  await expectIndexesOnly()
})

test('clearing away what is old, though nothing is', async () => {
  const query = async (sql: string, values?: unknown[]) => {
    statements.push({ sql, values: values ?? [] })
    return scene.sql(sql, values) as Promise<never[]>
  }
  await purgeWebhooks({ query }, { now: () => Date.now() - 30 * 86_400_000 })
  await expectIndexesOnly()
})
