import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Scene, send, startDirect, startScene, usersOf } from './features/support.ts'
import { ConversationsInFullDocument, MessagesDocument } from './generated/graphql.ts'
import type { TestClient } from './support/app.ts'
import { isOfRequest } from './support/statements.ts'

// What lists cost: a fixed number of statements, whatever their size. A snapshot that grows says that somebody has put a
// statement into a row.

const CONVERSATIONS = 50
const MESSAGES = 60

let scene: Scene
let ada: TestClient
/** With more messages than a page may hold, from both sides in turn. */
let id: string
const statements: string[] = []

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql) => statements.push(sql) } })
  const names = Array.from({ length: CONVERSATIONS }, (_, index) => `peer-${index}`)
  ;[ada] = await usersOf(scene, 'ada', ...names)
  const ids = await Promise.all(
    names.map(async (name) => {
      const conversationId = await startDirect(ada, name)
      await send(ada, conversationId, 'hello')
      await send(scene.as(name), conversationId, 'hello, Ada')
      return conversationId
    }),
  )
  id = ids[0]!
  for (let number = 0; number < MESSAGES; number++) await send(number % 2 ? ada : scene.as('peer-0'), id, `${number}`)
})
afterAll(() => scene.close())

/**
 * The statements of one request, each on one line, sorted: those of different fields go out side by side. Of Prisma's
 * lists it is left out how many values they have.
 */
async function statementsOf(request: () => Promise<unknown>): Promise<string[]> {
  statements.length = 0
  await request()
  return statements
    .filter(isOfRequest)
    .map((sql) =>
      sql
        .replace(/ IN \(\$\d+(,\$\d+)*\) OFFSET \$\d+$/, ' IN (…)')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .sort()
}

describe('conversations, each with its last message, participants, state and messages', () => {
  const page = async (first: number) => {
    const { conversations } = await ada.run(ConversationsInFullDocument, { first })
    expect(conversations!.edges).toHaveLength(first)
    for (const { node } of conversations!.edges) {
      expect(node.participants.edges).toHaveLength(2)
      expect(node.messages.edges.length).toBeGreaterThan(1)
      expect(node.lastMessage!.sender).not.toBeNull()
    }
  }

  test('take these statements', async () => {
    expect(await statementsOf(() => page(2))).toMatchInlineSnapshot(`
      [
        "SELECT m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId", m.kind, m.body, m.metadata, m.reply_to_seq AS "replyToSeq", m.subject_id AS "subjectId", m.idempotency_key AS "idempotencyKey", m.created_at AS "createdAt", m.edited_at AS "editedAt", m.deleted_at AS "deletedAt" FROM unnest($1::uuid[], $2::int[]) AS wanted (conversation_id, seq) JOIN messages m USING (conversation_id, seq) WHERE EXISTS ( SELECT FROM conversations c LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = $3::uuid AND p.left_at IS NULL WHERE c.id = m.conversation_id AND c.deleted_at IS NULL AND ($3::uuid IS NULL OR m.seq >= p.visible_from_seq))",
        "SELECT m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId", m.kind, m.body, m.metadata, m.reply_to_seq AS "replyToSeq", m.subject_id AS "subjectId", m.idempotency_key AS "idempotencyKey", m.created_at AS "createdAt", m.edited_at AS "editedAt", m.deleted_at AS "deletedAt" FROM unnest($1::uuid[], $2::int[], $3::int[]) AS wanted (conversation_id, low, high) JOIN messages m ON m.conversation_id = wanted.conversation_id AND m.seq BETWEEN wanted.low AND wanted.high ORDER BY m.conversation_id, m.seq",
        "SELECT page.* FROM unnest($1::uuid[]) AS wanted (id) CROSS JOIN LATERAL ( SELECT p.conversation_id AS "conversationId", p.user_id AS "userId", p.role, p.joined_at AS "joinedAt", p.last_read_seq AS "lastReadSeq", p.last_read_at AS "lastReadAt" FROM participants p WHERE p.conversation_id = wanted.id AND p.left_at IS NULL AND (p.joined_at, p.user_id) > ($2::timestamptz, $3::uuid) AND (p.joined_at, p.user_id) < ($4::timestamptz, $5::uuid) ORDER BY p.joined_at ASC, p.user_id ASC LIMIT $6) AS page ORDER BY page."conversationId", page."joinedAt" ASC, page."userId" ASC",
        "SELECT pg_current_snapshot()::text AS snapshot, page.* FROM (VALUES (1)) AS one LEFT JOIN LATERAL ( SELECT c.id, c.kind, c.title, c.direct_key AS "directKey", c.last_seq AS "lastSeq", c.version, c.subject_id AS "subjectId", c.summary, c.key_topics AS "keyTopics", c.tags, c.metadata, c.closed_at AS "closedAt", c.message_count AS "messageCount", c.participant_count AS "participantCount", c.last_message_at AS "lastMessageAt", c.activity_at AS "activityAt", c.created_at AS "createdAt", c.updated_at AS "updatedAt", p.user_id AS "viewerId", p.role, p.last_read_seq AS "lastReadSeq", p.visible_from_seq AS "visibleFromSeq", p.joined_version AS "joinedVersion", p.archived_seq AS "archivedSeq", p.is_pinned AS "isPinned", p.is_favorited AS "isFavorited", p.muted_until AS "mutedUntil" FROM participants p CROSS JOIN LATERAL ( SELECT * FROM conversations WHERE id = p.conversation_id OFFSET 0) AS c WHERE (p.is_pinned, c.activity_at, c.id) < ($1::boolean, $2::timestamptz, $3::uuid) AND c.deleted_at IS NULL AND ($5::conversation_kind[] IS NULL OR c.kind = ANY($5)) AND ($6::text IS NULL OR $6 = ANY(c.tags)) AND ($7::text IS NULL OR c.subject_id = $7) AND ($8::uuid[] IS NULL OR NOT EXISTS ( SELECT FROM unnest($8) AS wanted (user_id) WHERE NOT EXISTS (SELECT FROM participants o WHERE o.conversation_id = c.id AND o.user_id = wanted.user_id AND o.left_at IS NULL))) AND p.user_id = $9::uuid AND p.left_at IS NULL AND ($11 = 'INCLUDE' OR ($11 = 'ONLY') = (p.archived_seq IS NOT NULL AND (c.last_seq <= p.archived_seq OR coalesce(p.muted_until > $10, false)))) AND ($12::boolean IS NULL OR p.is_pinned = $12) AND ($13::boolean IS NULL OR p.is_favorited = $13) AND ($14::boolean IS NULL OR $14 = (c.last_seq > greatest(p.last_read_seq, p.visible_from_seq - 1))) ORDER BY p.is_pinned DESC, c.activity_at DESC, c.id DESC LIMIT $4) AS page ON true ORDER BY coalesce(page."isPinned", false) DESC, page."activityAt" DESC, page.id DESC",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = ANY($1::uuid[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = ANY($1::uuid[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email, u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt", u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom", u.created_at AS "createdAt", u.updated_at AS "updatedAt" FROM users u WHERE u.external_id = ANY($1::text[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email, u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt", u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom", u.created_at AS "createdAt", u.updated_at AS "updatedAt" FROM users u WHERE u.id = ANY($1::uuid[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email, u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt", u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom", u.created_at AS "createdAt", u.updated_at AS "updatedAt" FROM users u WHERE u.id = ANY($1::uuid[])",
      ]
    `)
  })

  test('take the same for 2 as for 50', async () => {
    const few = await statementsOf(() => page(2))
    expect(await statementsOf(() => page(CONVERSATIONS))).toEqual(few)
  })
})

describe('messages, each with its sender', () => {
  const page = async (last: number) => {
    const { conversation } = await ada.run(MessagesDocument, { id, last })
    expect(conversation!.messages.edges).toHaveLength(last)
  }

  test('take these statements', async () => {
    expect(await statementsOf(() => page(2))).toMatchInlineSnapshot(`
      [
        "SELECT m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId", m.kind, m.body, m.metadata, m.reply_to_seq AS "replyToSeq", m.subject_id AS "subjectId", m.idempotency_key AS "idempotencyKey", m.created_at AS "createdAt", m.edited_at AS "editedAt", m.deleted_at AS "deletedAt" FROM unnest($1::uuid[], $2::int[], $3::int[]) AS wanted (conversation_id, low, high) JOIN messages m ON m.conversation_id = wanted.conversation_id AND m.seq BETWEEN wanted.low AND wanted.high ORDER BY m.conversation_id, m.seq",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = ANY($1::uuid[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email, u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt", u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom", u.created_at AS "createdAt", u.updated_at AS "updatedAt" FROM users u WHERE u.external_id = ANY($1::text[])",
        "SELECT wanted.n::int - 1 AS key, c.id, c.kind, c.title, c.direct_key AS "directKey", c.last_seq AS "lastSeq", c.version, c.subject_id AS "subjectId", c.summary, c.key_topics AS "keyTopics", c.tags, c.metadata, c.closed_at AS "closedAt", c.message_count AS "messageCount", c.participant_count AS "participantCount", c.last_message_at AS "lastMessageAt", c.activity_at AS "activityAt", c.created_at AS "createdAt", c.updated_at AS "updatedAt", p.user_id AS "viewerId", p.role, p.last_read_seq AS "lastReadSeq", p.visible_from_seq AS "visibleFromSeq", p.joined_version AS "joinedVersion", p.archived_seq AS "archivedSeq", p.is_pinned AS "isPinned", p.is_favorited AS "isFavorited", p.muted_until AS "mutedUntil" FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS wanted (id, viewer, n) JOIN conversations c ON c.id = wanted.id AND c.deleted_at IS NULL LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = wanted.viewer AND p.left_at IS NULL WHERE wanted.viewer IS NULL OR p.user_id IS NOT NULL",
      ]
    `)
  })

  test('take the same for 2 as for 50', async () => {
    const few = await statementsOf(() => page(2))
    expect(await statementsOf(() => page(50))).toEqual(few)
  })
})
