import type { Db } from '../../db/client.ts'
import type { Clock } from '../../lib/clock.ts'

/** Deliveries that were made, and their tries, are kept for so long; those that are dead stay. */
const KEEP_MS = 30 * 24 * 60 * 60 * 1_000
const BATCH = 1_000

/** Clears away what is old, and what hangs on deleted endpoints, a little at a time so that it holds up nobody. */
export async function purgeWebhooks({ query }: Pick<Db, 'query'>, clock: Clock): Promise<void> {
  const before = new Date(clock.now() - KEEP_MS)
  while ((await query(PURGE_OLD, [before, BATCH])).length > 0) {}
  while ((await query(PURGE_DELETED, [BATCH])).length > 0) {}
  while ((await query(PURGE_DELETED_STREAMS, [BATCH])).length > 0) {}
  // An event that was under way when the endpoint was deleted may still have come.
  await query(`DELETE FROM webhook_endpoints e WHERE e.deleted_at IS NOT NULL
                  AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.endpoint_id = e.id)`)
}

/** Looks at the oldest of each endpoint alone: positions are in the order of time, but for a moment. */
const PURGE_OLD = `
  DELETE FROM webhook_deliveries WHERE position = ANY (ARRAY(
    SELECT oldest.position FROM webhook_endpoints e
     CROSS JOIN LATERAL (
       SELECT d.position, d.created_at FROM webhook_deliveries d
        WHERE d.endpoint_id = e.id AND d.status = 'DELIVERED' ORDER BY d.position LIMIT $2) AS oldest
     WHERE oldest.created_at < $1)) RETURNING position`

const PURGE_DELETED = `
  DELETE FROM webhook_deliveries WHERE position = ANY (ARRAY(
    SELECT any_of.position FROM webhook_endpoints e
     CROSS JOIN LATERAL (
       SELECT d.position FROM webhook_deliveries d
        WHERE d.endpoint_id = e.id ORDER BY d.status, d.position LIMIT $1) AS any_of
     WHERE e.deleted_at IS NOT NULL)) RETURNING position`

const PURGE_DELETED_STREAMS = `
  DELETE FROM webhook_streams WHERE ctid = ANY (ARRAY(
    SELECT any_of.ctid FROM webhook_endpoints e
     CROSS JOIN LATERAL (SELECT s.ctid FROM webhook_streams s WHERE s.endpoint_id = e.id LIMIT $1) AS any_of
     WHERE e.deleted_at IS NOT NULL)) RETURNING endpoint_id`
