import type {
  ConversationKind,
  MessageKind,
  ParticipantChange,
  ParticipantRole,
  UserType,
} from '../../../db/generated/enums.ts'
import type { JsonObject } from '../../../lib/json.ts'

// Rows as the tables have them; times in milliseconds since the epoch.

export interface UserRow {
  id: string
  external_id: string
  username: string
  display_name: string
  email: string
  avatar_url: string | null
  role: string | null
  type: UserType
  words: string[]
  created_at: number
  updated_at: number
}

export interface ConversationRow {
  id: string
  kind: ConversationKind
  title: string | null
  subject_id: string | null
  summary: string | null
  key_topics: string[]
  tags: string[]
  metadata: JsonObject
  opening_key: string | null
  direct_key: string | null
  last_seq: number
  version: number
  details_version: number
  message_count: number
  participant_count: number
  closed_at: number | null
  deleted_at: number | null
  last_message_at: number | null
  activity_at: number
  created_at: number
  updated_at: number
}

export interface ParticipantRow {
  conversation_id: string
  user_id: string
  role: ParticipantRole
  joined_at: number
  left_at: number | null
  visible_from_seq: number
  last_read_seq: number
  last_read_at: number | null
  archived_seq: number | null
  is_pinned: boolean
  is_favorited: boolean
  muted_until: number | null
  change: ParticipantChange
  version: number
}

export interface MessageRow {
  conversation_id: string
  seq: number
  version: number
  sender_id: string | null
  kind: MessageKind
  body: string
  reply_to_seq: number | null
  created_at: number
}

export interface ReadAdvanceRow {
  conversation_id: string
  user_id: string
  seq: number
  from_seq: number
  read_at: number
}
