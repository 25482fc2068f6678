import type { MessagePayload } from '../../bus/topics.ts'
import type { MessageKind } from '../../db/generated/enums.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { UserProfile } from '../users/user.ts'

/** A message as the services pass it on. */
export interface MessageRow {
  conversationId: string
  seq: number
  version: number
  senderId: string | null
  /** Comes along in live events, so that none of their receivers reads it again. */
  sender?: UserProfile | null
  kind: MessageKind
  body: string | null
  metadata: JsonObject
  replyToSeq: number | null
  /** The dispute, payment or job update that it tells of; `kind` says which. */
  subjectId: string | null
  idempotencyKey: string | null
  createdAt: Date
  editedAt: Date | null
  /** A tombstone since then: without body and metadata. */
  deletedAt: Date | null
}

/** Columns of a MessageRow, for statements that name the table `m`. */
export const MESSAGE_COLUMNS = `m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId", m.kind,
  m.body, m.metadata, m.reply_to_seq AS "replyToSeq", m.subject_id AS "subjectId", m.idempotency_key AS "idempotencyKey", m.created_at AS "createdAt",
  m.edited_at AS "editedAt", m.deleted_at AS "deletedAt"`

/** A message as an event carries it. */
export function payloadOf(message: MessageRow): MessagePayload {
  return {
    ...message,
    sender: message.sender ?? null,
    createdAt: message.createdAt.toISOString(),
    editedAt: message.editedAt?.toISOString() ?? null,
    deletedAt: message.deletedAt?.toISOString() ?? null,
  }
}

/** The message that an event carries. */
export function messageOf(payload: MessagePayload): MessageRow {
  const date = (text: string | null) => (text === null ? null : new Date(text))
  // Not by a spread, of which V8 may give each result a hidden class of its own: all that meets it is compiled anew then.
  return Object.assign({}, payload, {
    createdAt: new Date(payload.createdAt),
    editedAt: date(payload.editedAt),
    deletedAt: date(payload.deletedAt),
  })
}
