import { announce } from '../../bus/announce.ts'
import { type RequestContext, requireService } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { NotFoundError } from '../../lib/errors.ts'
import { outlastLeases } from './leases.ts'
import { requireExternalId } from './service.ts'
import { USER_COLUMNS, type UserRow } from './user.ts'

// Whether a user is let in. For the host's back end alone.

/** Refuses the user's tokens from now on, and whatever others write to it. Again: nothing changes. */
export function deactivateUser(ctx: RequestContext, externalId: string): Promise<UserRow> {
  return change(
    ctx,
    externalId,
    'deactivated_at = coalesce(u.deactivated_at, $2::timestamptz)',
    new Date(ctx.clock.now()),
  )
}

/** Lets a deactivated user in again. */
export function reactivateUser(ctx: RequestContext, externalId: string): Promise<UserRow> {
  return change(ctx, externalId, 'deactivated_at = $2', null)
}

/** Refuses the user's tokens whose `iat` is before a time, which only ever moves forward, and ends their sockets. */
export function revokeTokens(ctx: RequestContext, externalId: string, issuedBefore: Date): Promise<UserRow> {
  return change(ctx, externalId, 'tokens_valid_from = greatest(u.tokens_valid_from, $2::timestamptz)', issuedBefore)
}

/** Those of these users, by internal id, who were deactivated or had tokens revoked. */
export async function readRefused(query: Query, userIds: readonly string[]): Promise<string[]> {
  const refused = await query<{ id: string }>(
    `SELECT id FROM users
      WHERE id = ANY($1::uuid[]) AND (deactivated_at IS NOT NULL OR tokens_valid_from IS NOT NULL)`,
    [userIds],
  )
  return refused.map(({ id }) => id)
}

async function change(ctx: RequestContext, externalId: string, set: string, value: Date | null): Promise<UserRow> {
  requireService(ctx)
  const [user] = await ctx.db.query<UserRow>(
    `UPDATE users u SET ${set}, updated_at = now() WHERE u.external_id = $1 RETURNING ${USER_COLUMNS}`,
    [requireExternalId(externalId, 'externalId'), value],
  )
  if (!user) throw new NotFoundError('There is no such user.', 'externalId')
  ctx.userLeases.forget(user.externalId)
  // Each node looks at its sockets of this user.
  announce(ctx, { type: 'standing', key: user.id })
  await outlastLeases()
  return user
}
