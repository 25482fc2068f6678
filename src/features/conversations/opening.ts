import { createHash } from 'node:crypto'
import { type RequestContext, viewerId } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import type { ConversationKind } from '../../db/generated/enums.ts'
import { BadUserInputError, ConflictError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import { requireMetadata } from '../../lib/json.ts'
import { requireText } from '../../lib/text.ts'
import { idempotent } from '../idempotency/service.ts'
import { MAX_USERS, requireActive, requireUsers } from '../users/service.ts'
import { type ConversationView, loadConversations } from './access.ts'
import { announceJoined } from './announce.ts'
import { MAX_TITLE } from './details.ts'

const MIN_GROUP = 3
export const MAX_SUBJECT = 255

interface Opening {
  participantIds?: readonly string[] | null | undefined
  participantExternalIds?: readonly string[] | null | undefined
  metadata?: JsonObject | null | undefined
  idempotencyKey?: string | null | undefined
}

export interface CreateGroupInput extends Opening {
  title: string
}

export interface OpenInput extends Opening {
  kind: 'JOB' | 'SUPPORT' | 'GENERAL'
  subjectId?: string | null | undefined
  title?: string | null | undefined
}

/** Creates a group of at least three, the viewer among them as its owner; a service's has members only. */
export async function createGroupConversation(ctx: RequestContext, input: CreateGroupInput): Promise<ConversationView> {
  const title = requireText(input.title, 'title', MAX_TITLE)
  const metadata = requireMetadata(input.metadata ?? {}, 'metadata')
  const { participants, checkActive } = await participantsOf(ctx, input)
  if (participants.length < MIN_GROUP) {
    throw new BadUserInputError(`A group takes ${MIN_GROUP} or more, the viewer included.`, fieldOf(input))
  }
  const draft = { kind: 'GROUP', title, subjectId: null, metadata, openingKey: null, participants } as const
  const { id } = await open(ctx, 'createGroupConversation', input.idempotencyKey, draft, checkActive)
  return viewOf(ctx, id, 'idempotencyKey')
}

/**
 * Opens a JOB, SUPPORT or GENERAL conversation. Of a JOB there is one for each subject and set of participants: a second
 * call gives back the first's.
 * @throws ConflictError for a caller who has left that one.
 */
export async function openConversation(
  ctx: RequestContext,
  input: OpenInput,
): Promise<{ conversation: ConversationView; created: boolean }> {
  const { kind } = input
  const title = input.title == null ? null : requireText(input.title, 'title', MAX_TITLE)
  const subjectId = input.subjectId == null ? null : requireText(input.subjectId, 'subjectId', MAX_SUBJECT)
  if (kind === 'JOB' && subjectId === null) throw new BadUserInputError('A JOB needs its subjectId.', 'subjectId')
  const metadata = requireMetadata(input.metadata ?? {}, 'metadata')
  const { participants, checkActive } = await participantsOf(ctx, input)
  const openingKey = kind === 'JOB' ? openingKeyOf(subjectId!, participants) : null
  const draft = { kind, title, subjectId, metadata, openingKey, participants }
  const { id, created } = await open(ctx, 'openConversation', input.idempotencyKey, draft, checkActive)
  return { conversation: await viewOf(ctx, id, kind === 'JOB' ? 'subjectId' : 'idempotencyKey'), created }
}

interface Draft {
  kind: ConversationKind
  title: string | null
  subjectId: string | null
  metadata: JsonObject
  /** Where only one such conversation may be open. */
  openingKey: string | null
  /** User ids, the viewer's first. */
  participants: string[]
}

async function open(
  ctx: RequestContext,
  operation: string,
  key: string | null | undefined,
  draft: Draft,
  checkActive: () => void,
) {
  let inserted: string | null = null
  const result = await ctx.db.transaction((query) =>
    idempotent(ctx, query, { operation, key, request: draft }, async () => {
      const existing = draft.openingKey && (await findOpen(query, draft.openingKey))
      if (existing) return { id: existing, created: false }
      // After the key and what is there, so that a retry is answered the same after somebody was deactivated.
      checkActive()
      inserted = newId(ctx.clock)
      await insert(query, inserted, viewerId(ctx), draft)
      return { id: inserted, created: true }
    }),
  )
  if (inserted) announceJoined(ctx, inserted, draft.participants)
  return result
}

/** The conversation of this key, whose place is held until the transaction ends. */
async function findOpen(query: Query, openingKey: string): Promise<string | undefined> {
  await query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`opening:${openingKey}`])
  const [row] = await query<{ id: string }>(
    'SELECT id FROM conversations WHERE opening_key = $1 AND deleted_at IS NULL',
    [openingKey],
  )
  return row?.id
}

/** The row is version 1, its participants those that follow. Whoever creates is the owner; a service makes members only. */
async function insert(query: Query, id: string, creator: string | null, draft: Draft) {
  const { kind, title, subjectId, metadata, openingKey, participants } = draft
  await query(
    `INSERT INTO conversations (id, kind, title, subject_id, metadata, opening_key, participant_count, version, details_version)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $7 + 1, 1)`,
    [id, kind, title, subjectId, metadata, openingKey, participants.length],
  )
  await query(
    `INSERT INTO participants (conversation_id, user_id, role, version)
          SELECT $1, user_id, CASE WHEN user_id = $3::uuid THEN 'OWNER' ELSE 'MEMBER' END::participant_role, place + 1
            FROM unnest($2::uuid[]) WITH ORDINALITY AS given (user_id, place)`,
    [id, participants, creator],
  )
}

/** The ids of all participants: those named, and the viewer; and the check that none of them was deactivated. */
async function participantsOf(ctx: RequestContext, input: Opening) {
  const viewer = viewerId(ctx)
  const named = { ids: input.participantIds, externalIds: input.participantExternalIds }
  const fields = { ids: 'participantIds', externalIds: 'participantExternalIds' }
  // A user may open a conversation alone, and leave both lists out; an empty list is a mistake.
  const users = viewer !== null && !named.ids && !named.externalIds ? [] : await requireUsers(ctx, named, fields)
  // Sorted, so that a retry that names them in another order is the same request.
  const others = users.flatMap(({ id }) => (id === viewer ? [] : id)).sort()
  const participants = viewer === null ? others : [viewer, ...others]
  if (participants.length > MAX_USERS) {
    throw new BadUserInputError(`A conversation has at most ${MAX_USERS} participants.`, fieldOf(input))
  }
  return { participants, checkActive: () => requireActive(users, fieldOf(input)) }
}

const fieldOf = (input: Opening) => (input.participantExternalIds ? 'participantExternalIds' : 'participantIds')

/** What a JOB is known by as long as it isn't deleted, whatever the participants' order. */
export function openingKeyOf(subjectId: string, participants: readonly string[]): string {
  return createHash('sha256')
    .update(JSON.stringify([subjectId, [...participants].sort()]))
    .digest('base64url')
}

async function viewOf(ctx: RequestContext, id: string, field: string): Promise<ConversationView> {
  const [view] = await loadConversations(ctx, [id])
  if (!view) throw new ConflictError('You have left this conversation, or it was deleted.', field)
  return view
}
