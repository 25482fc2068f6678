import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Query } from '../src/db/client.ts'
import { loadViews } from '../src/features/conversations/access.ts'
import { type Position, readChanges } from '../src/features/conversations/changes.ts'
import {
  readListChanges,
  readNewPlaces,
  readPlace,
  readPlaces,
  readUnseenMessages,
} from '../src/features/conversations/places.ts'
import { readReceipts } from '../src/features/reads/receipts.ts'
import { encodeId } from '../src/lib/ids.ts'
import { type Row, type Scene, send, startScene } from './features/support.ts'
import {
  AuditEntriesDocument,
  type AuditEntriesQueryVariables,
  BlockedUsersDocument,
  BlockUserDocument,
  ContactNodeDocument,
  ContactsDocument,
  type ContactsQueryVariables,
  DeleteMessageDocument,
  DisputesDocument,
  EditMessageDocument,
  JobUpdatesDocument,
  ListPageDocument,
  type ListPageQueryVariables,
  MarkReadDocument,
  MessagePageDocument,
  PaymentsDocument,
  RequestContactDocument,
  SearchUsersDocument,
  type SearchUsersQueryVariables,
  SendMessageDocument,
  SetTypingDocument,
  StartDirectConversationDocument,
  SubjectNodesDocument,
  UnblockUserDocument,
  UnreadDocument,
  UpdateDisputeStatusDocument,
} from './generated/graphql.ts'
import type { TestClient } from './support/app.ts'
import { isOfRequest } from './support/statements.ts'

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
/** One conversation of user 0 is long: so many messages, of which some were edited. */
const LONG = 30_000
const EDITED = 100
const BIG = [
  ...['users', 'user_words', 'conversations', 'participants', 'messages', 'message_revisions', 'read_advances'],
  ...['disputes', 'payments', 'job_updates', 'contacts', 'blocks', 'audit_entries'],
]

let scene: Scene
let viewer: TestClient
let statements: { sql: string; values: unknown[] }[] = []
/** The table and the first column of each index, by its name. */
const indexes = new Map<string, { table: string; column: string }>()
const INDEXES = `SELECT indexrelid::regclass::text AS name, indrelid::regclass::text AS table,
                        pg_get_indexdef(indexrelid, 1, false) AS column FROM pg_index`
/** From before anything was there, as a pg_snapshot. */
let empty: string

beforeAll(async () => {
  const onStatement = (sql: string, values: unknown[]) => {
    if (isOfRequest(sql)) statements.push({ sql, values })
  }
  scene = await startScene({ overrides: { onStatement } })
  empty = await snapshot()
  await fill()
  await fillLong()
  await scene.sql('ANALYZE')
  for (const { name, table, column } of await scene.sql(INDEXES)) {
    indexes.set(String(name), { table: String(table), column: String(column) })
  }
  viewer = scene.as('user 0')
}, 900_000)
afterAll(() => scene.close())
beforeEach(() => {
  statements = []
})

async function snapshot(): Promise<string> {
  const [row] = await scene.sql('SELECT pg_current_snapshot()::text AS snapshot')
  return String(row!.snapshot)
}

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
    `INSERT INTO messages (conversation_id, seq, version, sender_id, body, reply_to_seq, edited_at)
          SELECT ${uuid('c', 'n')}, seq, seq + 7, ${uuid('u', '1 + (n * 7 + seq % 2) % ($2 - 1)')}, 'Text of a message',
                 CASE WHEN seq > 1 AND seq % 5 = 0 THEN seq - 1 END, CASE WHEN seq = 1 THEN now() END
            FROM generate_series(0, $1::int - 1) AS n, generate_series(1, ${IN_EACH}) AS seq`,
    [CONVERSATIONS, USERS],
  )
  await sql(
    `INSERT INTO message_revisions (conversation_id, seq, version, body, replaced_at)
          SELECT conversation_id, seq, 0, 'What it said before', now() FROM messages WHERE edited_at IS NOT NULL`,
  )
  await sql(
    `INSERT INTO read_advances (conversation_id, user_id, seq, from_seq, read_at)
          SELECT conversation_id, user_id, last_read_seq, 0, now() FROM participants WHERE last_read_seq > 0`,
  )
  await fillActions()
}

/** User 0 came into it after its first message; what was edited was so in the end. */
async function fillLong() {
  const { sql } = scene
  const long = uuid('c', "'long'")
  await sql(
    `INSERT INTO conversations (id, kind, last_seq, version, details_version, message_count, participant_count, activity_at)
          SELECT ${long}, 'GENERAL', $1::int, $1 + $2::int + 3, 1, $1, 2, now() - interval '1 year'`,
    [LONG, EDITED],
  )
  await sql(
    `INSERT INTO participants (conversation_id, user_id, version, joined_version, joined_at)
          SELECT ${long}, ${uuid('u', 'n')}, 3 - n, (1 - n) * 3, now() - interval '1 year' FROM generate_series(0, 1) AS n`,
  )
  await sql(
    `INSERT INTO messages (conversation_id, seq, version, sender_id, body, created_at, edited_at)
          SELECT ${long}, seq, CASE WHEN seq % ($1 / $2::int) = 0 THEN $1 + 3 + seq / ($1 / $2) ELSE seq + 3 END, ${uuid('u', '1')},
                 'Text of a message', now() - interval '1 year' + (seq - 1.5) * interval '1 s',
                 CASE WHEN seq % ($1 / $2) = 0 THEN now() END
            FROM generate_series(1, $1::int) AS seq`,
    [LONG, EDITED],
  )
}

async function idOf(table: string, number: string): Promise<string> {
  const [row] = await scene.sql(`SELECT ${uuid(table, number)} AS id`)
  return String(row!.id)
}

/** One of each for each conversation; of the contacts and blocks, `OF_VIEWER` are those of user 0. */
async function fillActions() {
  const { sql } = scene
  await sql(
    `INSERT INTO disputes (id, conversation_id, seq, opened_by_id, reason)
          SELECT ${uuid('d', 'n')}, ${uuid('c', 'n')}, 1, ${uuid('u', 'n')}, 'Reason' FROM generate_series(0, $1::int - 1) AS n`,
    [CONVERSATIONS],
  )
  await sql(
    `INSERT INTO payments (id, conversation_id, seq, amount, currency)
          SELECT ${uuid('p', 'n')}, ${uuid('c', 'n')}, 2, 100, 'EUR' FROM generate_series(0, $1::int - 1) AS n`,
    [CONVERSATIONS],
  )
  await sql(
    `INSERT INTO job_updates (id, conversation_id, seq, status)
          SELECT ${uuid('j', 'n')}, ${uuid('c', 'n')}, 3, 'Status' FROM generate_series(0, $1::int - 1) AS n`,
    [CONVERSATIONS],
  )
  // Each is a pair of its own: of one who comes before the other by number.
  const pairs = `(SELECT n, CASE WHEN n < ${OF_VIEWER} THEN 0 ELSE n END AS one, n + 1 AS other
                    FROM generate_series(1, ${USERS} - 2) AS n) AS pairs`
  await sql(
    `INSERT INTO contacts (id, pair_key, requester_id, addressee_id, status, responded_at)
          SELECT ${uuid('k', 'n')}, least(a, b)::text || '-' || greatest(a, b)::text,
                 CASE WHEN n % 2 = 0 THEN a ELSE b END, CASE WHEN n % 2 = 0 THEN b ELSE a END, 'ACCEPTED', now()
            FROM (SELECT n, ${uuid('u', 'one')} AS a, ${uuid('u', 'other')} AS b FROM ${pairs}) AS pair`,
  )
  await sql(
    `INSERT INTO blocks (blocker_id, blocked_id)
          SELECT CASE WHEN n % 2 = 0 THEN a ELSE b END, CASE WHEN n % 2 = 0 THEN b ELSE a END
            FROM (SELECT n, ${uuid('u', 'one')} AS a, ${uuid('u', 'other')} AS b FROM ${pairs}) AS pair`,
  )
  await sql(
    `INSERT INTO audit_entries (service, acted_for, operation, subject)
          SELECT 'host', CASE WHEN n % 2 = 0 THEN ${uuid('u', 'n')} END, 'operation' || n % 20, '{}'
            FROM generate_series(0, ${USERS} - 1) AS n`,
  )
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  Plans?: Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** Which big tables a statement reads as a whole: by the plan for these values, by that for any, and when it runs. */
async function wholeReads({ sql, values }: (typeof statements)[number]): Promise<string[]> {
  const planned = async (how: string, rows: Promise<Row[]>) => {
    const [{ Plan: root }] = (await rows)[0]!['QUERY PLAN'] as [{ Plan: Plan }]
    return nodesOf(root).flatMap((node) => {
      const index = indexes.get(node['Index Name'] ?? '')
      // Without a condition on its first column an index is read from end to end.
      if (index) return node['Index Cond']?.includes(index.column) ? [] : `${how}: ${index.table}`
      return node['Node Type'].includes('Seq Scan') ? `${how}: ${node['Relation Name']}` : []
    })
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
  const sent = statements.filter(({ sql }) => /^[\s(]*(SELECT|WITH|UPDATE|INSERT|DELETE)/.test(sql))
  expect(sent.length).toBeGreaterThan(0)
  for (const statement of sent) expect(await wholeReads(statement), statement.sql).toEqual([])
}

/** For what no single operation asks for: as the server's own, which keeps what it is asked. */
const query: Query = async <Result extends object>(sql: string, values: unknown[] = []) => {
  statements.push({ sql, values })
  return (await scene.sql(sql, values)) as Result[]
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

test('editing and deleting a message', async () => {
  const { conversations } = await viewer.run(ListPageDocument, { first: 1 })
  const conversationId = conversations!.edges[0]!.node.id
  const { id: messageId } = await send(viewer, conversationId, 'text')
  for (const body of ['edited', 'edited again']) await viewer.run(EditMessageDocument, { input: { messageId, body } })
  await viewer.run(DeleteMessageDocument, { input: { messageId } })
  expect(statements.some(({ sql }) => sql.startsWith('DELETE FROM message_revisions'))).toBe(true)
  await expectIndexesOnly()
})

describe('what live connections read:', () => {
  let long: string
  let userId: string
  beforeAll(async () => {
    long = await idOf('c', "'long'")
    userId = await idOf('u', '0')
  })

  test.each<[string, Position, changes: number]>([
    ['from the beginning', { version: 0, seq: 0 }, 100],
    ['with all messages and none of the other changes', { version: 0, seq: LONG }, EDITED + 3],
    ['from near the end of the messages', { version: LONG, seq: LONG - 10 }, EDITED + 9],
    ['from the head', { version: LONG + EDITED + 3, seq: LONG }, 0],
  ])('what a conversation holds %s', async (_where, after, count) => {
    const keys = [{ conversationId: long, after }]
    for (let number = 0; number < 20; number++) {
      keys.push({ conversationId: await idOf('c', String(number)), after: { version: 3, seq: 2 } })
    }
    statements = []
    const [first, ...others] = await readChanges(query, keys)
    expect(first!.changes).toHaveLength(count)
    for (const { changes } of others) expect(changes.length).toBeGreaterThan(2)
    expect(statements).toHaveLength(3)
    await expectIndexesOnly()
  })

  test('a user’s places, and one of them', async () => {
    const [places, ...others] = await readPlaces(query, [userId, await idOf('u', '1'), await idOf('u', '77')])
    expect(places).toHaveLength(OF_VIEWER + 1)
    expect(others.map((each) => each.length > 0)).toEqual([true, true])
    expect(await readPlace(query, userId, long)).toMatchObject({ id: long, joinedSeq: 1 })
    await expectIndexesOnly()
  })

  test.each<[string, () => string | Promise<string>, changes: number]>([
    ['before anything was there', () => empty, OF_VIEWER + 1],
    ['now', snapshot, 0],
  ])('what changed in a user’s list, and where it was written to, since %s', async (_when, snapshotThen, count) => {
    const since = await snapshotThen()
    const keys = [
      { userId, since },
      { userId: await idOf('u', '77'), since },
    ]
    expect((await readListChanges(query, keys))[0]).toHaveLength(count)
    expect((await readUnseenMessages(query, keys))[0]).toHaveLength(count)
    await expectIndexesOnly()
  })

  test('where users came in, and where their own states changed', async () => {
    const userIds = [userId, await idOf('u', '1'), await idOf('u', '77')]
    const now = await snapshot()
    for (const since of [null, empty, now]) {
      await readNewPlaces(query, userIds, since)
      for (const statesSince of [empty, now]) await readNewPlaces(query, userIds, since, statesSince)
    }
    await expectIndexesOnly()
  })

  test('conversations as several see them, and who has read', async () => {
    const viewers = [userId, await idOf('u', '1'), null]
    const views = await loadViews(
      query,
      viewers.map((each) => ({ id: long, viewer: each })),
    )
    expect(views).toMatchObject(viewers.map((each) => ({ id: long, viewerId: each })))
    expect(await readReceipts(query, [long, await idOf('c', '0'), await idOf('c', '1')])).toHaveLength(3)
    await expectIndexesOnly()
  })
})

/** A conversation of the viewer, and the id of user `number`. */
async function aConversation(): Promise<string> {
  const { conversations } = await viewer.run(ListPageDocument, { first: 1 })
  statements = []
  return conversations!.edges[0]!.node.id
}
async function userIdOf(number: number): Promise<string> {
  const [user] = await scene.sql(`SELECT ${uuid('u', '$1::int')} AS id`, [number])
  return encodeId('User', String(user!.id))
}

test('disputes, payments and job updates, by conversation and by id', async () => {
  const id = await aConversation()
  const { conversation } = await viewer.run(DisputesDocument, { id })
  const { node, cursor } = conversation!.disputes.edges[0]!
  await viewer.run(DisputesDocument, { id, after: cursor })
  await viewer.run(PaymentsDocument, { id })
  await viewer.run(JobUpdatesDocument, { id })
  await viewer.run(SubjectNodesDocument, { ids: [node.id] })
  await scene.asService().run(UpdateDisputeStatusDocument, { input: { disputeId: node.id, status: 'UNDER_REVIEW' } })
  await expectIndexesOnly()
})

test.each<ContactsQueryVariables>([{ first: 5 }, { status: 'ACCEPTED' }, { status: 'PENDING' }])(
  'the list of contacts, %j',
  async (variables) => {
    const { contacts } = await viewer.run(ContactsDocument, variables)
    const { endCursor } = contacts!.pageInfo
    if (endCursor) await viewer.run(ContactsDocument, { ...variables, after: endCursor })
    await expectIndexesOnly()
  },
)

test('blocking, asking for contact, and writing to each other', async () => {
  const userId = await userIdOf(USERS - 1)
  const { blockedUsers } = await viewer.run(BlockedUsersDocument, { first: 5 })
  await viewer.run(BlockedUsersDocument, { after: blockedUsers!.pageInfo.endCursor! })
  await viewer.run(BlockUserDocument, { input: { userId } })
  await viewer.run(UnblockUserDocument, { input: { userId } })
  const { requestContact } = await viewer.run(RequestContactDocument, { input: { userId } })
  await viewer.run(ContactNodeDocument, { id: requestContact!.contact.id })
  const { startDirectConversation } = await viewer.run(StartDirectConversationDocument, { input: { userId } })
  const conversationId = startDirectConversation!.conversation.id
  await viewer.run(SendMessageDocument, { input: { conversationId, body: 'hello' } })
  await viewer.run(SetTypingDocument, { input: { conversationId, isTyping: true } })
  // What was inserted once is not inserted again.
  statements = statements.filter(({ sql }) => !/INSERT INTO (conversations|participants)/.test(sql))
  await expectIndexesOnly()
})

test.each([
  ['all of it', async () => ({})],
  ['of a user', async () => ({ actedForId: await userIdOf(2) })],
  ['of an operation', async () => ({ operation: 'operation3' })],
  ['of an operation that there is not', async () => ({ operation: 'none' })],
])('the audit log, %s', async (_what, variables) => {
  const asked: AuditEntriesQueryVariables = { first: 5, ...(await variables()) }
  statements = []
  const host = scene.asService()
  const { auditEntries } = await host.run(AuditEntriesDocument, asked)
  const { endCursor } = auditEntries!.pageInfo
  if (endCursor) await host.run(AuditEntriesDocument, { ...asked, after: endCursor })
  await expectIndexesOnly()
})
