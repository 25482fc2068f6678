import type { Db } from '../../db/client.ts'

/** A user's coming into a conversation. */
export interface NewPlace {
  userId: string
  conversationId: string
}

/**
 * Where these users came in since a pg_snapshot, and the snapshot to ask from the next time; null: only that. By
 * transactions and not by time, as commits are not in the order of their timestamps. Checks no access.
 */
export async function readNewPlaces(
  db: Db,
  userIds: readonly string[],
  since: string | null,
): Promise<{ places: NewPlace[]; snapshot: string }> {
  const rows = await db.query<{ snapshot: string } & (NewPlace | { userId: null })>(
    `SELECT pg_current_snapshot()::text AS snapshot, p.user_id AS "userId", p.conversation_id AS "conversationId"
       FROM (VALUES (1)) AS one
       LEFT JOIN participants p ON p.user_id = ANY($1::uuid[]) AND p.left_at IS NULL
                 AND p.xid >= pg_snapshot_xmin($2::pg_snapshot) AND NOT pg_visible_in_snapshot(p.xid, $2::pg_snapshot)`,
    [userIds, since],
  )
  return { places: rows.filter((row) => row.userId !== null), snapshot: rows[0]!.snapshot }
}
