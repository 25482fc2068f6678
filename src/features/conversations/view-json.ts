import type { ConversationKind, ParticipantRole } from '../../db/generated/enums.ts'
import { dateOf, millisecondsOf } from '../../db/milliseconds.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { ConversationView } from './access.ts'

// A ConversationView as PostgreSQL writes it and JSON.parse reads it, in statements that give it together with messages.

/** Of the conversation `c` and the viewer's participant row `p`, an array of values: names would come again and again. */
export const VIEW_JSON = `json_build_array(c.id, c.kind, c.title, c.direct_key, c.subject_id, c.summary, c.key_topics, c.tags,
  c.metadata, c.message_count, c.participant_count, c.last_seq, c.version,
  ${['c.closed_at', 'c.last_message_at', 'c.activity_at', 'c.created_at', 'c.updated_at'].map(millisecondsOf)},
  p.user_id, p.role, p.last_read_seq, p.visible_from_seq, p.joined_version, p.archived_seq, p.is_pinned, p.is_favorited,
  ${millisecondsOf('p.muted_until')})`

export type ViewJson = [
  id: string,
  kind: ConversationKind,
  title: string | null,
  directKey: string | null,
  subjectId: string | null,
  summary: string | null,
  keyTopics: string[],
  tags: string[],
  metadata: JsonObject,
  messageCount: number,
  participantCount: number,
  lastSeq: number,
  version: number,
  closedAt: number | null,
  lastMessageAt: number | null,
  activityAt: number,
  createdAt: number,
  updatedAt: number,
  viewerId: string | null,
  role: ParticipantRole | null,
  lastReadSeq: number | null,
  visibleFromSeq: number | null,
  joinedVersion: number | null,
  archivedSeq: number | null,
  isPinned: boolean | null,
  isFavorited: boolean | null,
  mutedUntil: number | null,
]

export function viewOfJson(values: ViewJson): ConversationView {
  return {
    id: values[0],
    kind: values[1],
    title: values[2],
    directKey: values[3],
    subjectId: values[4],
    summary: values[5],
    keyTopics: values[6],
    tags: values[7],
    metadata: values[8],
    messageCount: values[9],
    participantCount: values[10],
    lastSeq: values[11],
    version: values[12],
    closedAt: dateOf(values[13]),
    lastMessageAt: dateOf(values[14]),
    activityAt: new Date(values[15]),
    createdAt: new Date(values[16]),
    updatedAt: new Date(values[17]),
    viewerId: values[18],
    role: values[19],
    lastReadSeq: values[20],
    visibleFromSeq: values[21],
    joinedVersion: values[22],
    archivedSeq: values[23],
    isPinned: values[24],
    isFavorited: values[25],
    mutedUntil: dateOf(values[26]),
  }
}
