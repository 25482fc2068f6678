import { type RequestContext, viewerId } from '../../context.ts'
import { parseSubjectCursor } from '../../lib/cursors.ts'
import { NotFoundError } from '../../lib/errors.ts'
import { groupBy } from '../../lib/group.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { type ConversationView, visibleFrom } from '../conversations/access.ts'
import type { Locked } from '../conversations/change.ts'

// What disputes, payments and job updates have in common: each hangs on a conversation, and those of its participants may
// see it who may see the message that told of it first.

export interface SubjectRow {
  id: string
  conversationId: string
  /** Of the message that told of it first. */
  seq: number
}

/** A table of subjects and the columns that its rows are read with; the table is named `s`. */
export interface SubjectTable {
  table: 'disputes' | 'payments' | 'job_updates'
  columns: string
}

/** Subjects by id, in the order of the ids; null for what is absent or not to be seen. */
export async function loadSubjects<Row extends SubjectRow>(
  ctx: RequestContext,
  { table, columns }: SubjectTable,
  ids: readonly string[],
): Promise<(Row | null)[]> {
  const rows = await ctx.db.query<Row>(
    `SELECT ${columns} FROM ${table} s
       JOIN conversations c ON c.id = s.conversation_id
       LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = $2::uuid AND p.left_at IS NULL
      WHERE s.id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR (c.deleted_at IS NULL AND s.seq >= p.visible_from_seq))`,
    [ids, viewerId(ctx)],
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id) ?? null)
}

/** The same page of the subjects of several conversations, oldest first, in one statement. */
export async function subjectPages<Row extends SubjectRow>(
  ctx: RequestContext,
  { table, columns }: SubjectTable,
  views: readonly ConversationView[],
  args: Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<Row>[]> {
  const request = requirePage(args)
  // A cursor belongs to one conversation, so it is refused where the page is asked of others too.
  const { after } = request
  const afterSeq = after === undefined ? 0 : views.map(({ id }) => parseSubjectCursor(after, id, 'after'))[0]
  const rows = await ctx.db.query<Row>(
    `SELECT page.* FROM unnest($1::uuid[], $4::int[]) AS wanted (id, visible_from)
      CROSS JOIN LATERAL (
        SELECT ${columns} FROM ${table} s
         WHERE s.conversation_id = wanted.id AND s.seq >= wanted.visible_from AND s.seq > $2
         ORDER BY s.seq LIMIT $3) AS page
      ORDER BY page."conversationId", page.seq`,
    [views.map(({ id }) => id), afterSeq, request.limit + 1, views.map(visibleFrom)],
  )
  const byConversation = groupBy(rows, (row) => row.conversationId)
  return views.map(({ id }) => pageOf(byConversation.get(id) ?? [], request))
}

/** The conversation that a subject hangs on. @throws NotFoundError naming `field` for one that the viewer can't see. */
export async function conversationIdOf(
  ctx: RequestContext,
  table: SubjectTable,
  id: string,
  field: string,
): Promise<string> {
  const [row] = await loadSubjects(ctx, table, [id])
  if (!row) throw noSubject(field)
  return row.conversationId
}

/**
 * The subject itself, within the transaction that holds its conversation's row.
 * @throws NotFoundError naming `field` for one from before the viewer came.
 */
export async function lockedSubject<Row extends SubjectRow>(
  { query, view }: Locked,
  { table, columns }: SubjectTable,
  id: string,
  field: string,
): Promise<Row> {
  const [row] = await query<Row>(`SELECT ${columns} FROM ${table} s WHERE s.id = $1`, [id])
  if (row!.seq < visibleFrom(view)) throw noSubject(field)
  return row!
}

/** The same to whoever may not see it as to whoever names one that is not there. */
export function noSubject(field: string): NotFoundError {
  return new NotFoundError('There is no such thing.', field)
}
