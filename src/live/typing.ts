import { type RequestContext, viewerId } from '../context.ts'
import type { UserProfile } from '../features/users/user.ts'
import { followConversation, requireLiveConversation } from './follow.ts'

/** Somebody began to type, or ended (`expiresAt` is null). */
export interface TypingChange {
  conversationId: string
  user: UserProfile
  expiresAt: Date | null
}

/** Who types in a conversation, the viewer left out. Whoever reads too slowly misses some of it. */
export async function typing(
  ctx: RequestContext,
  conversationId: string,
): Promise<AsyncIterableIterator<TypingChange>> {
  const view = await requireLiveConversation(ctx, conversationId)
  const viewer = viewerId(ctx)
  return followConversation(ctx, view, {
    overflow: 'drop',
    select: (event) => {
      if (event.type !== 'typing' || event.user.id === viewer) return undefined
      return { conversationId: view.id, user: event.user, expiresAt: event.expiresAt }
    },
  })
}
