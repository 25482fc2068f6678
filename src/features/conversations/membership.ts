import { type RequestContext, requireUser, viewerId } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import type { ParticipantRole } from '../../db/generated/enums.ts'
import { BadUserInputError, ForbiddenError, NotFoundError } from '../../lib/errors.ts'
import { requireUuid } from '../../lib/ids.ts'
import { MAX_USERS, requireActive, requireUsers } from '../users/service.ts'
import { type ConversationView, loadConversations } from './access.ts'
import { announceParticipants, type ParticipantChanges } from './announce.ts'
import { changeConversation, type Locked } from './change.ts'
import { PARTICIPANT_COLUMNS, type ParticipantRow } from './participants.ts'

export interface AddInput {
  conversationId: string
  userIds?: readonly string[] | null | undefined
  externalIds?: readonly string[] | null | undefined
  withHistory?: boolean | null | undefined
}

/**
 * Adds users to a conversation, all or none; one who is in already is passed over. In a GROUP they see what comes from
 * now on, or all `withHistory`; in other kinds always all. Whoever comes back is a new participant.
 */
export async function addParticipants(ctx: RequestContext, input: AddInput): Promise<ConversationView> {
  const named = { ids: input.userIds, externalIds: input.externalIds }
  const users = await requireUsers(ctx, named, { ids: 'userIds', externalIds: 'externalIds' })
  requireActive(users, input.externalIds ? 'externalIds' : 'userIds')
  const { view, added, from } = await changeConversation(
    ctx,
    input.conversationId,
    'changeParticipants',
    async (locked) => {
      const { query, view } = locked
      const added = await notYetIn(
        query,
        view.id,
        users.map((user) => user.id),
      )
      if (view.participantCount + added.length > MAX_USERS) {
        const field = input.externalIds ? 'externalIds' : 'userIds'
        throw new BadUserInputError(`A conversation has at most ${MAX_USERS} participants.`, field)
      }
      const from = added.length > 0 ? await insert(locked, added, input.withHistory ?? false) : 0
      const [now] = await loadConversations(ctx, [view.id], query)
      return { view: now!, added, from }
    },
  )
  if (added.length > 0) {
    const participants = added.map((userId) => ({ userId, change: 'JOINED' as const }))
    announceParticipants(ctx, view.id, { from, participants })
  }
  return view
}

async function notYetIn(query: Query, conversationId: string, userIds: string[]): Promise<string[]> {
  const rows = await query<{ userId: string }>(
    `SELECT user_id AS "userId" FROM unnest($2::uuid[]) AS given (user_id)
      WHERE NOT EXISTS (SELECT FROM participants p
                         WHERE p.conversation_id = $1 AND p.user_id = given.user_id AND p.left_at IS NULL)
      ORDER BY user_id`,
    [conversationId, userIds],
  )
  return rows.map((row) => row.userId)
}

/** Gives back the first of the versions. A tombstone of an earlier stay makes way, with what was read in it. */
async function insert({ query, view, nextVersions }: Locked, userIds: string[], withHistory: boolean): Promise<number> {
  const from = await nextVersions(userIds.length)
  const visibleFrom = view.kind !== 'GROUP' || withHistory ? 1 : view.lastSeq + 1
  await query('DELETE FROM read_advances WHERE conversation_id = $1 AND user_id = ANY($2::uuid[])', [view.id, userIds])
  await query('DELETE FROM participants WHERE conversation_id = $1 AND user_id = ANY($2::uuid[])', [view.id, userIds])
  await query(
    `INSERT INTO participants (conversation_id, user_id, visible_from_seq, last_read_seq, version, joined_version)
          SELECT $1, user_id, $3, $4, $5 + place - 1, $5 + place - 1 FROM unnest($2::uuid[]) WITH ORDINALITY AS given (user_id, place)`,
    [view.id, userIds, visibleFrom, view.lastSeq, from],
  )
  await countParticipants(query, view.id, userIds.length)
  return from
}

async function countParticipants(query: Query, conversationId: string, more: number) {
  await query('UPDATE conversations SET participant_count = participant_count + $2 WHERE id = $1', [
    conversationId,
    more,
  ])
}

/** Takes a participant out, who then sees nothing of it any more. Taking out oneself is leaving. Gives back the view. */
export async function removeParticipant(
  ctx: RequestContext,
  input: { conversationId: string; userId: string },
): Promise<ConversationView> {
  const userId = requireUuid('User', input.userId, 'userId')
  if (userId === viewerId(ctx)) return leaveConversation(ctx, input.conversationId)
  const { view, changes } = await changeConversation(
    ctx,
    input.conversationId,
    'changeParticipants',
    async (locked) => {
      const participant = await requireParticipant(locked, userId)
      // Admins may remove one another, but only a service the owner.
      if (participant.role === 'OWNER' && locked.view.role !== null) {
        throw new ForbiddenError('The owner can only leave, or hand the conversation over.')
      }
      const changes = await end(locked, participant, 'REMOVED')
      const [view] = await loadConversations(ctx, [locked.view.id], locked.query)
      return { view: view!, changes }
    },
  )
  announceParticipants(ctx, view.id, changes)
  return view
}

/** Takes the viewer out, and gives back what was last seen. An owner's place passes to the longest-standing admin, else member. */
export async function leaveConversation(ctx: RequestContext, globalId: string): Promise<ConversationView> {
  const user = requireUser(ctx)
  const { view, changes } = await changeConversation(ctx, globalId, 'leave', async (locked) => {
    const changes = await end(locked, await requireParticipant(locked, user.id), 'LEFT')
    // What was last seen of it, but for messages: of these nothing is seen any more.
    return { view: { ...locked.view, visibleFromSeq: locked.view.lastSeq + 1 }, changes }
  })
  announceParticipants(ctx, view.id, changes)
  return view
}

/** Ends a participant's stay, with a tombstone; a version for it, and one for the new owner if there is one. */
async function end(
  { query, view, nextVersions }: Locked,
  { userId, ...participant }: ParticipantRow,
  change: 'LEFT' | 'REMOVED',
): Promise<ParticipantChanges> {
  const heir = participant.role === 'OWNER' ? await findHeir(query, view.id, userId) : undefined
  if (heir) await lockPlaces(query, view.id, [userId, heir.userId])
  const from = await nextVersions(heir ? 2 : 1)
  await query(
    `UPDATE participants SET left_at = now(), role = 'MEMBER', change = $3, version = $4, xid = pg_current_xact_id()
      WHERE conversation_id = $1 AND user_id = $2`,
    [view.id, userId, change, from],
  )
  if (heir) await writeRole(query, heir, 'OWNER', from + 1)
  await countParticipants(query, view.id, -1)
  const inherited = heir ? [{ userId: heir.userId, change: 'ROLE_CHANGED' as const }] : []
  return { from, participants: [{ userId, change }, ...inherited] }
}

/** In the order in which gathered read marks lock them, or the two could wait for each other. */
async function lockPlaces(query: Query, conversationId: string, userIds: string[]) {
  await query(
    `SELECT FROM participants WHERE conversation_id = $1 AND user_id = ANY($2::uuid[])
      ORDER BY user_id FOR NO KEY UPDATE`,
    [conversationId, userIds],
  )
}

async function findHeir(query: Query, conversationId: string, ownerId: string): Promise<ParticipantRow | undefined> {
  const [heir] = await query<ParticipantRow>(
    `SELECT ${PARTICIPANT_COLUMNS} FROM participants p
      WHERE p.conversation_id = $1 AND p.user_id <> $2 AND p.left_at IS NULL
      ORDER BY p.role = 'ADMIN' DESC, p.joined_at, p.user_id LIMIT 1`,
    [conversationId, ownerId],
  )
  return heir
}

/**
 * Gives a participant a role. OWNER hands the conversation over: the owner before becomes an ADMIN.
 * @throws BadUserInputError for taking the owner's role away without handing it over.
 */
export async function setParticipantRole(
  ctx: RequestContext,
  input: { conversationId: string; userId: string; role: ParticipantRole },
): Promise<ParticipantRow> {
  const userId = requireUuid('User', input.userId, 'userId')
  const { participant, changes } = await changeConversation(
    ctx,
    input.conversationId,
    'changeRoles',
    async (locked) => {
      const participant = await requireParticipant(locked, userId)
      if (participant.role === input.role) return { participant, changes: null }
      if (participant.role === 'OWNER') {
        throw new BadUserInputError('Make somebody else the owner instead; this one becomes an admin then.', 'role')
      }
      const { query, nextVersions } = locked
      const before = input.role === 'OWNER' ? await findOwner(locked) : undefined
      if (before) await lockPlaces(query, locked.view.id, [before.userId, userId])
      const from = await nextVersions(before ? 2 : 1)
      if (before) await writeRole(query, before, 'ADMIN', from + 1)
      await writeRole(query, participant, input.role, from)
      const participants = [participant, ...(before ? [before] : [])].map((each) => ({
        userId: each.userId,
        change: 'ROLE_CHANGED' as const,
      }))
      return { participant: { ...participant, role: input.role }, changes: { from, participants } }
    },
  )
  if (changes) announceParticipants(ctx, participant.conversationId, changes)
  return participant
}

async function findOwner({ query, view }: Locked): Promise<ParticipantRow | undefined> {
  const [owner] = await query<ParticipantRow>(
    `SELECT ${PARTICIPANT_COLUMNS} FROM participants p
      WHERE p.conversation_id = $1 AND p.role = 'OWNER' AND p.left_at IS NULL`,
    [view.id],
  )
  return owner
}

async function writeRole(
  query: Query,
  { conversationId, userId }: ParticipantRow,
  role: ParticipantRole,
  version: number,
) {
  await query(
    `UPDATE participants SET role = $3, change = 'ROLE_CHANGED', version = $4
      WHERE conversation_id = $1 AND user_id = $2`,
    [conversationId, userId, role, version],
  )
}

async function requireParticipant({ query, view }: Locked, userId: string): Promise<ParticipantRow> {
  const [participant] = await query<ParticipantRow>(
    `SELECT ${PARTICIPANT_COLUMNS} FROM participants p
      WHERE p.conversation_id = $1 AND p.user_id = $2 AND p.left_at IS NULL`,
    [view.id, userId],
  )
  if (!participant) throw new NotFoundError('This user is not in the conversation.', 'userId')
  return participant
}
