import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RequestContext } from '../../../src/context.ts'
import { type Db, openDb } from '../../../src/db/client.ts'
import { loadConversations, visibleFrom } from '../../../src/features/conversations/access.ts'
import { directPeerId } from '../../../src/features/conversations/direct.ts'
import { listConversations } from '../../../src/features/conversations/list.ts'
import { loadMessages } from '../../../src/features/messages/pages.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { seedOfRun } from '../../support/random-operations.ts'
import { type Scene, startScene } from '../support.ts'

// The list reads all it shows in one statement, in a form of its own: here against what the other reads say of each.

const USERS = 8
const CONVERSATIONS = 90

let scene: Scene
let db: Db

beforeAll(async () => {
  scene = await startScene()
  db = await openDb({ url: scene.databaseUrl, poolSize: 2, log: createLogger('silent') })
  await scene.sql('SELECT setseed($1)', [(seedOfRun() % 1000) / 1000])
  await fill()
})
afterAll(async () => {
  await db.close()
  await scene.close()
})

const uuid = (kind: string, number: string) => `md5('${kind}' || ${number})::uuid`
const sometimes = (value: string) => `CASE WHEN random() < 0.4 THEN ${value} END`
/** What JSON has to be careful with. */
const TEXT = `(ARRAY['plain', 'a "quoted" \\ one', E'lines\\n\\tand\\u2028more', '😀 für Ümläute', '{"a":[1]}', ''])[1 + floor(random() * 6)::int]`
const TIME = `now() + (random() - 0.9) * interval '300 years'`
const METADATA = `jsonb_build_object('text', ${TEXT}, 'number', random() * 1e15, 'deep', jsonb_build_array(1, null, '{}'::jsonb))`

/** Of every kind, with and without whatever may be missing. */
async function fill() {
  const { sql } = scene
  await sql(
    `INSERT INTO users (id, external_id, username, display_name, avatar_url, role, type)
          SELECT ${uuid('user', 'n')}, 'user ' || n, 'user' || n, ${TEXT} || n, ${sometimes("'https://example.org/' || n")},
                 ${sometimes('n::text')}, CASE WHEN n = 3 THEN 'AGENT' ELSE 'HUMAN' END::user_type
            FROM generate_series(0, $1::int - 1) AS n`,
    [USERS],
  )
  await sql(
    `INSERT INTO conversations (id, kind, title, direct_key, subject_id, summary, key_topics, tags, metadata, last_seq, version,
                                message_count, participant_count, closed_at, deleted_at, last_message_at, activity_at,
                                created_at, updated_at)
          SELECT ${uuid('conversation', 'n')}, kind, ${sometimes(TEXT)},
                 CASE WHEN kind = 'DIRECT' THEN least(a, b) || '-' || greatest(a, b) END,
                 ${sometimes(TEXT)}, ${sometimes(TEXT)}, ARRAY[${TEXT}, ${TEXT}], '{}', ${METADATA}, n % 4, n % 4 + 3, n % 3, 2,
                 ${sometimes(TIME)}, CASE WHEN n % 20 = 7 THEN now() END, ${sometimes(TIME)}, ${TIME}, ${TIME}, ${TIME}
            FROM (SELECT n, CASE WHEN n BETWEEN 1 AND $2::int - 1 THEN 'DIRECT' ELSE
                              (ARRAY['GROUP', 'JOB', 'SUPPORT', 'GENERAL'])[1 + n % 4] END::conversation_kind AS kind,
                         ${uuid('user', '0')}::text AS a, ${uuid('user', 'n')}::text AS b
                    FROM generate_series(0, $1::int - 1) AS n) AS given`,
    [CONVERSATIONS, USERS],
  )
  await sql(
    `INSERT INTO participants (conversation_id, user_id, version, role, left_at, visible_from_seq, last_read_seq, archived_seq,
                               is_pinned, is_favorited, muted_until, joined_version)
          SELECT ${uuid('conversation', 'n')}, CASE WHEN n BETWEEN 1 AND $2::int - 1 AND u > 0 THEN ${uuid('user', 'n')}
                                                    ELSE ${uuid('user', 'u')} END,
                 1, (ARRAY['OWNER', 'ADMIN', 'MEMBER'])[1 + n % 3]::participant_role,
                 CASE WHEN u = 0 AND n % 20 = 11 THEN now() END, 1 + floor(random() * 5)::int, floor(random() * (n % 4))::int,
                 ${sometimes('n % 4')}, random() < 0.2, random() < 0.2, ${sometimes(TIME)}, n % 2
            FROM generate_series(0, $1::int - 1) AS n, generate_series(0, 1) AS u`,
    [CONVERSATIONS, USERS],
  )
  await sql(
    `INSERT INTO messages (conversation_id, seq, version, sender_id, kind, body, metadata, reply_to_seq, subject_id,
                           idempotency_key, created_at, edited_at, deleted_at)
          SELECT ${uuid('conversation', 'n')}, seq, seq + 3, CASE WHEN random() < 0.8 THEN ${uuid('user', `(n % ${USERS})`)} END,
                 (ARRAY['TEXT', 'SYSTEM', 'IMAGE'])[1 + n % 3]::message_kind, ${sometimes(TEXT)}, ${METADATA}, ${sometimes('1')},
                 ${sometimes(uuid('subject', 'n'))}, ${sometimes("'key ' || seq")}, ${TIME}, ${sometimes(TIME)},
                 ${sometimes(TIME)}
            FROM generate_series(0, $1::int - 1) AS n, generate_series(1, n % 4) AS seq`,
    [CONVERSATIONS],
  )
}

test.each([
  ['a user', { kind: 'user', user: { id: '' }, actingService: null }],
  ['a service', { kind: 'service', subject: 'host' }],
])('%s is listed what it finds one by one, in the order of the table', async (_who, given) => {
  const [user] = await scene.sql(`SELECT ${uuid('user', '0')} AS id`)
  const viewer = given.kind === 'user' ? { ...given, user } : given
  const ctx = { db, clock: { now: Date.now }, viewer } as unknown as RequestContext
  const filter = given.kind === 'user' ? { archived: 'INCLUDE' as const } : null
  const { rows } = await listConversations(ctx, { first: 100, filter })

  const ids = rows.map(({ id }) => id)
  const expected = await scene.sql(
    `SELECT c.id FROM conversations c LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = $1 AND p.left_at IS NULL
      WHERE c.deleted_at IS NULL AND ($1::uuid IS NULL OR p.user_id IS NOT NULL)
      ORDER BY coalesce(p.is_pinned, false) DESC, c.activity_at DESC, c.id DESC`,
    [given.kind === 'user' ? user!.id : null],
  )
  expect(ids).toEqual(expected.map(({ id }) => id))
  expect(ids.length).toBeGreaterThan(CONVERSATIONS / 2)

  const views = await loadConversations(ctx, ids)
  expect(rows.map(({ lastMessage: _, peerName: __, ...view }) => view)).toEqual(views)

  const keys = views.map((view) => ({ conversationId: view!.id, seq: view!.lastSeq }))
  const messages = await loadMessages(ctx, keys)
  expect(messages.filter((message) => message).length).toBeGreaterThan(10)
  expect(rows.map(({ lastMessage }) => lastMessage)).toEqual(messages)
  for (const [index, view] of views.entries())
    expect(messages[index] !== null).toBe(view!.lastSeq >= visibleFrom(view!))

  const names = new Map(
    (await scene.sql('SELECT id, display_name FROM users')).map((row) => [row.id, row.display_name]),
  )
  const nameOfPeer = views.map((view) => {
    const peer = view!.title === null ? directPeerId(view!) : null
    return peer && names.get(peer)
  })
  expect(rows.map(({ peerName }) => peerName)).toEqual(nameOfPeer)
  expect(nameOfPeer.some((name) => name !== null)).toBe(given.kind === 'user')
})
