import { announce } from '../../bus/announce.ts'
import { type RequestContext, requireUser } from '../../context.ts'
import { type ConversationView, requireConversation, requireView } from './access.ts'

export interface StateInput {
  conversationId: string
  isArchived?: boolean | null | undefined
  isPinned?: boolean | null | undefined
  isFavorited?: boolean | null | undefined
  mutedUntil?: Date | null | undefined
}

/** Changes what the viewer alone sees of a conversation: one left out stays, null clears. Raises no version. */
export async function setConversationState(ctx: RequestContext, input: StateInput): Promise<ConversationView> {
  const user = requireUser(ctx)
  const { id } = await requireConversation(ctx, input.conversationId)
  const { isArchived, isPinned, isFavorited, mutedUntil } = input
  // Archived as of the newest message, so that the next one brings it back without a write for each participant.
  await ctx.db.query(
    `UPDATE participants p
        SET archived_seq = CASE WHEN $3 THEN CASE WHEN $4 THEN c.last_seq END ELSE p.archived_seq END,
            is_pinned = CASE WHEN $5 THEN $6 ELSE p.is_pinned END,
            is_favorited = CASE WHEN $7 THEN $8 ELSE p.is_favorited END,
            muted_until = CASE WHEN $9 THEN $10::timestamptz ELSE p.muted_until END,
            state_xid = pg_current_xact_id()
       FROM conversations c
      WHERE c.id = p.conversation_id AND p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL`,
    [
      ...[id, user.id],
      ...[isArchived !== undefined, isArchived ?? false],
      ...[isPinned !== undefined, isPinned ?? false],
      ...[isFavorited !== undefined, isFavorited ?? false],
      ...[mutedUntil !== undefined, mutedUntil ?? null],
    ],
  )
  announce(ctx, { type: 'inbox', key: user.id, conversationId: id, change: 'STATE' })
  return requireView(ctx, id)
}

/** Whether the viewer has it put away: while nothing newer has come, or while muted. False to a service. In SQL: list.ts. */
export function isArchived(ctx: RequestContext, view: ConversationView): boolean {
  if (view.archivedSeq === null) return false
  return view.lastSeq <= view.archivedSeq || (view.mutedUntil !== null && view.mutedUntil.getTime() > ctx.clock.now())
}
