import { type RequestContext, viewerId } from '../context.ts'
import type { UserProfile } from '../features/users/user.ts'
import type { FeedEvent } from './feed.ts'
import { followConversation, requireLiveConversation } from './follow.ts'
import { oncePerEvent } from './once-per-event.ts'
import type { LiveStream } from './queue.ts'

/** Somebody began to type, or ended (`expiresAt` is null). */
export interface TypingChange {
  conversationId: string
  user: UserProfile
  expiresAt: Date | null
}

/** Who types in a conversation, the viewer left out. Whoever reads too slowly misses some of it. */
export async function typing(ctx: RequestContext, conversationId: string): Promise<LiveStream<TypingChange>> {
  const view = await requireLiveConversation(ctx, conversationId)
  const viewer = viewerId(ctx)
  return followConversation(ctx, view, {
    overflow: 'drop',
    select: (event, at) => {
      if (event.type !== 'typing' || event.user.id === viewer) return undefined
      return changeOf(event, { conversationId: view.id, at, epoch: ctx.db.epoch })
    },
  })
}

const changeOf = oncePerEvent<Extract<FeedEvent, { type: 'typing' }>, TypingChange>(
  ({ user, expiresAt }, { conversationId }) => ({ conversationId, user, expiresAt }),
)
