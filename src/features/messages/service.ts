import type { RequestContext } from '../../context.ts'
import { BadUserInputError, ConflictError } from '../../lib/errors.ts'
import { requireMessageKey, requireUuid } from '../../lib/ids.ts'
import { type JsonObject, requireMetadata } from '../../lib/json.ts'
import { requireText } from '../../lib/text.ts'
import { requireIdempotencyKey } from '../idempotency/service.ts'
import { announceMessage, type Draft, resultOf, senderOf, sendOf } from './insert.ts'
import type { MessageRow } from './message.ts'
import { loadMessages } from './pages.ts'

export const MAX_BODY = 10_000

export interface SendMessageInput {
  conversationId: string
  body?: string | null | undefined
  metadata?: JsonObject | null | undefined
  replyToId?: string | null | undefined
  idempotencyKey?: string | null | undefined
}

/**
 * Adds a message to a conversation: the viewer's, or the system's when a service sends for nobody. With a key that was
 * used before, gives back the message stored then.
 */
export async function sendMessage(
  ctx: RequestContext,
  input: SendMessageInput,
): Promise<{ message: MessageRow; deduplicated: boolean }> {
  const draft = checkDraft(ctx, input)
  const sent = resultOf(draft, await ctx.sends.write(sendOf(ctx, draft)))
  if (sent.message) {
    announceMessage(ctx, sent)
    return { message: sent.message, deduplicated: false }
  }
  const [message] = await loadMessages(ctx, [{ conversationId: draft.conversationId, seq: sent.storedSeq }])
  // Stored before the sender joined anew without history.
  if (!message) throw new ConflictError('This idempotencyKey was used before.', 'idempotencyKey')
  return { message, deduplicated: true }
}

function checkDraft(ctx: RequestContext, input: SendMessageInput): Draft {
  const conversationId = requireUuid('Conversation', input.conversationId, 'conversationId')
  const body = requireText(input.body ?? '', 'body', MAX_BODY)
  const metadata = requireMetadata(input.metadata ?? {}, 'metadata')
  const replyToSeq = input.replyToId == null ? null : requireSeqIn(conversationId, input.replyToId)
  const idempotencyKey = requireIdempotencyKey(input.idempotencyKey)
  const sender = senderOf(ctx)
  const kind = sender.senderId ? 'TEXT' : 'SYSTEM'
  return { conversationId, ...sender, kind, body, metadata, replyToSeq, subjectId: null, idempotencyKey }
}

function requireSeqIn(conversationId: string, replyToId: string): number {
  const key = requireMessageKey(replyToId, 'replyToId')
  if (key.conversationId === conversationId) return key.seq
  throw new BadUserInputError('replyToId is not a message of this conversation.', 'replyToId')
}
