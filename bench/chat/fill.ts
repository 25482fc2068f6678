import { createHash } from 'node:crypto'
import pg from 'pg'
import type { Viewer } from './messages.ts'

// Users, conversations and messages by their numbers, so that nobody has to look up an id. Filled by one statement for
// each table, without the triggers and foreign keys that would look at every row.

/** A row of conversations that are alike. */
export interface Conversations {
  /** The number of the first one. */
  first?: number
  count: number
  /** In each: those of the users whose turn it is, so that each user is in about as many. */
  participants: number
  /** In each. */
  messages: number
}

export interface Shape {
  users: number
  conversations: Conversations[]
}

/** A message's text: about a hundred characters. */
export const BODY = 'Hello there, this is an ordinary chat message of about one hundred characters, give or take a few.'

/** The user of a number; its token's `sub` is its id. */
export function userOf(number: number): Viewer {
  const avatarUrl = `https://cdn.example.org/avatars/${number}.png`
  return { id: uuidOf('user', number), displayName: `User ${number}`, avatarUrl }
}

/** The id of a conversation in the database. */
export function conversationOf(number: number): string {
  return uuidOf('conversation', number)
}

function uuidOf(kind: string, number: number): string {
  const hex = createHash('md5').update(`${kind} ${number}`).digest('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** Fills a database that has been migrated. */
export async function fill(url: string, { users, conversations }: Shape): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query('SET session_replication_role = replica')
    await client.query(USERS, [users])
    for (const { first = 0, count, participants, messages } of conversations) {
      await client.query(CONVERSATIONS, [first, count, participants, messages])
      await client.query(PARTICIPANTS, [first, count, participants, messages, users])
      await client.query(MESSAGES, [first, count, participants, messages, users, BODY])
    }
    await client.query('VACUUM ANALYZE')
  } finally {
    await client.end()
  }
}

const USERS = `
  INSERT INTO users (id, external_id, username, display_name, avatar_url)
  SELECT md5('user ' || n)::uuid, md5('user ' || n)::uuid::text, 'user' || n, 'User ' || n,
         'https://cdn.example.org/avatars/' || n || '.png'
    FROM generate_series(0, $1::int - 1) AS n`

const CONVERSATIONS = `
  INSERT INTO conversations (id, kind, title, last_seq, version, details_version, message_count, participant_count,
                             last_message_at, activity_at)
  SELECT md5('conversation ' || n)::uuid, 'GROUP', 'Conversation ' || n, $4::int, $4::int + 1, 1, $4::int, $3::int,
         at, at
    FROM generate_series($1::int, $1::int + $2::int - 1) AS n,
         LATERAL (SELECT now() - n * interval '1 s' AS at) AS last`

const PARTICIPANTS = `
  INSERT INTO participants (conversation_id, user_id, version, last_read_seq)
  SELECT md5('conversation ' || n)::uuid, md5('user ' || (n * $3::int + place) % $5::int)::uuid, 1,
         greatest(0, $4::int - n / 10 % 10)
    FROM generate_series($1::int, $1::int + $2::int - 1) AS n, generate_series(0, $3::int - 1) AS place`

const MESSAGES = `
  INSERT INTO messages (conversation_id, seq, version, sender_id, body, created_at)
  SELECT md5('conversation ' || n)::uuid, seq, seq + 1,
         md5('user ' || (n * $3::int + seq % $3::int) % $5::int)::uuid, $6::text,
         now() - n * interval '1 s' - ($4::int - seq) * interval '1 min'
    FROM generate_series($1::int, $1::int + $2::int - 1) AS n, generate_series(1, $4::int) AS seq`
