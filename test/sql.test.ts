import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Scene, send, startDirect, startScene, usersOf } from './features/support.ts'
import { ConversationsDocument, ConversationsInFullDocument, MessagesDocument } from './generated/graphql.ts'
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

test('conversations, each with its name, last message, sender and state, take one statement', async () => {
  const sent = await statementsOf(async () => {
    const { conversations } = await ada.run(ConversationsDocument, { first: CONVERSATIONS })
    expect(conversations!.edges).toHaveLength(CONVERSATIONS)
    for (const { node } of conversations!.edges) {
      expect(node.title).toMatch(/^peer-/)
      expect(node.lastMessage!.sender).not.toBeNull()
    }
  })
  expect(sent).toEqual([expect.stringContaining('pg_current_snapshot')])
})

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
        "SELECT m.conversation_id AS "conversationId", m.seq, m.version, m.sender_id AS "senderId", m.kind, m.body, m.metadata, m.reply_to_seq AS "replyToSeq", m.subject_id AS "subjectId", m.idempotency_key AS "idempotencyKey", m.created_at AS "createdAt", m.edited_at AS "editedAt", m.deleted_at AS "deletedAt" FROM unnest($1::uuid[], $2::int[], $3::int[]) AS wanted (conversation_id, low, high) JOIN messages m ON m.conversation_id = wanted.conversation_id AND m.seq BETWEEN wanted.low AND wanted.high ORDER BY m.conversation_id, m.seq",
        "SELECT page.* FROM unnest($1::uuid[]) AS wanted (id) CROSS JOIN LATERAL ( SELECT p.conversation_id AS "conversationId", p.user_id AS "userId", p.role, p.joined_at AS "joinedAt", p.last_read_seq AS "lastReadSeq", p.last_read_at AS "lastReadAt" FROM participants p WHERE p.conversation_id = wanted.id AND p.left_at IS NULL AND (p.joined_at, p.user_id) > ($2::timestamptz, $3::uuid) AND (p.joined_at, p.user_id) < ($4::timestamptz, $5::uuid) ORDER BY p.joined_at ASC, p.user_id ASC LIMIT $6) AS page ORDER BY page."conversationId", page."joinedAt" ASC, page."userId" ASC",
        "SELECT pg_current_snapshot()::text AS snapshot, coalesce(json_agg(page.listed ORDER BY page.is_pinned DESC, page.activity_at DESC, page.id DESC), '[]') AS rows FROM ( SELECT json_build_array(json_build_array(c.id, c.kind, c.title, c.direct_key, c.subject_id, c.summary, c.key_topics, c.tags, c.metadata, c.message_count, c.participant_count, c.last_seq, c.version, round(date_part('epoch', c.closed_at) * 1000),round(date_part('epoch', c.last_message_at) * 1000),round(date_part('epoch', c.activity_at) * 1000),round(date_part('epoch', c.created_at) * 1000),round(date_part('epoch', c.updated_at) * 1000), p.user_id, p.role, p.last_read_seq, p.visible_from_seq, p.joined_version, p.archived_seq, p.is_pinned, p.is_favorited, round(date_part('epoch', p.muted_until) * 1000)), CASE WHEN c.kind = 'DIRECT' AND c.title IS NULL AND p.user_id IS NOT NULL THEN ( SELECT peer.display_name FROM users peer WHERE peer.id = replace(replace(c.direct_key, p.user_id::text, ''), '-', '')::uuid) END, ( SELECT json_build_array(json_build_array(m.seq, m.version, m.sender_id, m.kind, m.body, m.metadata, m.reply_to_seq, m.subject_id, m.idempotency_key, round(date_part('epoch', m.created_at) * 1000),round(date_part('epoch', m.edited_at) * 1000),round(date_part('epoch', m.deleted_at) * 1000)), ( SELECT row_to_json(sender) FROM (SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = m.sender_id) AS sender)) FROM messages m WHERE m.conversation_id = c.id AND m.seq = c.last_seq AND m.seq >= coalesce(p.visible_from_seq, 1))) AS listed, p.is_pinned AS is_pinned, c.activity_at, c.id FROM participants p CROSS JOIN LATERAL ( SELECT * FROM conversations WHERE id = p.conversation_id OFFSET 0) AS c WHERE (p.is_pinned, c.activity_at, c.id) < ($1::boolean, $2::timestamptz, $3::uuid) AND c.deleted_at IS NULL AND ($5::conversation_kind[] IS NULL OR c.kind = ANY($5)) AND ($6::text IS NULL OR $6 = ANY(c.tags)) AND ($7::text IS NULL OR c.subject_id = $7) AND ($8::uuid[] IS NULL OR NOT EXISTS ( SELECT FROM unnest($8) AS wanted (user_id) WHERE NOT EXISTS (SELECT FROM participants o WHERE o.conversation_id = c.id AND o.user_id = wanted.user_id AND o.left_at IS NULL))) AND p.user_id = $9::uuid AND p.left_at IS NULL AND ($11 = 'INCLUDE' OR ($11 = 'ONLY') = (p.archived_seq IS NOT NULL AND (c.last_seq <= p.archived_seq OR coalesce(p.muted_until > $10, false)))) AND ($12::boolean IS NULL OR p.is_pinned = $12) AND ($13::boolean IS NULL OR p.is_favorited = $13) AND ($14::boolean IS NULL OR $14 = (c.last_seq > greatest(p.last_read_seq, p.visible_from_seq - 1))) ORDER BY p.is_pinned DESC, c.activity_at DESC, c.id DESC LIMIT $4) AS page",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = ANY($1::uuid[])",
        "SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.email, u.avatar_url AS "avatarUrl", u.role, u.type, u.profile_issued_at AS "profileIssuedAt", u.deactivated_at AS "deactivatedAt", u.tokens_valid_from AS "tokensValidFrom" FROM users u WHERE u.id = ANY($1::uuid[])",
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
        "WITH place AS ( SELECT c.id, c.last_seq, p.visible_from_seq, json_build_array(c.id, c.kind, c.title, c.direct_key, c.subject_id, c.summary, c.key_topics, c.tags, c.metadata, c.message_count, c.participant_count, c.last_seq, c.version, round(date_part('epoch', c.closed_at) * 1000),round(date_part('epoch', c.last_message_at) * 1000),round(date_part('epoch', c.activity_at) * 1000),round(date_part('epoch', c.created_at) * 1000),round(date_part('epoch', c.updated_at) * 1000), p.user_id, p.role, p.last_read_seq, p.visible_from_seq, p.joined_version, p.archived_seq, p.is_pinned, p.is_favorited, round(date_part('epoch', p.muted_until) * 1000)) AS view FROM (VALUES ($1::uuid, $2::uuid)) AS wanted (id, viewer) JOIN conversations c ON c.id = wanted.id AND c.deleted_at IS NULL LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = wanted.viewer AND p.left_at IS NULL WHERE (wanted.viewer IS NULL OR p.user_id IS NOT NULL)), page AS ( SELECT m.* FROM place CROSS JOIN LATERAL ( SELECT greatest(visible_from_seq, $3::bigint) AS low, least(last_seq, $4::bigint) AS high) AS visible JOIN messages m ON m.conversation_id = place.id AND m.seq BETWEEN greatest(low, high + 1 - $6::int) AND least(high, low - 1 + $5::int)) SELECT json_build_object( 'view', view, 'messages', coalesce((SELECT json_agg(json_build_array(m.seq, m.version, m.sender_id, m.kind, m.body, m.metadata, m.reply_to_seq, m.subject_id, m.idempotency_key, round(date_part('epoch', m.created_at) * 1000),round(date_part('epoch', m.edited_at) * 1000),round(date_part('epoch', m.deleted_at) * 1000)) ORDER BY m.seq) FROM page m), '[]'), 'senders', coalesce((SELECT json_agg(sender) FROM ( SELECT u.id, u.external_id AS "externalId", u.username, u.display_name AS "displayName", u.avatar_url AS "avatarUrl", u.role, u.type FROM users u WHERE u.id = ANY(ARRAY(SELECT DISTINCT sender_id FROM page))) AS sender), '[]') ) AS read FROM place",
      ]
    `)
  })

  test('take the same for 2 as for 50', async () => {
    const few = await statementsOf(() => page(2))
    expect(await statementsOf(() => page(50))).toEqual(few)
  })
})
