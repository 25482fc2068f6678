import type { Query } from '../../db/client.ts'
import { groupBy } from '../../lib/group.ts'
import { CONVERSATION_OF_PLACE } from './access.ts'
import { type Position, RESUME_MAX } from './changes.ts'

// Where users are in, and what a pg_snapshot could not see yet of it: by transactions and not by time, as commits are
// not in the order of their timestamps. Nothing here checks access: it reads for users what is theirs.

/** A user's place in a conversation, and how far that is. */
export interface PlaceRow extends Position {
  id: string
  /** The version that last changed the place. */
  since: number
  joinedVersion: number
  /** Messages from this seq on are to be seen. */
  from: number
}

const PLACE_COLUMNS = `c.id, c.version, c.last_seq AS seq, p.version AS since, p.joined_version AS "joinedVersion",
  p.visible_from_seq AS from`

/** The places of several users, in the order of their ids. */
export async function readPlaces(query: Query, userIds: readonly string[]): Promise<PlaceRow[][]> {
  const rows = await query<{ userId: string } & PlaceRow>(
    `SELECT p.user_id AS "userId", ${PLACE_COLUMNS}
       FROM unnest($1::uuid[]) AS wanted (user_id)
       JOIN participants p ON p.user_id = wanted.user_id AND p.left_at IS NULL
      CROSS JOIN ${CONVERSATION_OF_PLACE} WHERE c.deleted_at IS NULL`,
    [userIds],
  )
  const byUser = groupBy(rows, ({ userId }) => userId)
  return userIds.map((userId) => byUser.get(userId) ?? [])
}

/** A user's place in one conversation, and the newest message when it came in; null where it is not in it. */
export async function readPlace(
  query: Query,
  userId: string,
  conversationId: string,
): Promise<(PlaceRow & { joinedSeq: number }) | null> {
  const [place] = await query<PlaceRow & { joinedSeq: number }>(
    `SELECT ${PLACE_COLUMNS}, coalesce((
              SELECT m.seq FROM messages m WHERE m.conversation_id = c.id AND m.created_at < p.joined_at
               ORDER BY m.seq DESC LIMIT 1), 0) AS "joinedSeq"
       FROM participants p JOIN conversations c ON c.id = p.conversation_id AND c.deleted_at IS NULL
      WHERE p.user_id = $1 AND p.left_at IS NULL AND p.conversation_id = $2`,
    [userId, conversationId],
  )
  return place ?? null
}

/** Something that changed in a user's list of conversations. */
export interface ListChange {
  userId: string
  conversationId: string
  change: 'ACTIVITY' | 'STATE' | 'JOINED' | 'LEFT'
}

/**
 * Where these users came in since a snapshot (null: only the snapshot), and the snapshot to ask from the next time; with
 * `statesSince`, where their own state changed since that one too, which takes a look at all of their places.
 */
export async function readNewPlaces(
  query: Query,
  userIds: readonly string[],
  since: string | null,
  statesSince?: string | null,
): Promise<{ changes: ListChange[]; snapshot: string }> {
  const rows = await query<{ snapshot: string } & (ListChange | { userId: null })>(
    `SELECT pg_current_snapshot()::text AS snapshot, place.*
       FROM (VALUES (1)) AS one
       LEFT JOIN LATERAL (${statesSince ? `${JOINED} UNION ALL ${STATES}` : JOINED}) AS place ON true`,
    statesSince ? [userIds, since, statesSince] : [userIds, since],
  )
  return { changes: rows.filter((row) => row.userId !== null), snapshot: rows[0]!.snapshot }
}

/** Of a transaction, that a statement's parameter, a pg_snapshot, could not see it yet; null for an imported row. */
const unseen = (xid: string, since = '$2') =>
  `${xid} >= pg_snapshot_xmin(${since}::pg_snapshot) AND NOT pg_visible_in_snapshot(${xid}, ${since}::pg_snapshot)`

const JOINED = `
  SELECT p.user_id AS "userId", p.conversation_id AS "conversationId", 'JOINED' AS change FROM participants p
   WHERE p.user_id = ANY($1::uuid[]) AND p.left_at IS NULL AND ${unseen('p.xid')}`

const STATES = `
  SELECT p.user_id, p.conversation_id, 'STATE' FROM participants p
   WHERE p.user_id = ANY($1::uuid[]) AND p.left_at IS NULL AND ${unseen('p.state_xid', '$3')}
     AND (${unseen('p.xid', '$3')}) IS NOT TRUE`

/** What PostgreSQL sees now, as a pg_snapshot. */
export async function readSnapshot(query: Query): Promise<string> {
  const [row] = await query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot')
  return row!.snapshot
}

/** A user, and the snapshot that it had seen. */
export interface SinceKey {
  userId: string
  since: string
}

/** What changed in users' lists since a snapshot each, the most telling of each conversation; in the order of the keys. */
export async function readListChanges(query: Query, keys: readonly SinceKey[]): Promise<ListChange[][]> {
  const unseenBy = (xid: string) => unseen(xid, 'wanted.since')
  const rows = await query<{ key: number } & ListChange>(
    `SELECT * FROM (
       SELECT wanted.n::int - 1 AS key, p.user_id AS "userId", p.conversation_id AS "conversationId",
              CASE WHEN p.left_at IS NOT NULL THEN CASE WHEN ${unseenBy('p.xid')} THEN 'LEFT' END
                   WHEN c.deleted_at IS NOT NULL THEN CASE WHEN ${unseenBy('c.xid')} THEN 'LEFT' END
                   WHEN ${unseenBy('p.xid')} THEN 'JOINED'
                   WHEN ${unseenBy('c.xid')} THEN 'ACTIVITY'
                   WHEN ${unseenBy('p.state_xid')} THEN 'STATE' END AS change
         FROM unnest($1::uuid[], $2::pg_snapshot[]) WITH ORDINALITY AS wanted (user_id, since, n)
         JOIN participants p ON p.user_id = wanted.user_id
        CROSS JOIN ${CONVERSATION_OF_PLACE}) AS list
      WHERE change IS NOT NULL`,
    [keys.map(({ userId }) => userId), keys.map(({ since }) => since)],
  )
  const byKey = groupBy(rows, ({ key }) => key)
  return keys.map((_, index) => byKey.get(index) ?? [])
}

/** A conversation in which a user missed messages: the newest that it knows of, and how many are newer. */
export interface Missed {
  id: string
  seq: number
  count: number
}

/**
 * Where users missed messages since a snapshot each, in the order of the keys: what holds a conversation's row commits
 * before the next to hold it, so a snapshot saw all messages before the newest that it saw, and none after it.
 */
export async function readUnseenMessages(query: Query, keys: readonly SinceKey[]): Promise<Missed[][]> {
  const unseenBy = (xid: string) => unseen(xid, 'wanted.since')
  const rows = await query<{ key: number } & Missed>(
    `SELECT wanted.n::int - 1 AS key, c.id, seen.seq, c.last_seq - seen.seq AS count
       FROM unnest($1::uuid[], $2::pg_snapshot[]) WITH ORDINALITY AS wanted (user_id, since, n)
       JOIN participants p ON p.user_id = wanted.user_id AND p.left_at IS NULL
      CROSS JOIN ${CONVERSATION_OF_PLACE}
      CROSS JOIN LATERAL (
        SELECT coalesce((SELECT m.seq FROM messages m
                          WHERE m.conversation_id = c.id AND m.seq >= c.last_seq - ${RESUME_MAX}
                            AND (${unseenBy('m.xid')}) IS NOT TRUE
                          ORDER BY m.seq DESC LIMIT 1), 0) AS seq) AS seen
      WHERE c.deleted_at IS NULL AND ${unseenBy('c.xid')} AND c.last_seq > seen.seq`,
    [keys.map(({ userId }) => userId), keys.map(({ since }) => since)],
  )
  const byKey = groupBy(rows, ({ key }) => key)
  return keys.map((_, index) => byKey.get(index) ?? [])
}
