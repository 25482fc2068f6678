import { type AppContext, type RequestContext, requireService } from '../../context.ts'
import type { Db } from '../../db/client.ts'
import { UserType } from '../../db/generated/enums.ts'
import { createBatcher } from '../../lib/batch.ts'
import { BadUserInputError, ForbiddenError, NotFoundError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { isHttpUrl, requireText } from '../../lib/text.ts'
import { outlastLeases } from './leases.ts'
import { profileOf, USER_COLUMNS, type UserRow } from './user.ts'
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
const MAX_NAME = 255
const MAX_EMAIL = 320
const MAX_URL = 2048
const MAX_UPSERT = 1000

/** @throws BadUserInputError naming `field`. */
export function requireExternalId(externalId: string, field: string): string {
  return requireText(externalId, field, MAX_EXTERNAL_ID)
}

/** In an update a field left out stays as it is; null clears it, to the externalId where there must be one. */
export interface UserUpsert {
  externalId: string
  username?: string | null | undefined
  displayName?: string | null | undefined
  email?: string | null | undefined
  avatarUrl?: string | null | undefined
  role?: string | null | undefined
  type?: UserType | null | undefined
}

/** Creates or updates users for the host's back end, all or none; gives them back in the order they came in. */
export async function upsertUsers(ctx: RequestContext, users: UserUpsert[]): Promise<UserRow[]> {
  requireService(ctx)
  if (users.length === 0) throw new BadUserInputError('users must not be empty.', 'users')
  if (users.length > MAX_UPSERT) throw new BadUserInputError(`users must hold at most ${MAX_UPSERT}.`, 'users')
  const given = users.map(checkUpsert)
  const externalIds = given.map((user) => user.externalId)
  if (new Set(externalIds).size < externalIds.length) {
    throw new BadUserInputError('users names the same externalId twice.', 'users')
  }
  const { rows, changed } = await ctx.db.transaction(async (query) => {
    // In one order, so that two simultaneous calls with the same users wait for each other instead of deadlocking.
    const inserted = await query<Pick<UserRow, 'id'>>(
      `INSERT INTO users (id, external_id, username, display_name)
            SELECT id, external_id, coalesce(username, external_id), coalesce(display_name, username, external_id)
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                   AS given (id, external_id, username, display_name) ORDER BY external_id
       ON CONFLICT (external_id) DO NOTHING
       RETURNING id`,
      [
        given.map(() => newId(ctx.clock)),
        externalIds,
        given.map((user) => user.username),
        given.map((user) => user.displayName),
      ],
    )
    const before = await query<UserRow>(
      `SELECT ${USER_COLUMNS} FROM users u WHERE u.external_id = ANY($1) ORDER BY u.external_id FOR NO KEY UPDATE`,
      [externalIds],
    )
    const updated = await query<UserRow>(UPDATE_GIVEN, [
      JSON.stringify(given),
      new Date(Math.floor(ctx.clock.now() / 1000) * 1000),
    ])
    const words = updated.map((user) => ({ id: user.id, words: wordsOf(user.username, user.displayName) }))
    await query(UPDATE_WORDS, [JSON.stringify(words)])
    const isNew = new Set(inserted.map(({ id }) => id))
    const known = before.filter(({ id }) => !isNew.has(id))
    return { rows: updated, changed: haveOtherProfiles(known, updated) }
  })
  for (const externalId of externalIds) ctx.userLeases.forget(externalId)
  // Or a user's next message, sent by way of another node, could bring the old name back to those who see it.
  if (changed) await outlastLeases()
  const byExternalId = new Map(rows.map((row) => [row.externalId, row]))
  return externalIds.map((externalId) => byExternalId.get(externalId)!)
}

function haveOtherProfiles(before: readonly UserRow[], after: readonly UserRow[]): boolean {
  const byId = new Map(after.map((user) => [user.id, JSON.stringify(profileOf(user))]))
  return before.some((user) => byId.get(user.id) !== JSON.stringify(profileOf(user)))
}

// profile_issued_at: what the host says now is newer than what any token said that it issued before.
const UPDATE_GIVEN = `
  UPDATE users u
     SET username = CASE WHEN given ? 'username' THEN coalesce(given->>'username', u.external_id) ELSE u.username END,
         display_name = CASE WHEN given ? 'displayName' THEN coalesce(given->>'displayName', given->>'username',
                               CASE WHEN given ? 'username' THEN u.external_id ELSE u.username END)
                             ELSE u.display_name END,
         email = CASE WHEN given ? 'email' THEN given->>'email' ELSE u.email END,
         avatar_url = CASE WHEN given ? 'avatarUrl' THEN given->>'avatarUrl' ELSE u.avatar_url END,
         role = CASE WHEN given ? 'role' THEN given->>'role' ELSE u.role END,
         type = CASE WHEN given ? 'type' THEN (given->>'type')::user_type ELSE u.type END,
         profile_issued_at = $2, updated_at = now()
    FROM jsonb_array_elements($1::jsonb) AS given
   WHERE u.external_id = given->>'externalId'
  RETURNING ${USER_COLUMNS}`

const UPDATE_WORDS = `
  UPDATE users u SET words = ARRAY(SELECT jsonb_array_elements_text(given->'words'))
    FROM jsonb_array_elements($1::jsonb) AS given WHERE u.id = (given->>'id')::uuid`

function checkUpsert(user: UserUpsert): UserUpsert {
  requireExternalId(user.externalId, 'users.externalId')
  const limits = {
    username: MAX_NAME,
    displayName: MAX_NAME,
    email: MAX_EMAIL,
    avatarUrl: MAX_URL,
    role: MAX_NAME,
  } as const
  for (const [field, max] of Object.entries(limits)) {
    const value = user[field as keyof typeof limits]
    if (typeof value === 'string') requireText(value, `users.${field}`, max)
  }
  if (user.avatarUrl && !isHttpUrl(user.avatarUrl)) {
    throw new BadUserInputError('users.avatarUrl must be an http or https URL.', 'users.avatarUrl')
  }
  return user.type === null ? { ...user, type: UserType.HUMAN } : user
}
