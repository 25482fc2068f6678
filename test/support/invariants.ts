// What must hold of the tables whenever nobody is writing, whichever operations ran and however many at once. Each is
// one statement that finds what breaks it.

/** All versions that rows of a conversation carry. */
const STAMPS = `(
  SELECT id AS conversation_id, details_version AS version FROM conversations
   UNION ALL SELECT conversation_id, version FROM participants
   UNION ALL SELECT conversation_id, version FROM messages)`

/** What messages tell of, and how many of them there are, at least and at most, by how far it has come. */
const SUBJECTS = `(
  SELECT 'DISPUTE'::message_kind AS kind, id, conversation_id, seq, status::text,
         CASE WHEN status = 'OPEN' THEN 1 ELSE 2 END AS fewest,
         CASE WHEN status = 'OPEN' THEN 1 WHEN status = 'UNDER_REVIEW' THEN 2 ELSE 3 END AS most FROM disputes
   UNION ALL
  SELECT 'PAYMENT', id, conversation_id, seq, status::text,
         CASE WHEN status = 'INITIATED' THEN 1 WHEN status = 'REFUNDED' THEN 3 ELSE 2 END,
         CASE WHEN status = 'INITIATED' THEN 1 WHEN status = 'PROCESSING' THEN 2 WHEN status = 'REFUNDED' THEN 4
              ELSE 3 END FROM payments
   UNION ALL
  SELECT 'JOB_UPDATE', id, conversation_id, seq, status, 1, 1 FROM job_updates)`

export const INVARIANTS = {
  'I4: the seqs of a conversation are 1 to n': `
    SELECT c.id, c.last_seq, min(m.seq), max(m.seq), count(m.seq)
      FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
     GROUP BY c.id
    HAVING count(m.seq) <> c.last_seq OR coalesce(max(m.seq), 0) <> c.last_seq OR coalesce(min(m.seq), 1) <> 1`,

  'I4: no two rows of a conversation share a version': `
    SELECT conversation_id, version, count(*) FROM ${STAMPS} AS stamps
     GROUP BY conversation_id, version HAVING count(*) > 1`,

  "I4: a conversation's version is its highest stamp": `
    SELECT c.id, c.version, max(stamps.version) FROM conversations c
      JOIN ${STAMPS} AS stamps ON stamps.conversation_id = c.id
     GROUP BY c.id HAVING max(stamps.version) <> c.version`,

  // A row that changes again leaves a version that no row carries any more, so that a gap shows only where none did.
  // Whoever came later may have been there before, whose earlier row is gone.
  'I4: the versions of a conversation that was only sent to have no gap': `
    SELECT c.id, c.version, count(*) AS stamped FROM conversations c
      JOIN ${STAMPS} AS stamps ON stamps.conversation_id = c.id
     WHERE c.details_version = 1
       AND NOT EXISTS (SELECT FROM participants p WHERE p.conversation_id = c.id
                          AND (p.change <> 'JOINED' OR p.joined_at > c.created_at))
       AND NOT EXISTS (SELECT FROM messages m WHERE m.conversation_id = c.id
                          AND (m.edited_at IS NOT NULL OR m.deleted_at IS NOT NULL))
     GROUP BY c.id HAVING count(*) <> c.version`,

  'I4: each change of a row took a version of its own': `
    SELECT c.id, c.version FROM conversations c
     WHERE c.version < 1 + (c.details_version > 1)::int
         + (SELECT count(*) + count(*) FILTER (WHERE change <> 'JOINED') FROM participants p WHERE p.conversation_id = c.id)
         + (SELECT count(*) + count(m.edited_at) + count(m.deleted_at) FROM messages m WHERE m.conversation_id = c.id)`,

  'I13: the unread count is what counting gives': `
    SELECT * FROM (
      SELECT p.conversation_id, p.user_id,
             greatest(0, c.last_seq - greatest(p.last_read_seq, p.visible_from_seq - 1)) AS computed,
             (SELECT count(*) FROM messages m WHERE m.conversation_id = p.conversation_id
                 AND m.seq > p.last_read_seq AND m.seq >= p.visible_from_seq) AS counted
        FROM participants p JOIN conversations c ON c.id = p.conversation_id
       WHERE p.left_at IS NULL) AS unread
     WHERE computed <> counted`,

  'I14: positions are within the head': `
    SELECT p.conversation_id, p.user_id, p.last_read_seq, p.visible_from_seq, p.archived_seq, c.last_seq
      FROM participants p JOIN conversations c ON c.id = p.conversation_id
     WHERE p.last_read_seq NOT BETWEEN 0 AND c.last_seq OR p.visible_from_seq NOT BETWEEN 1 AND c.last_seq + 1
        OR p.archived_seq NOT BETWEEN 0 AND c.last_seq`,

  'I14: advances lead forward, no further than the position': `
    SELECT a.*, p.last_read_seq FROM read_advances a
      LEFT JOIN participants p ON p.conversation_id = a.conversation_id AND p.user_id = a.user_id
     WHERE a.from_seq NOT BETWEEN 0 AND a.seq - 1 OR a.seq > coalesce(p.last_read_seq, 0)`,

  'participant_count counts those who have not left': `
    SELECT c.id, c.participant_count FROM conversations c
     WHERE c.participant_count <> (SELECT count(*) FROM participants p
                                    WHERE p.conversation_id = c.id AND p.left_at IS NULL)`,

  'message_count counts the messages that are not deleted': `
    SELECT c.id, c.message_count FROM conversations c
     WHERE c.message_count <> (SELECT count(*) FROM messages m
                                WHERE m.conversation_id = c.id AND m.deleted_at IS NULL)`,

  'last_message_at and activity_at are of the newest message': `
    SELECT c.id, c.last_message_at, c.activity_at, m.created_at FROM conversations c
      LEFT JOIN messages m ON m.conversation_id = c.id AND m.seq = c.last_seq
     WHERE c.last_message_at IS DISTINCT FROM m.created_at OR c.activity_at <> coalesce(m.created_at, c.created_at)`,

  'one owner at most: none who has left, none in DIRECT': `
    SELECT c.id, c.kind, count(*) AS owners FROM conversations c JOIN participants p ON p.conversation_id = c.id
     WHERE p.role = 'OWNER'
     GROUP BY c.id HAVING count(*) > 1 OR bool_or(p.left_at IS NOT NULL) OR c.kind = 'DIRECT'`,

  'direct conversations have exactly two, whose ids are the key': `
    SELECT c.id, c.kind, c.direct_key, count(p.user_id) FROM conversations c
      LEFT JOIN participants p ON p.conversation_id = c.id AND p.left_at IS NULL AND c.kind = 'DIRECT'
     GROUP BY c.id
    HAVING c.direct_key IS DISTINCT FROM string_agg(p.user_id::text, '-' ORDER BY p.user_id)
        OR count(p.user_id) <> CASE WHEN c.kind = 'DIRECT' THEN 2 ELSE 0 END`,

  'JOB conversations, and no others, have an opening key': `
    SELECT id, kind, opening_key FROM conversations WHERE (opening_key IS NOT NULL) <> (kind = 'JOB')`,

  'who has left is told so, and nobody else': `
    SELECT conversation_id, user_id, left_at, change FROM participants
     WHERE (left_at IS NOT NULL) <> (change IN ('LEFT', 'REMOVED'))`,

  'whoever sent a message is or was in the conversation': `
    SELECT m.conversation_id, m.seq, m.sender_id FROM messages m
     WHERE m.sender_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM participants p WHERE p.conversation_id = m.conversation_id AND p.user_id = m.sender_id)`,

  'a deleted message says nothing, and neither do its revisions': `
    SELECT m.conversation_id, m.seq FROM messages m
     WHERE m.deleted_at IS NOT NULL AND (m.body IS NOT NULL OR m.metadata <> '{}' OR EXISTS (
             SELECT FROM message_revisions r WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq))`,

  'what a message said before is kept if it was edited, and only then': `
    SELECT m.conversation_id, m.seq FROM messages m
     WHERE m.deleted_at IS NULL AND (m.edited_at IS NOT NULL) <> EXISTS (
             SELECT FROM message_revisions r WHERE r.conversation_id = m.conversation_id AND r.seq = m.seq)`,

  'what a message said before carries an earlier version, and says something': `
    SELECT r.conversation_id, r.seq, r.version, m.version AS now FROM message_revisions r
      JOIN messages m ON m.conversation_id = r.conversation_id AND m.seq = r.seq
     WHERE r.version >= m.version OR r.body IS NULL`,

  'replies are to earlier messages': `
    SELECT conversation_id, seq, reply_to_seq FROM messages WHERE reply_to_seq NOT BETWEEN 1 AND seq - 1`,

  'I18: each dispute, payment and job update has its first message where it says': `
    SELECT s.kind, s.id, s.seq FROM ${SUBJECTS} AS s
     WHERE NOT EXISTS (SELECT FROM messages m WHERE m.conversation_id = s.conversation_id AND m.seq = s.seq
                          AND m.subject_id = s.id AND m.kind = s.kind)
        OR EXISTS (SELECT FROM messages m WHERE m.conversation_id = s.conversation_id AND m.seq < s.seq
                      AND m.subject_id = s.id)`,

  'I18: each change of a dispute, payment or job update has one message': `
    SELECT s.kind, s.id, s.status, count(m.seq) FROM ${SUBJECTS} AS s
      LEFT JOIN messages m ON m.conversation_id = s.conversation_id AND m.subject_id = s.id
     GROUP BY s.kind, s.id, s.status HAVING count(m.seq) NOT BETWEEN min(s.fewest) AND min(s.most)`,

  'I18: each message of a kind that tells of something has it, and no other does': `
    SELECT m.conversation_id, m.seq, m.kind, m.subject_id FROM messages m
     WHERE (m.kind IN ('DISPUTE', 'PAYMENT', 'JOB_UPDATE')) <> (m.subject_id IS NOT NULL)
        OR (m.subject_id IS NOT NULL AND NOT EXISTS (
             SELECT FROM ${SUBJECTS} AS s
              WHERE s.id = m.subject_id AND s.kind = m.kind AND s.conversation_id = m.conversation_id))`,

  'contacts are of two, whose ids are the key, and answered or not': `
    SELECT id, pair_key, status, responded_at, is_hidden FROM contacts
     WHERE pair_key <> least(requester_id, addressee_id)::text || '-' || greatest(requester_id, addressee_id)::text
        OR requester_id = addressee_id OR (status = 'PENDING') <> (responded_at IS NULL)
        OR (is_hidden AND status <> 'PENDING')`,

  'users are found by their words': `
    SELECT u.id, u.words FROM users u
     WHERE ARRAY(SELECT word FROM unnest(u.words) AS word ORDER BY word COLLATE "C")
        <> ARRAY(SELECT word::text FROM user_words w WHERE w.user_id = u.id ORDER BY word)`,
} as const satisfies Record<string, string>

/** So many rows of each are shown. */
const SHOWN = 3

/** Everything in the tables that breaks an invariant, as lines to read; empty if all is well. */
export async function checkInvariants(query: (sql: string) => Promise<object[]>): Promise<string[]> {
  const violations: string[] = []
  for (const [invariant, sql] of Object.entries(INVARIANTS)) {
    const rows = await query(`${sql} LIMIT ${SHOWN}`)
    violations.push(...rows.map((row) => `${invariant}: ${JSON.stringify(row)}`))
  }
  return violations
}
