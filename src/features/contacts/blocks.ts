import { type RequestContext, requireUser } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { parseBlockCursor } from '../../lib/cursors.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { directKey, lockPair } from '../conversations/direct.ts'
import { requireNamedUser } from '../users/service.ts'
import { USER_COLUMNS, type UserRow } from '../users/user.ts'

// A block stops new direct conversations and messages between two users, both ways: takes_messages() in the database
// says so to whatever opens or sends. The blocked one is told nothing.

/** Blocks a user; again, nothing changes. From the answer on no message of either is admitted. */
export function blockUser(ctx: RequestContext, userId: string): Promise<UserRow> {
  return change(ctx, userId, BLOCK)
}

/** Ends a block of the viewer's; where there is none, nothing changes. */
export function unblockUser(ctx: RequestContext, userId: string): Promise<UserRow> {
  return change(ctx, userId, 'DELETE FROM blocks WHERE blocker_id = $1 AND blocked_id = $2')
}

// The time is taken under the lock: no message of a direct conversation is later than it.
const BLOCK = `
  INSERT INTO blocks (blocker_id, blocked_id, created_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING`

async function change(ctx: RequestContext, userId: string, statement: string): Promise<UserRow> {
  const viewer = requireUser(ctx)
  const other = await requireNamedUser(ctx, { userId })
  if (other.id === viewer.id) throw new BadUserInputError('A block takes two different users.', 'userId')
  await lockPair(ctx, directKey(viewer.id, other.id), (query) => query(statement, [viewer.id, other.id]))
  return other
}

/** Whether the viewer blocks the other user, and whether the other one blocks the viewer. */
export async function blocksBetween(
  query: Query,
  viewer: string,
  other: string,
): Promise<{ mine: boolean; theirs: boolean }> {
  const [row] = await query<{ mine: boolean; theirs: boolean }>(
    `SELECT EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = $2) AS mine,
            EXISTS (SELECT FROM blocks WHERE blocker_id = $2 AND blocked_id = $1) AS theirs`,
    [viewer, other],
  )
  return row!
}

/** A user whom the viewer blocks, and since when. */
export type BlockedUser = UserRow & { blockedAt: Date }

/** Whom the viewer blocks, the newest first. */
export async function listBlocked(
  ctx: RequestContext,
  args: Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<BlockedUser>> {
  const viewer = requireUser(ctx)
  const request = requirePage(args)
  const after = request.after === undefined ? null : parseBlockCursor(request.after, 'after')
  const rows = await ctx.db.query<BlockedUser>(
    `SELECT ${USER_COLUMNS}, b.created_at AS "blockedAt"
       FROM blocks b JOIN users u ON u.id = b.blocked_id
      WHERE b.blocker_id = $1 AND (b.created_at, b.blocked_id) < ($2::timestamptz, $3::uuid)
      ORDER BY b.created_at DESC, b.blocked_id DESC LIMIT $4`,
    [
      viewer.id,
      after?.blockedAt ?? 'infinity',
      after?.userId ?? '00000000-0000-0000-0000-000000000000',
      request.limit + 1,
    ],
  )
  return pageOf(rows, request)
}
