import { announce } from '../../bus/announce.ts'
import { type RequestContext, requireUser } from '../../context.ts'
import type { ConversationKind } from '../../db/generated/enums.ts'
import { BadUserInputError, NotFoundError } from '../../lib/errors.ts'
import { requireMessageKey } from '../../lib/ids.ts'
import {
  CONVERSATION_OF_PLACE,
  type ConversationView,
  requireConversation,
  requireView,
  visibleFrom,
} from '../conversations/access.ts'
import { profileOf } from '../users/user.ts'

/**
 * Moves the viewer's read position up to a message, or to the newest one; never back. Answers after it is written.
 */
export async function markRead(
  ctx: RequestContext,
  input: { conversationId: string; messageId?: string | null | undefined },
): Promise<ConversationView> {
  const user = requireUser(ctx)
  const view = await requireConversation(ctx, input.conversationId)
  const seq = input.messageId == null ? view.lastSeq : requireSeqOf(view, input.messageId)
  if (seq <= view.lastReadSeq!) return view
  const readAt = await ctx.readWriter.advance(view.id, user.id, seq)
  if (readAt)
    announce(ctx, { type: 'read', key: view.id, user: profileOf(user), lastReadSeq: seq, readAt: readAt.toISOString() })
  // Once more: the viewer may have been removed while this waited.
  return requireView(ctx, view.id)
}

/** The seq of a message that the viewer may see in this conversation. */
function requireSeqOf(view: ConversationView, messageId: string): number {
  const { conversationId, seq } = requireMessageKey(messageId, 'messageId')
  if (conversationId !== view.id) {
    throw new BadUserInputError('messageId is not a message of this conversation.', 'messageId')
  }
  if (seq > view.lastSeq || seq < visibleFrom(view)) throw new NotFoundError('There is no such message.', 'messageId')
  return seq
}

/** How many messages of a conversation its viewer has not read; null to a service. Arithmetic, so it can't drift. */
export function unreadCount({ lastSeq, lastReadSeq, visibleFromSeq }: ConversationView): number | null {
  if (lastReadSeq === null || visibleFromSeq === null) return null
  return Math.max(0, lastSeq - Math.max(lastReadSeq, visibleFromSeq - 1))
}

export interface Unread {
  messages: number
  conversations: number
}

export interface UnreadSummary extends Unread {
  /** The kinds that have unread messages. */
  byKind: (Unread & { kind: ConversationKind })[]
}

/** What the viewer has not read in all conversations; null to a service. */
export async function unreadSummary(ctx: RequestContext): Promise<UnreadSummary | null> {
  if (ctx.viewer.kind !== 'user') return null
  const byKind = await ctx.db.query<Unread & { kind: ConversationKind }>(
    `SELECT kind, least(sum(unread), 2147483647)::int AS messages, count(*)::int AS conversations
       FROM (SELECT c.kind, c.last_seq - greatest(p.last_read_seq, p.visible_from_seq - 1) AS unread
               FROM participants p CROSS JOIN ${CONVERSATION_OF_PLACE}
              WHERE p.user_id = $1 AND p.left_at IS NULL AND c.deleted_at IS NULL) AS each
      WHERE unread > 0
      GROUP BY kind ORDER BY kind`,
    [ctx.viewer.user.id],
  )
  const total = (of: keyof Unread) => byKind.reduce((sum, each) => sum + each[of], 0)
  return { messages: Math.min(total('messages'), 2 ** 31 - 1), conversations: total('conversations'), byKind }
}
