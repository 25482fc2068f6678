import { type RequestContext, viewerId } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import type { ConversationKind, ParticipantRole } from '../../db/generated/enums.ts'
import { NotFoundError } from '../../lib/errors.ts'
import { requireUuid } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { Page, PageArgs } from '../../lib/paging.ts'
import type { MessageRow } from '../messages/message.ts'

// Who may see a conversation is decided here and nowhere else: its participants, and a service. Every conversation that
// leaves a service is a ConversationView, which can't be had without passing this check.

/** A conversation together with the viewer's place in it. */
export interface ConversationView {
  id: string
  kind: ConversationKind
  title: string | null
  directKey: string | null
  subjectId: string | null
  summary: string | null
  keyTopics: string[]
  tags: string[]
  metadata: JsonObject
  closedAt: Date | null
  messageCount: number
  participantCount: number
  lastSeq: number
  version: number
  lastMessageAt: Date | null
  activityAt: Date
  createdAt: Date
  updatedAt: Date
  /** The viewer's id and place; all null to a service. */
  viewerId: string | null
  role: ParticipantRole | null
  lastReadSeq: number | null
  visibleFromSeq: number | null
  joinedVersion: number | null
  archivedSeq: number | null
  isPinned: boolean | null
  isFavorited: boolean | null
  mutedUntil: Date | null
  /** The newest message that the viewer may see, where it was read along; null if there is none. */
  lastMessage?: MessageRow | null
  /** The other one's name in a direct conversation without a title, where it was read along; null to a service. */
  peerName?: string | null
  /** A page of its messages, where one was read along, and the arguments that it is the page of. */
  readAhead?: { args: PageArgs; page: Page<MessageRow> }
}

/** Columns of a ConversationView, for statements that name the conversation `c` and the viewer's participant row `p`. */
export const VIEW_COLUMNS = `c.id, c.kind, c.title, c.direct_key AS "directKey", c.last_seq AS "lastSeq", c.version,
  c.subject_id AS "subjectId", c.summary, c.key_topics AS "keyTopics", c.tags, c.metadata, c.closed_at AS "closedAt",
  c.message_count AS "messageCount", c.participant_count AS "participantCount",
  c.last_message_at AS "lastMessageAt", c.activity_at AS "activityAt", c.created_at AS "createdAt",
  c.updated_at AS "updatedAt", p.user_id AS "viewerId", p.role, p.last_read_seq AS "lastReadSeq",
  p.visible_from_seq AS "visibleFromSeq", p.joined_version AS "joinedVersion", p.archived_seq AS "archivedSeq", p.is_pinned AS "isPinned",
  p.is_favorited AS "isFavorited", p.muted_until AS "mutedUntil"`

/**
 * The conversations `c` of the rows `wanted`, each with the participant row `p` of its viewer, to be joined: those that
 * `wanted.viewer` (null: a service) may see.
 */
export const VISIBLE_OF_WANTED = `
       JOIN conversations c ON c.id = wanted.id AND c.deleted_at IS NULL
       LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = wanted.viewer AND p.left_at IS NULL
      WHERE (wanted.viewer IS NULL OR p.user_id IS NOT NULL)`

/**
 * The conversation `c` of the participant row `p`, to be joined: looked up for each such row, so that the cost grows with
 * the viewer's own conversations. OFFSET 0 keeps PostgreSQL from reading everybody's instead.
 */
export const CONVERSATION_OF_PLACE = `LATERAL (
  SELECT * FROM conversations WHERE id = p.conversation_id OFFSET 0) AS c`

/** The first seq that the viewer may see. */
export function visibleFrom(view: ConversationView): number {
  return view.visibleFromSeq ?? 1
}

/**
 * A condition on the message row `m`: that the viewer, whose id is the statement's parameter (null to a service), may
 * see it. For statements that don't start from a ConversationView.
 */
export const visibleMessage = (viewerParameter: string) => `EXISTS (
  SELECT FROM conversations c
    LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = ${viewerParameter}::uuid AND p.left_at IS NULL
   WHERE c.id = m.conversation_id AND c.deleted_at IS NULL
     AND (${viewerParameter}::uuid IS NULL OR m.seq >= p.visible_from_seq))`

/** Conversations by internal id, in the order of the ids; null for what is absent or not to be seen. */
export async function loadConversations(
  ctx: RequestContext,
  ids: readonly string[],
  query: Query = ctx.db.query,
): Promise<(ConversationView | null)[]> {
  const viewer = viewerId(ctx)
  return loadViews(
    query,
    ids.map((id) => ({ id, viewer })),
  )
}

/** A conversation by internal id, and who asks for it; null: a service. */
export interface ViewKey {
  id: string
  viewer: string | null
}

/** The same for several viewers at once, in the order of the keys. */
export async function loadViews(query: Query, keys: readonly ViewKey[]): Promise<(ConversationView | null)[]> {
  const rows = await query<{ key: number } & ConversationView>(
    `SELECT wanted.n::int - 1 AS key, ${VIEW_COLUMNS}
       FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS wanted (id, viewer, n) ${VISIBLE_OF_WANTED}`,
    [keys.map(({ id }) => id), keys.map(({ viewer }) => viewer)],
  )
  const byKey = new Map(rows.map(({ key, ...view }) => [key, view]))
  return keys.map((_, index) => byKey.get(index) ?? null)
}

/** The conversation of a global id, as the viewer sees it. @throws BadUserInputError, NotFoundError naming `field`. */
export async function requireConversation(
  ctx: RequestContext,
  globalId: string,
  field = 'conversationId',
): Promise<ConversationView> {
  return requireView(ctx, requireUuid('Conversation', globalId, field), field)
}

/** The same by internal id, read by `query` where that is a transaction's. @throws NotFoundError naming `field`. */
export async function requireView(
  ctx: RequestContext,
  id: string,
  field = 'conversationId',
  query: Query = ctx.db.query,
): Promise<ConversationView> {
  const [view] = await loadConversations(ctx, [id], query)
  if (!view) throw noConversation(field)
  return view
}

/** The same to whoever may not see it as to whoever names one that is not there. */
export function noConversation(field: string): NotFoundError {
  return new NotFoundError('There is no such conversation.', field)
}
