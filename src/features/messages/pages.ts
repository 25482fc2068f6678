import { type RequestContext, viewerId } from '../../context.ts'
import { parseMessageCursor } from '../../lib/cursors.ts'
import { groupBy } from '../../lib/group.ts'
import { type Page, type PageArgs, type PageRequest, requirePage } from '../../lib/paging.ts'
import { type ConversationView, visibleFrom, visibleMessage } from '../conversations/access.ts'
import { MESSAGE_COLUMNS, type MessageRow } from './message.ts'
import { addSenders } from './senders.ts'

/**
 * The same page of the messages of several conversations, oldest first, in one statement; none where they came with
 * their conversations. As seqs have no gap a page is a range of them, and costs the same at any depth.
 */
export async function messagePages(
  ctx: RequestContext,
  views: readonly ConversationView[],
  args: PageArgs,
): Promise<Page<MessageRow>[]> {
  const ahead = views.flatMap(({ readAhead }) => (readAhead && isSame(readAhead.args, args) ? readAhead.page : []))
  if (ahead.length === views.length) return ahead
  const bounds = views.map((view) => requireBounds(view.id, args))
  const ranges = views.map((view, index) => seqRange(view, bounds[index]!))
  const rows = await ctx.db.query<MessageRow>(
    `SELECT ${MESSAGE_COLUMNS}
       FROM unnest($1::uuid[], $2::int[], $3::int[]) AS wanted (conversation_id, low, high)
       JOIN messages m ON m.conversation_id = wanted.conversation_id AND m.seq BETWEEN wanted.low AND wanted.high
      ORDER BY m.conversation_id, m.seq`,
    [views.map((view) => view.id), ranges.map((range) => range.low), ranges.map((range) => range.high)],
  )
  await addSenders(ctx.db.query, rows)
  const byConversation = groupBy(rows, (row) => row.conversationId)
  return views.map((view, index) => pageOfView(view, bounds[index]!, byConversation.get(view.id) ?? []))
}

function isSame(one: PageArgs, other: PageArgs): boolean {
  return (['first', 'after', 'last', 'before'] as const).every((name) => (one[name] ?? null) === (other[name] ?? null))
}

/** What a page is asked to hold: `limit` seqs of those from low to high, both included, from either end. */
export type Bounds = Pick<PageRequest, 'limit' | 'from'> & { low: number; high: number }

/** @throws BadUserInputError. */
export function requireBounds(conversationId: string, args: PageArgs): Bounds {
  const { limit, from, after, before } = requirePage(args, 'end')
  const low = after === undefined ? 1 : parseMessageCursor(after, conversationId, 'after') + 1
  const high = before === undefined ? MAX_SEQ : parseMessageCursor(before, conversationId, 'before') - 1
  return { limit, from, low, high }
}

/** PostgreSQL's largest integer. */
const MAX_SEQ = 2 ** 31 - 1

/** The page of these rows, which are all that it holds. */
export function pageOfView(view: ConversationView, bounds: Bounds, rows: MessageRow[]): Page<MessageRow> {
  const { low, high } = seqRange(view, bounds)
  return { rows, hasNextPage: high < view.lastSeq, hasPreviousPage: low > visibleFrom(view) }
}

/** The seqs of a page, both ends included; empty where low > high. */
function seqRange(view: ConversationView, bounds: Bounds): { low: number; high: number } {
  const { limit, from } = bounds
  const low = Math.max(visibleFrom(view), bounds.low)
  const high = Math.min(view.lastSeq, bounds.high)
  return from === 'start'
    ? { low, high: Math.min(high, low + limit - 1) }
    : { low: Math.max(low, high - limit + 1), high }
}

/** Messages by (conversation, seq), in the order of the keys; null for what is absent or not to be seen. */
export async function loadMessages(
  ctx: RequestContext,
  keys: readonly { conversationId: string; seq: number }[],
): Promise<(MessageRow | null)[]> {
  const rows = await ctx.db.query<MessageRow>(
    `SELECT ${MESSAGE_COLUMNS}
       FROM unnest($1::uuid[], $2::int[]) AS wanted (conversation_id, seq)
       JOIN messages m USING (conversation_id, seq)
      WHERE ${visibleMessage('$3')}`,
    [keys.map((key) => key.conversationId), keys.map((key) => key.seq), viewerId(ctx)],
  )
  await addSenders(ctx.db.query, rows)
  const byKey = new Map(rows.map((row) => [`${row.conversationId}:${row.seq}`, row]))
  return keys.map((key) => byKey.get(`${key.conversationId}:${key.seq}`) ?? null)
}
