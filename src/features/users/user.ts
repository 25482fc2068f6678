import type { User } from '../../db/generated/client.ts'

/** A user as the services pass it on. */
export type UserRow = Omit<User, 'words' | 'createdAt' | 'updatedAt'>

/** The columns of a UserRow, for statements that name the table `u`. */
export const USER_COLUMNS = `u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email,
  u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt",
  u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom"`

/** Those of a UserProfile, the same way. */
export const PROFILE_COLUMNS = `u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName",
  u.avatar_url AS "avatarUrl", u.role, u.type`

/** What anybody may see of a user; it travels in live events. */
export type UserProfile = Pick<
  UserRow,
  'id' | 'externalId' | 'username' | 'displayName' | 'avatarUrl' | 'role' | 'type'
>

/** A user without what is nobody else's business. */
export function profileOf({ id, externalId, username, displayName, avatarUrl, role, type }: UserRow): UserProfile {
  return { id, externalId, username, displayName, avatarUrl, role, type }
}
