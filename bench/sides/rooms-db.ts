import { execute } from '../../test/support/postgres.ts'
import { FIRST_VERSION, type Plan, SENDER_PROFILE } from './room.ts'

/** The conversations and users of a plan, the first of whom is in all; for Parley, which lets nobody follow a conversation that it isn't in. */
export function fillRooms(plan: Plan): (url: string) => Promise<void> {
  const { sockets, users, rooms } = plan
  const room = (n: string) => `('00000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`
  const user = (n: string) => `('00000000-0000-7000-9000-' || lpad(to_hex(${n}), 12, '0'))::uuid`
  return (url) =>
    execute(
      url,
      `INSERT INTO users (id, external_id, username, display_name, avatar_url, words)
            SELECT ${user('n')}, 'user-' || n, 'user-' || n, '${SENDER_PROFILE.displayName}', '${SENDER_PROFILE.avatarUrl}', '{}'
              FROM generate_series(0, ${users - 1}) AS n`,
      `INSERT INTO conversations (id, kind, version, details_version, participant_count)
            SELECT ${room('n')}, 'GENERAL', ${FIRST_VERSION}, ${FIRST_VERSION}, 0 FROM generate_series(0, ${rooms - 1}) AS n`,
      `INSERT INTO participants (conversation_id, user_id, version)
            SELECT ${room(`n % ${rooms}`)}, ${user(`n % ${users}`)}, ${FIRST_VERSION}
              FROM generate_series(0, ${sockets - 1}) AS n
             UNION
            SELECT ${room('n')}, ${user('0')}, ${FIRST_VERSION} FROM generate_series(0, ${rooms - 1}) AS n`,
      `UPDATE conversations AS c SET participant_count = p.count
         FROM (SELECT conversation_id, count(*) AS count FROM participants GROUP BY 1) AS p WHERE p.conversation_id = c.id`,
      'VACUUM ANALYZE users, conversations, participants',
    )
}
