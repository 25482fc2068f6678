// What travels between nodes: every topic and every payload. An event is a hint, the database is the truth: a lost one
// delays, and is made up for by a comparison with the table.
//
// Topics are shards, so that a node holds a few of them instead of one for each conversation and user.

import type { MessageKind } from '../db/generated/enums.ts'

/** A shard of the conversations. */
export type ConversationTopic = `c:${number}`

/** A shard of the users. */
export type UserTopic = `u:${number}`

export type Topic = ConversationTopic | UserTopic

/** What anybody may see of a user, so that no receiver has to read it. */
export interface UserPayload {
  id: string
  externalId: string
  username: string
  displayName: string
  avatarUrl: string | null
  role: string | null
  type: 'HUMAN' | 'AGENT'
}

/** A committed message as its row has it; ids are raw uuids. */
export interface MessagePayload {
  conversationId: string
  seq: number
  version: number
  senderId: string | null
  sender: UserPayload | null
  kind: MessageKind
  body: string | null
  metadata: Record<string, unknown>
  replyToSeq: number | null
  subjectId: string | null
  idempotencyKey: string | null
  /** RFC 3339, these and the next ones. */
  createdAt: string
  editedAt: string | null
  /** A tombstone since then: body is null, metadata empty. */
  deletedAt: string | null
}

/** What became of a participant. */
export interface ParticipantPayload {
  userId: string
  change: 'JOINED' | 'LEFT' | 'REMOVED' | 'ROLE_CHANGED'
}

/** `key` is the conversation's id. What is null made the encoded event bigger than 8 KiB: the receiver reads the table. */
export type ConversationEvent =
  /** A message was sent. */
  | { type: 'message'; key: string; version: number; seq: number; message: MessagePayload | null }
  /** A message was edited or deleted, or what hangs on it changed. */
  | { type: 'message-changed'; key: string; version: number; seq: number; message: MessagePayload | null }
  /** Participants changed, one after the other: the first at version `from`. */
  | { type: 'participants'; key: string; from: number; participants: ParticipantPayload[] | null }
  /** The conversation's own fields changed; with `deleted`, nobody may see it any more. */
  | { type: 'details'; key: string; version: number; deleted: boolean }
  | { type: 'read'; key: string; user: UserPayload; lastReadSeq: number; readAt: string }
  /** `expiresAt` is null once the user is no longer typing. */
  | { type: 'typing'; key: string; user: UserPayload; expiresAt: string | null }

/** `key` is the user's id. */
export type UserEvent =
  | { type: 'inbox'; key: string; conversationId: string; change: 'STATE' | 'JOINED' }
  /** Whether the user is let in may have changed: those who have let it in look again. */
  | { type: 'standing'; key: string }
  /** A contact of the user changed, or is no more. */
  | { type: 'contact'; key: string; contactId: string }

export type BusEvent = ConversationEvent | UserEvent

/** The events of a topic. */
export type EventOf<T extends Topic> = T extends ConversationTopic ? ConversationEvent : UserEvent

/** The topic of a conversation's events. All nodes must agree on `shards`, the number of topics. */
export function conversationTopic(conversationId: string, shards: number): ConversationTopic {
  return `c:${hash(conversationId) % shards}`
}

/** The topic of a user's events. All nodes must agree on `shards`, the number of topics. */
export function userTopic(userId: string, shards: number): UserTopic {
  return `u:${hash(userId) % shards}`
}

/** FNV-1a, 32 bits: cheap, and the same on every node and in every version. */
function hash(id: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < id.length; i++) h = Math.imul(h ^ id.charCodeAt(i), 0x01000193)
  return h >>> 0
}
