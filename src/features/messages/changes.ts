import type { Db } from '../../db/client.ts'
import { MESSAGE_COLUMNS, type MessageRow } from './message.ts'

/** What changed in a conversation beyond a version, in order, up to and including `version`; `more` may follow it. */
export interface Changes {
  version: number
  messages: MessageRow[]
  /** Who came, left or was removed since, at which version; ALL where the conversation was deleted. */
  ended: { userId: string; version: number }[] | 'ALL'
  more: boolean
}

const PAGE = 500

/**
 * What was added or changed after a version, as it is now; at most 500 messages, so `version` may fall short of the
 * conversation's own. Checks no access: for the feed, whose subscribers do.
 */
export async function readChanges(db: Db, conversationId: string, afterVersion: number): Promise<Changes> {
  const rows = await db.query<{ head: number; deleted: boolean } & MessageRow>(
    `SELECT c.version AS head, c.deleted_at IS NOT NULL AS deleted, ${MESSAGE_COLUMNS}
       FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id AND m.version > $2
      WHERE c.id = $1
      ORDER BY m.version LIMIT ${PAGE}`,
    [conversationId, afterVersion],
  )
  const messages = rows.filter((row) => row.seq !== null)
  // A full page may have been cut: what it covers ends with its last row. A version that no row carries was superseded.
  const more = messages.length === PAGE
  const version = more ? messages.at(-1)!.version : (rows[0]?.head ?? afterVersion)
  // Read later than the messages, so that nobody gets those after the end of a stay.
  const ended = await db.query<{ userId: string; version: number }>(
    `SELECT user_id AS "userId", CASE WHEN left_at IS NULL THEN joined_version ELSE version END AS version
       FROM participants
      WHERE conversation_id = $1 AND version > $2 AND (left_at IS NOT NULL OR joined_version > $2)`,
    [conversationId, afterVersion],
  )
  return { version, messages, ended: rows[0]?.deleted ? 'ALL' : ended, more }
}
