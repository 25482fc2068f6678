import { announce } from '../../bus/announce.ts'
import type { ParticipantPayload } from '../../bus/topics.ts'
import type { RequestContext } from '../../context.ts'

// What became of a conversation, told to its followers. After the commit.

/** Tells those who were put into a conversation of it; also of a new one, which nobody follows yet. */
export function announceJoined(ctx: RequestContext, conversationId: string, userIds: readonly string[]): void {
  for (const userId of userIds) announce(ctx, { type: 'inbox', key: userId, conversationId, change: 'JOINED' })
}

/** Participants' rows that changed, in the order of their versions, the first of which is `from`. */
export interface ParticipantChanges {
  from: number
  participants: ParticipantPayload[]
}

export function announceParticipants(
  ctx: RequestContext,
  conversationId: string,
  { from, participants }: ParticipantChanges,
): void {
  announce(ctx, { type: 'participants', key: conversationId, from, participants })
  const joined = participants.filter(({ change }) => change === 'JOINED')
  announceJoined(
    ctx,
    conversationId,
    joined.map(({ userId }) => userId),
  )
}

/** The conversation's own fields changed; with `deleted`, it is gone for everybody. */
export function announceDetails(ctx: RequestContext, conversationId: string, version: number, deleted = false): void {
  announce(ctx, { type: 'details', key: conversationId, version, deleted })
}
