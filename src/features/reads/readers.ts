import type { RequestContext } from '../../context.ts'
import { parseReaderCursor } from '../../lib/cursors.ts'
import { groupBy } from '../../lib/group.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import type { MessageRow } from '../messages/message.ts'

/** Somebody has read a message. */
export interface Reader {
  userId: string
  readAt: Date
}

/** Above this many participants, how far all have read is not worth knowing. */
const MAX_PARTICIPANTS = 100

/** Who has read a message and when, first readers first; its sender is left out. The same page for several messages. */
export async function readerPages(
  ctx: RequestContext,
  messages: readonly MessageRow[],
  args: Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<Reader>[]> {
  const request = requirePage(args)
  const after = request.after === undefined ? null : parseReaderCursor(request.after, 'after')
  const rows = await ctx.db.query<Reader & { place: number }>(READERS, [
    messages.map((message) => message.conversationId),
    messages.map((message) => message.seq),
    messages.map((message) => message.senderId),
    after?.readAt ?? '-infinity',
    after?.userId ?? '00000000-0000-0000-0000-000000000000',
    request.limit + 1,
  ])
  const byPlace = groupBy(rows, (row) => row.place)
  return messages.map((_, index) => pageOf<Reader>(byPlace.get(index + 1) ?? [], request))
}

// A participant has read a message with the first advance beyond it, unless it came in beyond it already.
const READERS = `
  SELECT wanted.place::int AS place, page.*
    FROM unnest($1::uuid[], $2::int[], $3::uuid[]) WITH ORDINALITY AS wanted (conversation_id, seq, sender_id, place)
   CROSS JOIN LATERAL (
     SELECT p.user_id AS "userId", first.read_at AS "readAt"
       FROM participants p
      CROSS JOIN LATERAL (
        SELECT a.from_seq, a.read_at FROM read_advances a
         WHERE a.conversation_id = p.conversation_id AND a.user_id = p.user_id AND a.seq >= wanted.seq
         ORDER BY a.seq LIMIT 1) AS first
      WHERE p.conversation_id = wanted.conversation_id AND p.left_at IS NULL AND p.last_read_seq >= wanted.seq
        AND p.visible_from_seq <= wanted.seq AND first.from_seq < wanted.seq
        AND p.user_id IS DISTINCT FROM wanted.sender_id
        AND (first.read_at, p.user_id) > ($4::timestamptz, $5::uuid)
      ORDER BY first.read_at, p.user_id LIMIT $6) AS page
   ORDER BY wanted.place, page."readAt", page."userId"`

/**
 * Up to which seq every human participant has read, of several conversations; 0 in those of more than 100. The same to
 * every viewer.
 */
export async function loadReadUpTo(ctx: RequestContext, conversationIds: readonly string[]): Promise<number[]> {
  const rows = await ctx.db.query<{ id: string; seq: number }>(
    `SELECT p.conversation_id AS id, min(p.last_read_seq) AS seq
       FROM participants p JOIN users u ON u.id = p.user_id JOIN conversations c ON c.id = p.conversation_id
      WHERE p.conversation_id = ANY($1::uuid[]) AND p.left_at IS NULL AND u.type = 'HUMAN'
        AND c.participant_count <= ${MAX_PARTICIPANTS}
      GROUP BY p.conversation_id`,
    [conversationIds],
  )
  const byId = new Map(rows.map((row) => [row.id, row.seq]))
  return conversationIds.map((id) => byId.get(id) ?? 0)
}
