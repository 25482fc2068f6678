import { type RequestContext, viewerId } from '../../context.ts'
import type { ParticipantRole } from '../../db/generated/enums.ts'
import { parseParticipantCursor } from '../../lib/cursors.ts'
import { groupBy } from '../../lib/group.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import type { ConversationView } from './access.ts'

/** A user's place in a conversation. */
export interface ParticipantRow {
  conversationId: string
  userId: string
  role: ParticipantRole
  joinedAt: Date
  lastReadSeq: number
  lastReadAt: Date | null
}

/** Columns of a ParticipantRow, for statements that name the table `p`. */
export const PARTICIPANT_COLUMNS = `p.conversation_id AS "conversationId", p.user_id AS "userId", p.role,
  p.joined_at AS "joinedAt", p.last_read_seq AS "lastReadSeq", p.last_read_at AS "lastReadAt"`

/** The same page of the participants of several conversations, longest-standing first, in one statement. */
export async function participantPages(
  ctx: RequestContext,
  views: readonly ConversationView[],
  args: PageArgs,
): Promise<Page<ParticipantRow>[]> {
  const request = requirePage(args)
  // A cursor belongs to one conversation, so it is refused where the page is asked of others too.
  const keyOf = (cursor: string | undefined, field: string) =>
    cursor === undefined ? null : views.map((view) => parseParticipantCursor(cursor, view.id, field))[0]
  const after = keyOf(request.after, 'after')
  const before = keyOf(request.before, 'before')
  const rows = await ctx.db.query<ParticipantRow>(request.from === 'start' ? PAGE_FROM_START : PAGE_FROM_END, [
    views.map((view) => view.id),
    after?.joinedAt ?? '-infinity',
    after?.userId ?? '00000000-0000-0000-0000-000000000000',
    before?.joinedAt ?? 'infinity',
    before?.userId ?? 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    request.limit + 1,
  ])
  const byConversation = groupBy(rows, (row) => row.conversationId)
  return views.map((view) => pageOf(byConversation.get(view.id) ?? [], request))
}

const page = (direction: 'ASC' | 'DESC') => `
  SELECT page.*
    FROM unnest($1::uuid[]) AS wanted (id)
   CROSS JOIN LATERAL (
     SELECT ${PARTICIPANT_COLUMNS} FROM participants p
      WHERE p.conversation_id = wanted.id AND p.left_at IS NULL
        AND (p.joined_at, p.user_id) > ($2::timestamptz, $3::uuid)
        AND (p.joined_at, p.user_id) < ($4::timestamptz, $5::uuid)
      ORDER BY p.joined_at ${direction}, p.user_id ${direction} LIMIT $6) AS page
   ORDER BY page."conversationId", page."joinedAt" ${direction}, page."userId" ${direction}`

const PAGE_FROM_START = page('ASC')
const PAGE_FROM_END = page('DESC')

/** Participants by (conversation, user), in the order of the keys; null for what is absent or not to be seen. */
export async function loadParticipants(
  ctx: RequestContext,
  keys: readonly { conversationId: string; userId: string }[],
): Promise<(ParticipantRow | null)[]> {
  const rows = await ctx.db.query<ParticipantRow>(
    `SELECT ${PARTICIPANT_COLUMNS}
       FROM unnest($1::uuid[], $2::uuid[]) AS wanted (conversation_id, user_id)
       JOIN participants p USING (conversation_id, user_id)
       JOIN conversations c ON c.id = p.conversation_id AND c.deleted_at IS NULL
      WHERE p.left_at IS NULL AND ($3::uuid IS NULL OR EXISTS (
              SELECT FROM participants v
               WHERE v.conversation_id = p.conversation_id AND v.user_id = $3 AND v.left_at IS NULL))`,
    [keys.map((key) => key.conversationId), keys.map((key) => key.userId), viewerId(ctx)],
  )
  const byKey = new Map(rows.map((row) => [row.conversationId + row.userId, row]))
  return keys.map((key) => byKey.get(key.conversationId + key.userId) ?? null)
}
