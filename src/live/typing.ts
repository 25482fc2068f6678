import { type RequestContext, viewerId } from '../context.ts'
import { requireConversation } from '../features/conversations/access.ts'
import type { UserProfile } from '../features/users/user.ts'
import { followConversation } from './access.ts'

/** Somebody began to type, or ended (`expiresAt` is null). */
export interface TypingChange {
  conversationId: string
  user: UserProfile
  expiresAt: Date | null
}

/** Who types in a conversation, the viewer left out. */
export async function typing(
  ctx: RequestContext,
  conversationId: string,
): Promise<AsyncIterableIterator<TypingChange>> {
  const view = await requireConversation(ctx, conversationId)
  const viewer = viewerId(ctx)
  return followConversation(ctx, view, (event) => {
    if (event.type !== 'typing' || event.user.id === viewer) return undefined
    return { conversationId: view.id, user: event.user, expiresAt: event.expiresAt }
  })
}
