import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { checkInvariants, type INVARIANTS } from './invariants.ts'
import { seedDatabase } from './seed.ts'

let database: TestDatabase
let client: pg.Client
const query = async (sql: string) => (await client.query<Record<string, unknown>>(sql)).rows

beforeAll(async () => {
  database = await createTestDatabase()
  await seedDatabase(database.url)
  client = new pg.Client(database.url)
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await database.drop()
})

const one = (where: string) => `(SELECT id FROM conversations WHERE ${where} ORDER BY id LIMIT 1)`
const direct = one(`kind = 'DIRECT' AND last_seq > 5`)
const owned = `(SELECT conversation_id FROM participants p
                 WHERE role = 'OWNER' AND EXISTS (SELECT FROM participants o WHERE o.conversation_id = p.conversation_id
                                                     AND o.role = 'MEMBER' AND o.left_at IS NULL) LIMIT 1)`

/** Keeps an earlier body of a message. */
function insertRevision(seq: number, version: number): string {
  return `INSERT INTO message_revisions (conversation_id, seq, version, body, replaced_at)
          VALUES (${direct}, ${seq}, ${version}, 'before', now())`
}

function insertDispute(status: string): string {
  return `INSERT INTO disputes (id, conversation_id, seq, reason, status)
          VALUES (gen_random_uuid(), ${direct}, 1, 'reason', '${status}')`
}

/** One way to break each. */
const FAULTS: Record<keyof typeof INVARIANTS, string> = {
  'I4: the seqs of a conversation are 1 to n': `DELETE FROM messages WHERE seq = 3`,
  'I4: no two rows of a conversation share a version': `UPDATE messages SET version = version - 1 WHERE seq = 4`,
  "I4: a conversation's version is its highest stamp": `UPDATE conversations SET version = version + 1 WHERE id = ${direct}`,
  'I4: the versions of a conversation that was only sent to have no gap': `
    WITH raised AS (UPDATE conversations c SET version = version + 1 WHERE last_seq > 0)
    UPDATE messages m SET version = m.version + 1
      FROM conversations c WHERE c.id = m.conversation_id AND m.seq = c.last_seq`,
  'I4: each change of a row took a version of its own': `UPDATE conversations SET version = last_seq`,
  'I13: the unread count is what counting gives': `UPDATE conversations SET last_seq = last_seq + 1 WHERE id = ${direct}`,
  'I14: positions are within the head': `UPDATE participants SET last_read_seq = 1000000 WHERE conversation_id = ${direct}`,
  'I14: advances lead forward, no further than the position': `UPDATE participants SET last_read_seq = 0`,
  'participant_count counts those who have not left': `UPDATE conversations SET participant_count = 3 WHERE id = ${direct}`,
  'message_count counts the messages that are not deleted': `UPDATE conversations SET message_count = 3 WHERE id = ${direct}`,
  'last_message_at and activity_at are of the newest message': `UPDATE conversations SET activity_at = now() WHERE id = ${direct}`,
  'one owner at most: none who has left, none in DIRECT': `UPDATE participants SET role = 'OWNER' WHERE conversation_id = ${owned}`,
  'direct conversations have exactly two, whose ids are the key': `
    UPDATE participants SET left_at = now()
     WHERE conversation_id = ${direct} AND user_id = (SELECT user_id FROM participants WHERE conversation_id = ${direct} LIMIT 1)`,
  'JOB conversations, and no others, have an opening key': `UPDATE conversations SET opening_key = NULL WHERE kind = 'JOB'`,
  'who has left is told so, and nobody else': `UPDATE participants SET change = 'LEFT' WHERE conversation_id = ${direct}`,
  'whoever sent a message is or was in the conversation': `DELETE FROM participants WHERE conversation_id = ${direct}`,
  'a deleted message says nothing, and neither do its revisions': `
    UPDATE messages SET deleted_at = now(), body = NULL WHERE conversation_id = ${direct} AND seq = 1;
    ${insertRevision(1, 0)}`,
  'what a message said before is kept if it was edited, and only then': `
    UPDATE messages SET edited_at = now() WHERE conversation_id = ${direct} AND seq = 1`,
  'what a message said before carries an earlier version, and says something': insertRevision(1, 1000000),
  'replies are to earlier messages': `UPDATE messages SET reply_to_seq = seq WHERE conversation_id = ${direct}`,
  'I18: each dispute, payment and job update has its first message where it says': insertDispute('OPEN'),
  'I18: each change of a dispute, payment or job update has one message': `
    ${insertDispute('RESOLVED')};
    UPDATE messages SET kind = 'DISPUTE', subject_id = (SELECT id FROM disputes)
     WHERE conversation_id = ${direct} AND seq = 1`,
  'I18: each message of a kind that tells of something has it, and no other does': `
    UPDATE messages SET kind = 'PAYMENT' WHERE conversation_id = ${direct} AND seq = 1`,
  'contacts are of two, whose ids are the key, and answered or not': `
    INSERT INTO contacts (id, pair_key, requester_id, addressee_id)
    SELECT gen_random_uuid(), 'key', one.id, other.id FROM users one, users other WHERE one.id < other.id LIMIT 1`,
  'users are found by their words': `DELETE FROM user_words WHERE word = 'ada'`,
}

test('nothing is found where all is well', async () => {
  expect(await checkInvariants(query)).toEqual([])
})

test.each(Object.entries(FAULTS))('found when broken: %s', async (invariant, fault) => {
  await query('BEGIN')
  try {
    await query(fault)
    const violations = await checkInvariants(query)
    expect(violations.filter((violation) => violation.startsWith(invariant))).not.toEqual([])
  } finally {
    await query('ROLLBACK')
  }
})
