import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { encodeId } from '../src/lib/ids.ts'
import { type Row, type Scene, startScene } from './features/support.ts'
import {
  ListPageDocument,
  type ListPageQueryVariables,
  MarkReadDocument,
  MessagePageDocument,
  SearchUsersDocument,
  type SearchUsersQueryVariables,
  SendMessageDocument,
  UnreadDocument,
} from './generated/graphql.ts'
import type { TestClient } from './support/app.ts'

// How PostgreSQL goes about what users look at most, on a database in which reading a whole table would be felt. Each
// statement that the server sent is explained with its values, explained as it is planned once for all values, and run
// again, which shows what the functions in it do.

const USERS = 100_000
/** A million takes a minute and a half: PLANS_MESSAGES=1000000. */
const MESSAGES = Number(process.env.PLANS_MESSAGES ?? 200_000)
const IN_EACH = 5
const CONVERSATIONS = MESSAGES / IN_EACH
/** Of the conversations, so many are those of user 0. Where they are no longer few of all, reading all is right. */
const OF_VIEWER = 100
const BIG = ['users', 'user_words', 'conversations', 'participants', 'messages', 'read_advances']

let scene: Scene
let viewer: TestClient
let statements: { sql: string; values: unknown[] }[] = []

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql, values) => statements.push({ sql, values }) } })
  await fill()
  viewer = scene.as('user 0')
}, 300_000)
afterAll(() => scene.close())
beforeEach(() => {
  statements = []
})

const uuid = (table: string, number: string) => `md5('${table}' || ${number})::uuid`

/** A third of the conversations are groups of six, the others of two; each message is read by half of them. */
async function fill() {
  const { sql } = scene
  await sql(
    `INSERT INTO users (id, external_id, username, display_name, email, role, words)
          SELECT ${uuid('u', 'n')}, 'user ' || n, 'user' || n, 'First' || n % 500 || ' Last' || n % 7000,
                 'user' || n || '@example.com', CASE WHEN n % 10 = 0 THEN 'rare' END,
                 ARRAY['user' || n, 'first' || n % 500, 'last' || n % 7000]
            FROM generate_series(0, $1::int - 1) AS n`,
    [USERS],
  )
  await sql(
    `INSERT INTO conversations (id, kind, title, last_seq, version, details_version, message_count, participant_count,
                                last_message_at, activity_at)
          SELECT ${uuid('c', 'n')}, CASE WHEN n % 3 = 0 THEN 'GROUP' ELSE 'GENERAL' END::conversation_kind, 'Title ' || n,
                 ${IN_EACH}, ${IN_EACH} + 7, 1, ${IN_EACH}, CASE WHEN n % 3 = 0 THEN 6 ELSE 2 END,
                 now() - n * interval '1 s', now() - n * interval '1 s'
            FROM generate_series(0, $1::int - 1) AS n`,
    [CONVERSATIONS],
  )
  await sql(
    `INSERT INTO participants (conversation_id, user_id, version, last_read_seq, is_pinned)
          SELECT ${uuid('c', 'n')}, ${uuid('u', 'CASE WHEN place = 0 AND n < $2 THEN 0 ELSE 1 + (n * 7 + place) % ($3 - 1) END')},
                 place + 2, n % ${IN_EACH}, n % 50 = 0
            FROM generate_series(0, $1::int - 1) AS n,
                 generate_series(0, CASE WHEN n % 3 = 0 THEN 5 ELSE 1 END) AS place`,
    [CONVERSATIONS, OF_VIEWER, USERS],
  )
  await sql(
    `INSERT INTO messages (conversation_id, seq, version, sender_id, body, reply_to_seq)
          SELECT ${uuid('c', 'n')}, seq, seq + 7, ${uuid('u', '1 + (n * 7 + seq % 2) % ($2 - 1)')}, 'Text of a message',
                 CASE WHEN seq > 1 AND seq % 5 = 0 THEN seq - 1 END
            FROM generate_series(0, $1::int - 1) AS n, generate_series(1, ${IN_EACH}) AS seq`,
    [CONVERSATIONS, USERS],
  )
  await sql(
    `INSERT INTO read_advances (conversation_id, user_id, seq, from_seq, read_at)
          SELECT conversation_id, user_id, last_read_seq, 0, now() FROM participants WHERE last_read_seq > 0`,
  )
  await sql('ANALYZE')
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  Plans?: Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Which big tables a statement reads as a whole: by the plan for these values, by that for any, and when it runs. */
async function wholeReads({ sql, values }: (typeof statements)[number]): Promise<string[]> {
  const planned = async (how: string, rows: Promise<Row[]>) => {
    const [{ Plan: root }] = (await rows)[0]!['QUERY PLAN'] as [{ Plan: Plan }]
    const scans = nodesOf(root).filter((node) => node['Node Type'].includes('Seq Scan'))
    return scans.map((node) => `${how}: ${node['Relation Name']}`)
  }
  const ran = async () => {
    // What this connection did before is still counted until it is handed over, which else takes up to a second.
    await scene.sql('SELECT pg_stat_force_next_flush()')
    await scene.sql('BEGIN')
    await scene.sql(sql, values)
    const rows = await scene.sql('SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0')
    await scene.sql('ROLLBACK')
    return rows.map(({ relname }) => `ran: ${relname}`)
  }
  const reads = [
    ...(await planned('these values', scene.sql(`EXPLAIN (FORMAT JSON) ${sql}`, values))),
    ...(await planned('any values', scene.sql(`EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${sql}`))),
    ...(await ran()),
  ]
  return reads.filter((read) => BIG.includes(read.split(': ')[1]!))
}

/** That none of the statements that were sent reads a big table as a whole. */
async function expectIndexesOnly() {
  const sent = statements.filter(({ sql }) => /^\s*(SELECT|WITH|UPDATE|INSERT)/.test(sql))
  expect(sent.length).toBeGreaterThan(0)
  for (const statement of sent) expect(await wholeReads(statement), statement.sql).toEqual([])
}

test('it would show', async () => {
  expect(await wholeReads({ sql: `SELECT FROM messages WHERE body LIKE $1`, values: ['%x%'] })).toEqual([
    'these values: messages',
    'any values: messages',
    'ran: messages',
  ])
})

test.each<[string, ListPageQueryVariables]>([
  ['as it is', { first: 50 }],
  ['in small pages', { first: 1 }],
  ['of a kind', { filter: { kinds: ['GROUP'] } }],
  ['of what is unread, archived too', { filter: { isUnread: true, archived: 'INCLUDE' } }],
  ['of what is pinned', { filter: { isPinned: true } }],
  ['with somebody', { filter: { participantIds: [encodeId('User', '00000000-0000-7000-8000-000000000000')] } }],
])('the list of conversations, %s', async (_how, variables) => {
  const { conversations } = await viewer.run(ListPageDocument, variables)
  const { endCursor } = conversations!.pageInfo
  if (endCursor) await viewer.run(ListPageDocument, { ...variables, after: endCursor })
  await expectIndexesOnly()
})

test('a page of messages, the newest and an older one', async () => {
  const { conversations } = await viewer.run(ListPageDocument, { first: 1 })
  const { id } = conversations!.edges[0]!.node
  statements = []
  const { conversation } = await viewer.run(MessagePageDocument, { id, last: 5 })
  expect(conversation!.messages.edges).toHaveLength(5)
  await viewer.run(MessagePageDocument, { id, last: 5, before: conversation!.messages.pageInfo.startCursor })
  await viewer.run(MessagePageDocument, { id })
  await expectIndexesOnly()
})

test.each<[string, SearchUsersQueryVariables]>([
  ['a word of one user', { search: 'user12345' }],
  ['a word of many', { search: 'first12' }],
  ['the beginning of words of all', { search: 'f' }],
  ['the beginning of words of all, with a rare role', { search: 'first', role: 'rare' }],
  ['two words', { search: 'first12 last3' }],
  ['two words that nobody has together', { search: 'first1 zzz' }],
  ['an e-mail address', { search: 'user777@example.com' }],
])('the search for users by %s', async (_what, variables) => {
  const { users } = await viewer.run(SearchUsersDocument, variables)
  const { endCursor } = users!.pageInfo
  if (endCursor) await viewer.run(SearchUsersDocument, { ...variables, after: endCursor })
  await expectIndexesOnly()
})

test('the count of what is unread, reading and sending', async () => {
  await viewer.run(UnreadDocument)
  const { conversations } = await viewer.run(ListPageDocument, { first: 1 })
  const conversationId = conversations!.edges[0]!.node.id
  await viewer.run(MarkReadDocument, { input: { conversationId } })
  await viewer.run(SendMessageDocument, { input: { conversationId, body: 'text' } })
  await expectIndexesOnly()
})
