import type { RequestContext } from '../../context.ts'
import { type ConversationView, noConversation } from '../conversations/access.ts'
import { Conversation } from '../conversations/schema.ts'

/** The conversation that a subject hangs on. @throws NotFoundError where access ended since the subject was read. */
export async function conversationOfSubject(
  ctx: RequestContext,
  { conversationId }: { conversationId: string },
): Promise<ConversationView> {
  const view: ConversationView | null = await Conversation.getDataloader(ctx).load(conversationId)
  if (!view) throw noConversation('conversationId')
  return view
}
