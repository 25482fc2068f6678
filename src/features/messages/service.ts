import { announce } from '../../bus/announce.ts'
import type { RequestContext } from '../../context.ts'
import { BadUserInputError, ConflictError, NotFoundError } from '../../lib/errors.ts'
import { requireMessageKey, requireUuid } from '../../lib/ids.ts'
import { type JsonObject, requireMetadata } from '../../lib/json.ts'
import { requireText } from '../../lib/text.ts'
import { noConversation } from '../conversations/access.ts'
import { fingerprint, requireIdempotencyKey } from '../idempotency/service.ts'
import { takesNoMessages } from '../users/service.ts'
import { profileOf } from '../users/user.ts'
import { type MessageRow, payloadOf } from './message.ts'
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
  const sent = await ctx.turns.take(draft.conversationId, () => insertMessage(ctx, draft))
  refuse(sent.outcome)
  if (sent.outcome === 'DEDUPLICATED') {
    const [message] = await loadMessages(ctx, [{ conversationId: draft.conversationId, seq: sent.seq }])
    // Stored before the sender joined anew without history.
    if (!message) throw new ConflictError('This idempotencyKey was used before.', 'idempotencyKey')
    return { message, deduplicated: true }
  }
  const { seq, version, createdAt } = sent
  const message = { ...draft, seq, version, createdAt, editedAt: null, deletedAt: null }
  announceMessage(ctx, message, sent.readAt)
  return { message, deduplicated: false }
}

/** Throws what an outcome means, unless there is a message. */
function refuse(outcome: Sent['outcome']): void {
  switch (outcome) {
    case 'SENT':
    case 'DEDUPLICATED':
      return
    case 'NOT_FOUND':
      throw noConversation('conversationId')
    case 'KEY_REUSED':
      throw new ConflictError('This idempotencyKey was used with another message.', 'idempotencyKey')
    case 'CLOSED':
      throw new ConflictError('This conversation is closed.', 'conversationId')
    case 'REFUSED':
      throw takesNoMessages('conversationId')
    case 'NO_REPLY_TO':
      throw new NotFoundError('There is no such message to reply to.', 'replyToId')
    default:
      outcome satisfies never
  }
}

type Draft = Omit<MessageRow, 'seq' | 'version' | 'createdAt' | 'editedAt' | 'deletedAt'>

function checkDraft(ctx: RequestContext, input: SendMessageInput): Draft {
  const conversationId = requireUuid('Conversation', input.conversationId, 'conversationId')
  const body = requireText(input.body ?? '', 'body', MAX_BODY)
  const metadata = requireMetadata(input.metadata ?? {}, 'metadata')
  const replyToSeq = input.replyToId == null ? null : requireSeqIn(conversationId, input.replyToId)
  const idempotencyKey = requireIdempotencyKey(input.idempotencyKey)
  const sender = ctx.viewer.kind === 'user' ? profileOf(ctx.viewer.user) : null
  const kind = sender ? 'TEXT' : 'SYSTEM'
  return { conversationId, senderId: sender?.id ?? null, sender, kind, body, metadata, replyToSeq, idempotencyKey }
}

function requireSeqIn(conversationId: string, replyToId: string): number {
  const key = requireMessageKey(replyToId, 'replyToId')
  if (key.conversationId === conversationId) return key.seq
  throw new BadUserInputError('replyToId is not a message of this conversation.', 'replyToId')
}

interface Sent {
  outcome: 'SENT' | 'DEDUPLICATED' | 'KEY_REUSED' | 'NOT_FOUND' | 'CLOSED' | 'REFUSED' | 'NO_REPLY_TO'
  seq: number
  version: number
  createdAt: Date
  /** When sending moved the sender's read position over messages of others; else null. */
  readAt: Date | null
}

/** One round trip to the database function that locks, checks, numbers and inserts. */
async function insertMessage(ctx: RequestContext, draft: Draft): Promise<Sent> {
  const { conversationId, senderId, kind, body, metadata, replyToSeq, idempotencyKey } = draft
  const print = idempotencyKey === null ? null : fingerprint([kind, body, metadata, replyToSeq])
  // Whoever is acted for has not read what the service answers.
  const movesRead = ctx.viewer.kind === 'user' && ctx.viewer.actingService === null
  const [sent] = await ctx.db.query<Sent>(
    `SELECT outcome, seq, version, created_at AS "createdAt", read_at AS "readAt"
       FROM send_message($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [conversationId, senderId, kind, body, metadata, replyToSeq, idempotencyKey, print, movesRead],
  )
  return sent!
}

function announceMessage(ctx: RequestContext, message: MessageRow, readAt: Date | null) {
  const { conversationId: key, version, seq } = message
  announce(ctx, { type: 'message', key, version, seq, message: payloadOf(message) })
  if (message.sender && readAt) {
    announce(ctx, {
      type: 'read',
      key: message.conversationId,
      user: message.sender,
      lastReadSeq: message.seq,
      readAt: readAt.toISOString(),
    })
  }
}
