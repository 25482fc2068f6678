import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seed } from '../../src/commands/seed.ts'
import { parseConfig } from '../../src/config.ts'
import { openingKeyOf } from '../../src/features/conversations/opening.ts'
import { wordsOf } from '../../src/features/users/words.ts'
import { type Row, type Scene, startDirect, startScene, usersOf, uuidOf } from '../features/support.ts'
import {
  SeededConversationsDocument,
  type SeededConversationsQuery,
  type SeededConversationsQueryVariables,
} from '../generated/graphql.ts'
import { SECRET, type TestClient } from '../support/app.ts'
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts'
import { checkInvariants } from '../support/invariants.ts'
import { seedDatabase } from '../support/seed.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const databases: TestDatabase[] = []
const clients: pg.Client[] = []

afterAll(async () => {
  await Promise.all(clients.map((client) => client.end()))
  await Promise.all(databases.map((database) => database.drop()))
})

/** A database and what runs SQL in it. */
async function database(create = createTestDatabase) {
  const made = await create()
  databases.push(made)
  const client = new pg.Client(made.url)
  client.on('error', () => {})
  clients.push(client)
  await client.connect()
  return { url: made.url, sql: async (text: string) => (await client.query<Row>(text)).rows }
}

type Sql = (text: string) => Promise<Row[]>

/** Runs `parley seed` in a process of its own. */
async function parleySeed(url: string, args: string[] = [], env: Record<string, string> = {}) {
  const command = ['--import', 'tsx', MAIN, 'seed', ...args]
  const options = { env: { PATH: process.env.PATH, DATABASE_URL: url, LOG_LEVEL: 'error', ...env } }
  return promisify(execFile)(process.execPath, command, options).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
  )
}

/** A digest of all that a database holds, by table. */
async function digests(sql: Sql) {
  const tables = [
    'users',
    'user_words',
    'conversations',
    'participants',
    'messages',
    'read_advances',
    'idempotency_keys',
  ]
  const found: Record<string, Row> = {}
  for (const table of tables) {
    const [row] = await sql(`SELECT count(*)::int, md5(string_agg(md5(t::text), '' ORDER BY t::text)) FROM ${table} t`)
    found[table] = row!
  }
  return found
}

async function counts(sql: Sql) {
  const [row] = await sql(`SELECT (SELECT count(*)::int FROM users) AS users,
    (SELECT count(*)::int FROM conversations) AS conversations, (SELECT count(*)::int FROM messages) AS messages`)
  return row
}

describe('the command', () => {
  test('migrates and fills a database once', async () => {
    const { url, sql } = await database(createEmptyDatabase)
    expect(await parleySeed(url)).toEqual({
      code: 0,
      stdout: 'Seeded 100 users, 120 conversations and 5,000 messages.\n',
      stderr: '',
    })
    expect(await counts(sql)).toEqual({ users: 100, conversations: 120, messages: 5000 })
    const before = await digests(sql)
    expect(await parleySeed(url)).toMatchObject({
      code: 0,
      stdout: 'The demo data are there already: 100 users, 120 conversations and 5,000 messages.\n',
    })
    expect(await digests(sql)).toEqual(before)
  })

  test('leaves data of other sizes alone', async () => {
    const { url, sql } = await database()
    await seedDatabase(url, { users: 20, conversations: 30, messages: 100 })
    const before = await digests(sql)
    const refused = await parleySeed(url, ['--users', '20', '--conversations', '30', '--messages', '101'])
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'parley: This database was seeded with --users 20 --conversations 30 --messages 100 --seed 1; ' +
        'other data need a database of their own.\n',
    })
    expect(await digests(sql)).toEqual(before)
  })

  test('needs --force in production', async () => {
    const { url, sql } = await database()
    const production = { NODE_ENV: 'production', DATABASE_URL: url, JWT_SECRET: SECRET }
    const sizes = ['--users', '10', '--conversations', '1', '--messages', '0']
    await expect(seed(parseConfig(production), sizes)).rejects.toThrow('--force')
    expect(await counts(sql)).toMatchObject({ users: 0 })
    expect(await parleySeed(url, [...sizes, '--force'], production)).toMatchObject({ code: 0 })
    expect(await counts(sql)).toEqual({ users: 10, conversations: 1, messages: 0 })
  })

  test.each([
    ...['--users=9', '--conversations=0', '--messages=-1', '--messages=many', '--seed=1.5', '--seed=4294967296'],
  ])('refuses %s', async (option) => {
    const [name] = option.split('=')
    await expect(seed(parseConfig({ DATABASE_URL: 'postgresql://127.0.0.1:1/none' }), [option])).rejects.toThrow(
      `${name} must be a whole number from`,
    )
  })
})

describe('the data', () => {
  test('are the same for the same sizes and seed, to the last id', async () => {
    const [one, other, different] = [await database(), await database(), await database()]
    const sizes = { users: 50, conversations: 40, messages: 500 }
    await seedDatabase(one.url, sizes)
    await seedDatabase(other.url, sizes)
    await seedDatabase(different.url, { ...sizes, seed: 2 })
    const { idempotency_keys: _, ...rows } = await digests(one.sql)
    expect(await digests(other.sql)).toMatchObject(rows)
    const others = await digests(different.sql)
    for (const [table, digest] of Object.entries(rows)) expect(others[table]).not.toEqual(digest)
  })

  test.each([
    { users: 10, conversations: 1, messages: 0 },
    { users: 10, conversations: 200, messages: 7 },
    { users: 10, conversations: 3, messages: 3_000 },
    { users: 1_000, conversations: 300, messages: 51_000, seed: 4_294_967_295 },
  ])('hold the invariants at any size: %o', async (sizes) => {
    const { url, sql } = await database()
    await seedDatabase(url, sizes)
    expect(await checkInvariants(sql)).toEqual([])
    expect(await counts(sql)).toEqual({
      users: sizes.users,
      conversations: sizes.conversations,
      messages: sizes.messages,
    })
  })

  test('are all there or not at all', async () => {
    const { url, sql } = await database()
    await sql(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room left'; END $$`)
    await sql(`CREATE TRIGGER fail AFTER INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION fail()`)
    const before = await digests(sql)
    await expect(seedDatabase(url)).rejects.toThrow('no room left')
    expect(await digests(sql)).toEqual(before)
    await sql(`DROP TRIGGER fail ON messages`)
    expect(await seedDatabase(url)).toBe(true)
  })

  test('are refused where somebody else has one of their names', async () => {
    const { url, sql } = await database()
    await sql(`INSERT INTO users (id, external_id, username, display_name)
               VALUES (gen_random_uuid(), 'demo-100', 'in the way', 'in the way')`)
    const before = await digests(sql)
    await expect(seedDatabase(url)).rejects.toThrow('There is a user demo-100 already')
    expect(await digests(sql)).toEqual(before)
  })

  test('are written once by two at once', async () => {
    const { url, sql } = await database()
    expect((await Promise.all([seedDatabase(url), seedDatabase(url)])).sort()).toEqual([false, true])
    expect(await counts(sql)).toEqual({ users: 100, conversations: 120, messages: 5000 })
  })
})

describe('a server on the data', () => {
  let scene: Scene

  beforeAll(async () => {
    scene = await startScene()
    await seedDatabase(scene.databaseUrl)
  })
  afterAll(() => scene.close())

  /** The whole list, page by page. */
  async function list(client: TestClient, filter: SeededConversationsQueryVariables['filter'] = null) {
    const nodes = []
    for (let after: string | undefined; ; ) {
      const page: SeededConversationsQuery = await client.run(SeededConversationsDocument, { first: 20, after, filter })
      const { edges, pageInfo } = page.conversations!
      nodes.push(...edges.map(({ node }) => node))
      if (!pageInfo.hasNextPage) return nodes
      after = pageInfo.endCursor!
    }
  }

  /** The same from the tables: what ada is in, in the order of the list. */
  const inTables = async (condition: string) => {
    const rows = await scene.sql(
      `SELECT c.id FROM participants p
         JOIN users u ON u.id = p.user_id JOIN conversations c ON c.id = p.conversation_id
        WHERE u.external_id = 'ada' AND p.left_at IS NULL AND ${condition}
        ORDER BY p.is_pinned DESC, coalesce(c.last_message_at, c.created_at) DESC, c.id DESC`,
    )
    return rows.map(({ id }) => id)
  }
  const ARCHIVED = `coalesce(c.last_seq <= p.archived_seq OR (p.archived_seq IS NOT NULL AND p.muted_until > now()), false)`

  test("lists ada's conversations in their order, without those that she archived or that were deleted", async () => {
    const ada = scene.as('ada')
    const nodes = await list(ada)
    expect(nodes.length).toBeGreaterThan(30)
    expect(nodes.map(({ id }) => uuidOf(id))).toEqual(await inTables(`c.deleted_at IS NULL AND NOT ${ARCHIVED}`))
    const archived = await list(ada, { archived: 'ONLY' })
    expect(archived.map(({ id }) => uuidOf(id))).toEqual(await inTables(`c.deleted_at IS NULL AND ${ARCHIVED}`))
    expect(archived).not.toEqual([])
    expect(await inTables('c.deleted_at IS NOT NULL')).not.toEqual([])
  })

  test('shows ada pinned, unread and read conversations, each with its last message', async () => {
    const nodes = await list(scene.as('ada'))
    expect(new Set(nodes.map(({ viewerState }) => viewerState!.isPinned))).toEqual(new Set([true, false]))
    expect(new Set(nodes.map(({ viewerState }) => viewerState!.unreadCount > 0))).toEqual(new Set([true, false]))
    for (const { messageCount, lastMessage } of nodes) expect(lastMessage?.seq ?? 0).toBe(messageCount)
  })

  test.each(['ada', 'bo'])('shows %s conversations of every kind', async (externalId) => {
    const nodes = await list(scene.as(externalId), { archived: 'INCLUDE' })
    const kinds = ['DIRECT', 'GENERAL', 'GROUP', 'JOB', 'ROLEPLAY', 'SUPPORT']
    expect([...new Set(nodes.map(({ kind }) => kind))].sort()).toEqual(kinds)
  })

  test('finds the direct conversation of ada and bo, which is long', async () => {
    const ada = scene.as('ada')
    const id = await startDirect(ada, 'bo')
    const [direct] = (await list(ada, { archived: 'INCLUDE' })).filter((node) => node.id === id)
    expect(direct!.messageCount).toBeGreaterThan(500)
  })

  test('keeps the keys by which conversations are found again', async () => {
    const jobs = await scene.sql(
      `SELECT subject_id, opening_key, array_agg(user_id::text) AS members
         FROM conversations c JOIN participants p ON p.conversation_id = c.id AND p.joined_at = c.created_at
        WHERE kind = 'JOB' GROUP BY c.id`,
    )
    expect(jobs.length).toBeGreaterThan(0)
    for (const job of jobs)
      expect(job.opening_key).toBe(openingKeyOf(job.subject_id as string, job.members as string[]))
    for (const user of await scene.sql('SELECT username, display_name, words FROM users')) {
      expect(user.words).toEqual(wordsOf(user.username as string, user.display_name as string))
    }
  })

  test('holds some of everything that can be', async () => {
    const some = async (table: string, conditions: string[]) => {
      for (const condition of conditions) {
        const [row] = await scene.sql(`SELECT count(*)::int FROM ${table} WHERE ${condition}`)
        expect(row!.count, condition).toBeGreaterThan(0)
      }
    }
    await some('users', [`type = 'AGENT'`, `display_name ~ '[א-ת]'`, `display_name ~ '[一-龯]'`])
    await some('conversations', [
      ...[
        'closed_at IS NOT NULL',
        'deleted_at IS NOT NULL',
        `tags <> '{}'`,
        'summary IS NOT NULL',
        'details_version > 1',
      ],
      ...[
        `metadata <> '{}'`,
        `kind = 'SUPPORT' AND NOT EXISTS (SELECT FROM participants p
            WHERE p.conversation_id = conversations.id AND p.role = 'OWNER')`,
      ],
    ])
    await some('participants', [
      ...[`role = 'ADMIN'`, `change = 'LEFT'`, `change = 'REMOVED'`, `change = 'ROLE_CHANGED'`, 'visible_from_seq > 1'],
      ...['is_pinned', 'is_favorited', 'muted_until IS NOT NULL', 'archived_seq IS NOT NULL'],
    ])
    await some('messages', [
      `kind = 'SYSTEM'`,
      'reply_to_seq IS NOT NULL',
      `body ~ '[א-ת]'`,
      `body ~ '[؀-ۿ]'`,
      `body ~ '😂'`,
    ])
  })

  test('does not take it for news: no row carries the stamp of a transaction', async () => {
    for (const table of ['conversations', 'participants', 'messages']) {
      expect(await scene.sql(`SELECT FROM ${table} WHERE xid IS NOT NULL LIMIT 1`)).toEqual([])
    }
  })

  test('can tell who has read what from advances that follow one another, and from what was sent', async () => {
    const broken = await scene.sql(
      `SELECT * FROM (
         SELECT a.*, lag(seq, 1, 0) OVER each AS before, lag(read_at) OVER each AS before_at
           FROM read_advances a WINDOW each AS (PARTITION BY conversation_id, user_id ORDER BY seq)) AS advance
        WHERE from_seq < before OR read_at < before_at`,
    )
    expect(broken).toEqual([])
    // Whatever others sent after somebody came, up to where it was read, was passed by an advance.
    const unaccounted = await scene.sql(
      `SELECT m.conversation_id, m.seq, p.user_id FROM participants p
         JOIN messages m ON m.conversation_id = p.conversation_id AND m.seq <= p.last_read_seq
          AND m.created_at > p.joined_at AND m.sender_id IS DISTINCT FROM p.user_id
        WHERE NOT EXISTS (SELECT FROM read_advances a WHERE a.conversation_id = m.conversation_id
                             AND a.user_id = p.user_id AND a.seq >= m.seq AND a.from_seq < m.seq)`,
    )
    expect(unaccounted).toEqual([])
  })
})

test('ada and bo who were there before keep their ids and their conversation', async () => {
  const scene = await startScene()
  try {
    const [ada] = await usersOf(scene, 'ada', 'bo')
    const id = await startDirect(ada, 'bo')
    const before = await scene.sql('SELECT id FROM users ORDER BY id')
    await seedDatabase(scene.databaseUrl)
    expect(await scene.sql(`SELECT id FROM users WHERE external_id IN ('ada', 'bo') ORDER BY id`)).toEqual(before)
    expect(await startDirect(ada, 'bo')).toBe(id)
    expect(await checkInvariants(scene.sql)).toEqual([])
    expect(await counts(scene.sql)).toEqual({ users: 100, conversations: 121, messages: 5000 })
    const { conversations } = await ada.run(SeededConversationsDocument, { first: 100 })
    expect(conversations!.edges.length).toBeGreaterThan(30)
  } finally {
    await scene.close()
  }
})
