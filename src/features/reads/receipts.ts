import type { Query } from '../../db/client.ts'
import { groupBy } from '../../lib/group.ts'

/** How far a participant has read, and since when. */
export interface Receipt {
  userId: string
  lastReadSeq: number
  readAt: Date
}

/** Participants of one conversation whose receipts are told, those who read last. */
export const MAX_RECEIPTS = 100

/** The present receipts of several conversations, in the order of the ids. Checks no access. */
export async function readReceipts(query: Query, conversationIds: readonly string[]): Promise<Receipt[][]> {
  const rows = await query<{ conversationId: string } & Receipt>(
    `SELECT wanted.id AS "conversationId", receipt.*
       FROM unnest($1::uuid[]) AS wanted (id)
      CROSS JOIN LATERAL (
        SELECT p.user_id AS "userId", p.last_read_seq AS "lastReadSeq", p.last_read_at AS "readAt" FROM participants p
         WHERE p.conversation_id = wanted.id AND p.left_at IS NULL AND p.last_read_at IS NOT NULL
         ORDER BY p.last_read_at DESC LIMIT ${MAX_RECEIPTS}) AS receipt`,
    [conversationIds],
  )
  const byConversation = groupBy(rows, (row) => row.conversationId)
  return conversationIds.map((id) => byConversation.get(id) ?? [])
}
