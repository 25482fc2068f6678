import { LRUCache } from 'lru-cache'
import { announce } from '../../bus/announce.ts'
import { type AppContext, type Connection, type RequestContext, requireUser, type Viewer } from '../../context.ts'
import { ConflictError } from '../../lib/errors.ts'
import { requireConversation } from '../conversations/access.ts'
import { directPeerId, takesMessages } from '../conversations/direct.ts'
import { takesNoMessages } from '../users/service.ts'
import { profileOf } from '../users/user.ts'

/** How long somebody is shown as typing without saying so again. */
const TYPING_MS = 6_000
/** How often a typist's start is passed on at most. */
const PASS_ON_MS = 2_000

/** When this node last passed on the start of each (conversation, typist). Never stored. */
export type TypingStarts = LRUCache<string, number>

export function createTypingStarts(): TypingStarts {
  return new LRUCache({ max: 100_000 })
}

/**
 * Tells the others that the viewer is typing, or no longer; gives back when that ends by itself.
 * @throws ConflictError in a closed conversation, ForbiddenError where the other one takes no messages.
 */
export async function setTyping(
  ctx: RequestContext,
  input: { conversationId: string; isTyping: boolean },
): Promise<{ expiresAt: Date | null }> {
  const user = requireUser(ctx)
  const view = await requireConversation(ctx, input.conversationId)
  const { id, closedAt } = view
  if (closedAt) throw new ConflictError('This conversation is closed.', 'conversationId')
  const peer = directPeerId(view)
  if (peer && !(await takesMessages(ctx, user.id, peer))) throw takesNoMessages('conversationId')
  const typist = `${id}:${user.id}`
  const now = ctx.clock.now()
  const expiresAt = input.isTyping ? new Date(now + TYPING_MS) : null
  const started = ctx.typingStarts.get(typist)
  noteTyping(ctx.connection, id, input.isTyping)
  if (expiresAt && started !== undefined && now - started < PASS_ON_MS) return { expiresAt }
  if (expiresAt) ctx.typingStarts.set(typist, now)
  announce(ctx, { type: 'typing', key: id, user: profileOf(user), expiresAt: expiresAt?.toISOString() ?? null })
  return { expiresAt }
}

function noteTyping(connection: Connection | undefined, id: string, isTyping: boolean) {
  if (!connection) return
  if (!isTyping) return void connection.typingIn?.delete(id)
  connection.typingIn ??= new Set()
  connection.typingIn.add(id)
}

/** Ends what a viewer began to type on a connection, which is gone. */
export function endTyping(app: AppContext, viewer: Viewer, { typingIn }: Connection): void {
  if (viewer.kind !== 'user') return
  for (const id of typingIn ?? [])
    announce(app, { type: 'typing', key: id, user: profileOf(viewer.user), expiresAt: null })
}
