import { announce } from '../../bus/announce.ts'
import type { RequestContext } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { ConflictError, NotFoundError } from '../../lib/errors.ts'
import { noConversation } from '../conversations/access.ts'
import { fingerprint } from '../idempotency/service.ts'
import { takesNoMessages } from '../users/service.ts'
import { profileOf, type UserProfile } from '../users/user.ts'
import { type MessageRow, payloadOf } from './message.ts'
import { rulesOf, type Send, type Sent, writeSends } from './send-statement.ts'

/** A message that has no place in its conversation yet. */
export type Draft = Omit<MessageRow, 'seq' | 'version' | 'createdAt' | 'editedAt' | 'deletedAt'>

export interface InsertOptions {
  /** Also into a closed conversation, as the host's business goes on there. */
  despiteClose?: boolean
}

/** A message that was inserted, and when that moved its sender's read position over messages of others, if it did. */
export interface Inserted {
  message: MessageRow
  readAt: Date | null
}

/** The draft's key had been used, for the message of this seq. */
export interface Stored {
  message: null
  storedSeq: number
}

/** Who a message of the viewer is from: nobody where a service sends for itself. */
export function senderOf(ctx: RequestContext): { senderId: string | null; sender: UserProfile | null } {
  const sender = ctx.viewer.kind === 'user' ? profileOf(ctx.viewer.user) : null
  return { senderId: sender?.id ?? null, sender }
}

/**
 * Inserts a message in the transaction of `query`, waiting for the conversation's row. Announces nothing.
 * @throws NotFoundError, ConflictError, ForbiddenError for what the database finds against it.
 */
export async function insertMessage(
  ctx: RequestContext,
  query: Query,
  draft: Draft,
  { despiteClose = false }: InsertOptions = {},
): Promise<Inserted | Stored> {
  const [sent] = await writeSends(query, [sendOf(ctx, draft)], { ...rulesOf(ctx.config), despiteClose })
  return resultOf(draft, sent!)
}

/** The draft as the viewer's send. */
export function sendOf(ctx: RequestContext, draft: Draft): Send {
  const { kind, body, metadata, replyToSeq, idempotencyKey } = draft
  return {
    fingerprint: idempotencyKey === null ? null : fingerprint([kind, body, metadata, replyToSeq]),
    // Whoever is acted for has not read what the service answers.
    movesRead: ctx.viewer.kind === 'user' && ctx.viewer.actingService === null,
    ...draft,
  }
}

/** @throws NotFoundError, ConflictError, ForbiddenError for what was found against the draft. */
export function resultOf(draft: Draft, { outcome, seq, version, createdAt, readAt }: Sent): Inserted | Stored {
  refuse(outcome)
  if (outcome === 'DEDUPLICATED') return { message: null, storedSeq: seq }
  // The draft last: to add to a copy of it takes 5 µs, to copy it into what is new 0.2.
  return { message: { seq, version, createdAt, editedAt: null, deletedAt: null, ...draft }, readAt }
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

/** Tells of a message, and of the receipt that came with it. After the commit. */
export function announceMessage(ctx: RequestContext, { message, readAt }: Inserted): void {
  const { conversationId: key, version, seq } = message
  announce(ctx, { type: 'message', key, version, seq, message: payloadOf(message) })
  if (!message.sender || !readAt) return
  announce(ctx, { type: 'read', key, user: message.sender, lastReadSeq: seq, readAt: readAt.toISOString() })
}
