import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { purgeWebhooks } from '../../src/features/webhooks/purge.ts'
import { type Scene, startScene } from '../features/support.ts'

const NOW = Date.parse('2026-11-20T10:00:00Z')
const DAY = 86_400_000

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.close())
beforeEach(async () => {
  await scene.sql('DELETE FROM webhook_endpoints')
  await scene.sql(`INSERT INTO webhook_endpoints (id, url, event_types, secret, disabled_at)
                   SELECT md5('e' || n)::uuid, 'https://receiver.example/', '{message.added}', '', now()
                     FROM generate_series(1, 2) AS n`)
})

const purge = () =>
  purgeWebhooks({ query: (sql, values) => scene.sql(sql, values) as Promise<never[]> }, { now: () => NOW })

async function insert(name: string, status: string, ageDays: number, endpoint = 1) {
  await scene.sql(
    `WITH made AS (
       INSERT INTO webhook_deliveries (endpoint_id, stream_id, event_type, reference, status, created_at)
            VALUES (md5('e' || $4::int)::uuid, md5('s')::uuid, $1, '{}', $2::delivery_status, $3) RETURNING position)
     INSERT INTO webhook_tries (position, number, tried_at, duration_ms) SELECT position, 1, now(), 1 FROM made`,
    [name, status, new Date(NOW - ageDays * DAY), endpoint],
  )
}

const left = async () =>
  (await scene.sql('SELECT event_type AS name FROM webhook_deliveries ORDER BY position')).map(({ name }) => name)

test('what was delivered goes after 30 days, with its tries; what is dead or waits stays', async () => {
  await insert('old', 'DELIVERED', 31)
  await insert('old too', 'DELIVERED', 30.01, 2)
  await insert('dead', 'DEAD', 100)
  await insert('waiting', 'PENDING', 100)
  await insert('young', 'DELIVERED', 29.9)
  await purge()
  expect(await left()).toEqual(['dead', 'waiting', 'young'])
  expect(await scene.sql('SELECT FROM webhook_tries')).toHaveLength(3)
})

test('more than goes at once goes all the same', async () => {
  await scene.sql(
    `INSERT INTO webhook_deliveries (endpoint_id, stream_id, event_type, reference, status, created_at)
          SELECT md5('e1')::uuid, md5('s')::uuid, 'old', '{}', 'DELIVERED', $1 FROM generate_series(1, 2500)`,
    [new Date(NOW - 31 * DAY)],
  )
  await insert('young', 'DELIVERED', 1)
  await purge()
  expect(await left()).toEqual(['young'])
})

test('a deleted endpoint goes with all that hangs on it', async () => {
  await insert('dead', 'DEAD', 1)
  await insert('waiting', 'PENDING', 1)
  await insert('another’s', 'PENDING', 1, 2)
  await scene.sql(`INSERT INTO webhook_streams (endpoint_id, stream_id) VALUES (md5('e1')::uuid, md5('s')::uuid)`)
  await scene.sql(`UPDATE webhook_endpoints SET deleted_at = now() WHERE id = md5('e1')::uuid`)
  await purge()
  expect(await left()).toEqual(['another’s'])
  expect(await scene.sql('SELECT FROM webhook_endpoints')).toHaveLength(1)
  expect(await scene.sql('SELECT FROM webhook_streams')).toEqual([])
})
