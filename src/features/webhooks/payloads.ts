import type {
  ContactStatus,
  ConversationKind,
  DisputeStatus,
  MessageKind,
  ParticipantRole,
  PaymentStatus,
} from '../../db/generated/enums.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { EventType } from './event-types.ts'

// What is sent, as JSON. Ids are those of the GraphQL API, times RFC 3339. Objects are as a service would find them when
// the request is made, not when the event happened: null where they are gone, without text where it was deleted.

/** The body of a request. */
export interface WebhookBody {
  type: EventType
  /** When it happened. */
  timestamp: string
  data: WebhookData
}

export type WebhookData = MessageData | ActionData | ConversationData | ParticipantData | ContactData

/** Of message.* */
export interface MessageData {
  conversationId: string
  messageId: string
  message: WebhookMessage | null
}

/** Of dispute.*, payment.* and job_update.*: the message that told of it, and what it told of; one of the last three. */
export interface ActionData extends MessageData {
  dispute?: WebhookDispute | null
  payment?: WebhookPayment | null
  jobUpdate?: WebhookJobUpdate | null
}

/** Of conversation.*; null once it is deleted. */
export interface ConversationData {
  conversationId: string
  conversation: WebhookConversation | null
}

/** Of participant.*; participant is null once the user is no longer in. */
export interface ParticipantData {
  conversationId: string
  user: WebhookUser | null
  participant: { id: string; role: ParticipantRole; joinedAt: string } | null
}

/** Of contact.*; contact is null once it is removed. */
export interface ContactData {
  contactId: string
  requester: WebhookUser | null
  addressee: WebhookUser | null
  contact: { status: ContactStatus; createdAt: string; respondedAt: string | null } | null
}

/** A user by its id in Parley and in the host application. */
export interface WebhookUser {
  id: string
  externalId: string
}

export interface WebhookMessage {
  id: string
  /** 1, 2, 3, … in each conversation. */
  seq: number
  /** Null: the system's. */
  sender: WebhookUser | null
  kind: MessageKind
  /** Null once it is deleted. */
  body: string | null
  metadata: JsonObject
  replyToId: string | null
  /** The dispute, payment or job update that it tells of. */
  subjectId: string | null
  createdAt: string
  editedAt: string | null
  deletedAt: string | null
}

export interface WebhookConversation {
  id: string
  kind: ConversationKind
  /** What it is about in the host's own terms. */
  subjectId: string | null
  title: string | null
  summary: string | null
  keyTopics: string[]
  tags: string[]
  metadata: JsonObject
  closedAt: string | null
  createdAt: string
  updatedAt: string
}

export interface WebhookDispute {
  id: string
  /** Null: the host. */
  openedBy: WebhookUser | null
  reason: string
  description: string | null
  status: DisputeStatus
  resolution: string | null
  createdAt: string
  updatedAt: string
}

export interface WebhookPayment {
  id: string
  payer: WebhookUser | null
  payee: WebhookUser | null
  /** In the currency's minor unit. */
  amount: number
  /** ISO 4217 */
  currency: string
  description: string | null
  status: PaymentStatus
  providerReference: string | null
  createdAt: string
  updatedAt: string
}

export interface WebhookJobUpdate {
  id: string
  /** Null: the host. */
  postedBy: WebhookUser | null
  status: string
  note: string | null
  createdAt: string
}
