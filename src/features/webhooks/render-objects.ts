import type { RequestContext } from '../../context.ts'
import type { ContactStatus, MessageKind } from '../../db/generated/enums.ts'
import { encodeId, type NodeType } from '../../lib/ids.ts'
import type { MessageRow } from '../messages/message.ts'
import type { Reference } from './outbox.ts'
import type { ContactData, WebhookMessage, WebhookUser } from './payloads.ts'

/** A user by internal id; null where there is none. */
export type LoadUser = (id: string) => Promise<WebhookUser | null>
/** The same, for what may be nobody's. */
export type UserOf = (id: string | null) => Promise<WebhookUser | null>

/** As JSON has it. */
export function time<T extends Date | null>(date: T): T extends Date ? string : string | null {
  return (date?.toISOString() ?? null) as T extends Date ? string : string | null
}

const SUBJECTS: Partial<Record<MessageKind, NodeType>> = {
  DISPUTE: 'Dispute',
  PAYMENT: 'Payment',
  JOB_UPDATE: 'JobUpdate',
}

export function renderMessage(row: MessageRow, sender: WebhookUser | null): WebhookMessage {
  const { conversationId, seq, kind, body, metadata, replyToSeq, subjectId, createdAt, editedAt, deletedAt } = row
  const subject = SUBJECTS[kind]
  return {
    id: encodeId('Message', conversationId, seq),
    seq,
    sender,
    kind,
    body,
    metadata,
    replyToId: replyToSeq === null ? null : encodeId('Message', conversationId, replyToSeq),
    subjectId: subject && subjectId !== null ? encodeId(subject, subjectId) : null,
    createdAt: time(createdAt),
    editedAt: time(editedAt),
    deletedAt: time(deletedAt),
  }
}

export async function renderContact(ctx: RequestContext, userOf: UserOf, reference: Reference): Promise<ContactData> {
  const { contactId, requesterId, addresseeId } = reference
  const [row] = await ctx.db.query<{ status: ContactStatus; createdAt: Date; respondedAt: Date | null }>(
    `SELECT status, created_at AS "createdAt", responded_at AS "respondedAt" FROM contacts
      WHERE id = $1 AND NOT is_hidden`,
    [contactId],
  )
  const [requester, addressee] = await Promise.all([userOf(requesterId), userOf(addresseeId)])
  const times = row && { createdAt: time(row.createdAt), respondedAt: time(row.respondedAt) }
  const id = encodeId('Contact', contactId)
  return { contactId: id, requester, addressee, contact: row ? { status: row.status, ...times! } : null }
}
