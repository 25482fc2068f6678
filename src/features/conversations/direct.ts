import { type RequestContext, requireUser, viewerId } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { findNamedUser, type NamedUser, requireNamedUser, takesNoMessages } from '../users/service.ts'
import { type ConversationView, loadConversations } from './access.ts'
import { announceJoined } from './announce.ts'

/**
 * Opens the direct conversation of the viewer and another user, or returns the one that is there.
 * @throws ForbiddenError for a new one with a user who takes no messages.
 */
export async function startDirectConversation(
  ctx: RequestContext,
  named: NamedUser,
): Promise<{ conversation: ConversationView; created: boolean }> {
  const viewer = requireUser(ctx)
  const other = await requireNamedUser(ctx, named)
  if (other.id === viewer.id) {
    throw new BadUserInputError(
      'A direct conversation takes two different users.',
      named.userId ? 'userId' : 'externalId',
    )
  }
  const key = directKey(viewer.id, other.id)
  const { id, created } = await ctx.db.transaction(async (query) => {
    // There is no row to lock yet: the pair's key is locked instead, against whatever else is decided by pair.
    await lockKey(query, key)
    const [existing] = await query<{ id: string }>('SELECT id FROM conversations WHERE direct_key = $1', [key])
    // Also where no more may be written: what was written before stays readable.
    if (existing) return { id: existing.id, created: false }
    if (!(await takesMessages(ctx, viewer.id, other.id, query))) {
      throw takesNoMessages(named.userId ? 'userId' : 'externalId')
    }
    const id = newId(ctx.clock)
    await insertDirect(query, id, key, [viewer.id, other.id])
    return { id, created: true }
  })
  if (created) announceJoined(ctx, id, [viewer.id, other.id])
  const [conversation] = await loadConversations(ctx, [id])
  return { conversation: conversation!, created }
}

/**
 * Runs a change of what is between two users, in a transaction that holds the pair: its key, as there may be no row yet,
 * and the row of its direct conversation, as sends decide under that.
 */
export function lockPair<T>(ctx: RequestContext, key: string, change: (query: Query) => Promise<T>): Promise<T> {
  return ctx.db.transaction(async (query) => {
    await lockKey(query, key)
    await query('SELECT FROM conversations WHERE direct_key = $1 FOR NO KEY UPDATE', [key])
    return change(query)
  })
}

async function lockKey(query: Query, key: string): Promise<void> {
  await query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [key])
}

/** Whether a user may write to another one directly, as a send finds it. */
export async function takesMessages(
  ctx: RequestContext,
  userId: string,
  otherId: string,
  query: Query = ctx.db.query,
): Promise<boolean> {
  const [row] = await query<{ takes: boolean }>('SELECT takes_messages($1, $2, $3) AS takes', [
    userId,
    otherId,
    ctx.config.directMessages === 'contacts',
  ])
  return row!.takes
}

/** The row is version 1, its participants 2 and 3. */
async function insertDirect(query: Query, id: string, key: string, userIds: [string, string]) {
  await query(
    `INSERT INTO conversations (id, kind, direct_key, participant_count, version, details_version)
          VALUES ($1, 'DIRECT', $2, 2, 3, 1)`,
    [id, key],
  )
  await query(`INSERT INTO participants (conversation_id, user_id, version) VALUES ($1, $2, 2), ($1, $3, 3)`, [
    id,
    ...userIds,
  ])
}

/** The one direct conversation of the viewer and another user, or null; null to a service, which has none. */
export async function findDirectConversation(ctx: RequestContext, named: NamedUser): Promise<ConversationView | null> {
  const other = await findNamedUser(ctx, named)
  const viewer = viewerId(ctx)
  if (!other || viewer === null) return null
  const found = await ctx.db.prisma.conversation.findUnique({
    where: { directKey: directKey(viewer, other.id) },
    select: { id: true },
  })
  if (!found) return null
  const [conversation] = await loadConversations(ctx, [found.id])
  return conversation ?? null
}

/** Both ids in ascending order, so that either side makes the same key. */
export function directKey(one: string, other: string): string {
  return [one, other].sort().join('-')
}

/** The other one of a direct conversation; null to a service and in other kinds. */
export function directPeerId({ directKey, viewerId }: ConversationView): string | null {
  if (!directKey || !viewerId) return null
  const [one, other] = [directKey.slice(0, 36), directKey.slice(37)]
  return one === viewerId ? other : one
}
