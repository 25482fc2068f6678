import type { AppContext, RequestContext } from '../../context.ts'
import type { Db } from '../../db/client.ts'
import { createBatcher } from '../../lib/batch.ts'
import { BadUserInputError, ForbiddenError, NotFoundError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { requireText } from '../../lib/text.ts'
import { USER_COLUMNS, type UserRow } from './user.ts'
import { wordsOf } from './words.ts'

/** What a token says of its user; a claim left out stays as it is. */
export interface ProfileClaims {
  sub: string
  /** Seconds since the epoch. */
  issuedAt: number | null
  name?: string | undefined
  username?: string | undefined
  picture?: string | undefined
  email?: string | undefined
  role?: string | undefined
}

/**
 * The user of a verified token: made by its first one, refreshed by a later one that says something else, unless the
 * profile was taken from a token issued after this one.
 */
export async function userOfToken(app: AppContext, claims: ProfileClaims): Promise<UserRow> {
  const { db, clock, findUser, userLeases } = app
  const known = await userLeases.find(claims.sub)
  if (known && !needsRefresh(known, claims)) return known
  const words = wordsOf(
    claims.username ?? known?.username ?? claims.sub,
    claims.name ?? known?.displayName ?? claims.username ?? claims.sub,
  )
  const [written] = await db.query<UserRow>(
    `INSERT INTO users AS u (id, external_id, username, display_name, avatar_url, email, role, profile_issued_at, words)
          VALUES ($1, $2, coalesce($3, $2), coalesce($4, $3, $2), $5, $6, $7, to_timestamp($8::double precision), $9)
     ON CONFLICT (external_id) DO UPDATE
             SET username = coalesce($3, u.username), display_name = coalesce($4, u.display_name), words = $9,
                 avatar_url = coalesce($5, u.avatar_url), email = coalesce($6, u.email), role = coalesce($7, u.role),
                 profile_issued_at = coalesce(EXCLUDED.profile_issued_at, u.profile_issued_at), updated_at = now()
           WHERE u.profile_issued_at IS NULL OR u.profile_issued_at <= EXCLUDED.profile_issued_at
       RETURNING ${USER_COLUMNS}`,
    [
      newId(clock),
      claims.sub,
      claims.username ?? null,
      claims.name ?? null,
      claims.picture ?? null,
      claims.email ?? null,
      claims.role ?? null,
      claims.issuedAt,
      words,
    ],
  )
  userLeases.forget(claims.sub)
  if (written) await correctWords(db, written, words)
  // A simultaneous request with a newer token was first: what it wrote stands.
  return written ?? (await findUser(claims.sub))!
}

/** Names may have been written in between that the words don't know of. */
async function correctWords(db: Db, { id, username, displayName }: UserRow, words: string[]) {
  const right = wordsOf(username, displayName)
  if (right.join() === words.join()) return
  await db.query('UPDATE users SET words = $4 WHERE id = $1 AND username = $2 AND display_name = $3', [
    ...[id, username, displayName],
    right,
  ])
}

function needsRefresh(user: UserRow, claims: ProfileClaims): boolean {
  const says = [
    [claims.name, user.displayName],
    [claims.username, user.username],
    [claims.picture, user.avatarUrl],
    [claims.email, user.email],
    [claims.role, user.role],
  ]
  const differs = says.some(([said, known]) => said !== undefined && said !== known)
  if (!differs || !user.profileIssuedAt) return differs
  return claims.issuedAt !== null && claims.issuedAt * 1000 >= user.profileIssuedAt.getTime()
}

/** The user that the host application knows by this id, or null. */
export type FindUser = (externalId: string) => Promise<UserRow | null>

/** Most requests look for a user: those that come at once do so together. */
export function createFindUser(db: Db): FindUser {
  return createBatcher(
    async (externalIds: readonly string[]) => {
      const users = await db.query<UserRow>(
        `SELECT ${USER_COLUMNS} FROM users u WHERE u.external_id = ANY($1::text[])`,
        [externalIds],
      )
      const byExternalId = new Map(users.map((user) => [user.externalId, user]))
      return externalIds.map((externalId) => byExternalId.get(externalId) ?? null)
    },
    (externalId) => externalId,
  )
}

/** A user named by its global id or by the host's id, one of the two. */
export interface NamedUser {
  userId?: string | null | undefined
  externalId?: string | null | undefined
}

/** The user named by its id or its externalId, one of the two. @throws BadUserInputError, NotFoundError. */
export async function requireNamedUser(ctx: RequestContext, named: NamedUser): Promise<UserRow> {
  const user = await findNamedUser(ctx, named)
  if (!user) throw new NotFoundError('There is no such user.', named.userId ? 'userId' : 'externalId')
  return user
}

/** Like requireNamedUser, with null where there is no such user. */
export async function findNamedUser(
  { db, findUser }: RequestContext,
  { userId, externalId }: NamedUser,
): Promise<UserRow | null> {
  if ((userId == null) === (externalId == null)) {
    throw new BadUserInputError('Name the user by userId or by externalId, one of the two.', 'userId')
  }
  if (externalId != null) return findUser(requireExternalId(externalId, 'externalId'))
  return db.prisma.user.findUnique({ where: { id: requireUuid('User', userId!, 'userId') } })
}

/** Users that a list names, by ids or by externalIds. */
export interface NamedUsers {
  ids?: readonly string[] | null | undefined
  externalIds?: readonly string[] | null | undefined
}

/** The most users that a list may name, and that a conversation may have. */
export const MAX_USERS = 1000

/**
 * The users of a list, all of them or none. `fields` are the names of the two lists in the input.
 * @throws BadUserInputError for both lists, an empty one, one of over 1,000, or a user twice; NotFoundError for an
 * unknown one.
 */
export async function requireUsers(
  { db }: RequestContext,
  { ids, externalIds }: NamedUsers,
  fields: { ids: string; externalIds: string },
): Promise<UserRow[]> {
  if (ids && externalIds) {
    throw new BadUserInputError(
      `Name the users by ${fields.ids} or by ${fields.externalIds}, one of the two.`,
      fields.ids,
    )
  }
  const field = externalIds ? fields.externalIds : fields.ids
  const named = ids ?? externalIds ?? []
  if (named.length === 0) throw new BadUserInputError(`${field} must not be empty.`, field)
  if (named.length > MAX_USERS) throw new BadUserInputError(`${field} must hold at most ${MAX_USERS}.`, field)
  if (new Set(named).size < named.length) throw new BadUserInputError(`${field} names the same user twice.`, field)
  const found = externalIds
    ? await db.prisma.user.findMany({ where: { externalId: { in: named.map((id) => requireExternalId(id, field)) } } })
    : await db.prisma.user.findMany({ where: { id: { in: named.map((id) => requireUuid('User', id, field)) } } })
  if (found.length < named.length) throw new NotFoundError('There is no such user.', field)
  return found
}

/** Nobody can write to one who was deactivated. @throws ForbiddenError naming `field`. */
export function requireActive(users: readonly UserRow[], field: string): void {
  if (users.some((user) => user.deactivatedAt)) throw takesNoMessages(field)
}

/** The same whether the user was deactivated or, for whatever reason, can't be written to by the viewer. */
export function takesNoMessages(field: string): ForbiddenError {
  return new ForbiddenError('This user takes no messages.', field)
}

/** Users by internal id, in the order of the ids; null where there is none. */
export async function loadUsers({ db }: RequestContext, ids: readonly string[]): Promise<(UserRow | null)[]> {
  const users = await db.query<UserRow>(`SELECT ${USER_COLUMNS} FROM users u WHERE u.id = ANY($1::uuid[])`, [ids])
  const byId = new Map(users.map((user) => [user.id, user]))
  return ids.map((id) => byId.get(id) ?? null)
}

const MAX_EXTERNAL_ID = 255

/** @throws BadUserInputError naming `field`. */
export function requireExternalId(externalId: string, field: string): string {
  return requireText(externalId, field, MAX_EXTERNAL_ID)
}
