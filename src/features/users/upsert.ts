import { type RequestContext, requireService } from '../../context.ts'
import { UserType } from '../../db/generated/enums.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { isHttpUrl, requireText } from '../../lib/text.ts'
import { outlastLeases } from './leases.ts'
import { requireExternalId } from './service.ts'
import { profileOf, USER_COLUMNS, type UserRow } from './user.ts'
import { wordsOf } from './words.ts'

const MAX_NAME = 255
const MAX_EMAIL = 320
const MAX_URL = 2048
const MAX_UPSERT = 1000

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
