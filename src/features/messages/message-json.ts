import { dateOf, millisecondsOf } from '../../db/milliseconds.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { UserProfile } from '../users/user.ts'
import type { MessageRow } from './message.ts'

// A message as PostgreSQL writes it and JSON.parse reads it: in a statement that gives a whole page as one JSON text. Of
// 50 rows with their dates pg's parser makes objects three times as slowly.

/** Of the row `m`, an array of values: names would come again and again. */
export const MESSAGE_JSON = `json_build_array(m.seq, m.version, m.sender_id, m.kind, m.body, m.metadata, m.reply_to_seq, m.subject_id,
  m.idempotency_key, ${['m.created_at', 'm.edited_at', 'm.deleted_at'].map(millisecondsOf)})`

export type MessageJson = [
  seq: number,
  version: number,
  senderId: string | null,
  kind: MessageRow['kind'],
  body: string | null,
  metadata: JsonObject,
  replyToSeq: number | null,
  subjectId: string | null,
  idempotencyKey: string | null,
  createdAt: number,
  editedAt: number | null,
  deletedAt: number | null,
]

/** A plain literal: put together by spreading, so many fields become a slow object, and a page takes a quarter more CPU. */
export function messageOfJson(conversationId: string, values: MessageJson, sender: UserProfile | null): MessageRow {
  return {
    conversationId,
    seq: values[0],
    version: values[1],
    senderId: values[2],
    sender,
    kind: values[3],
    body: values[4],
    metadata: values[5],
    replyToSeq: values[6],
    subjectId: values[7],
    idempotencyKey: values[8],
    createdAt: new Date(values[9]),
    editedAt: dateOf(values[10]),
    deletedAt: dateOf(values[11]),
  }
}
