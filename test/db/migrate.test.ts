import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import pg from 'pg'
import { afterEach, expect, test, vi } from 'vitest'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { NO_FILTERS, openAdapter, openEngine } from '../../src/db/schema-engine.ts'
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts'
import { temporaryFolder } from '../support/postgres.ts'

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase()
  cleanUps.push(database.drop)
  return database
}

/** A folder of migrations, each given as name and SQL. */
async function migrations(scripts: Record<string, string>): Promise<string> {
  const { folder, remove } = await temporaryFolder()
  cleanUps.push(remove)
  for (const [name, sql] of Object.entries(scripts)) await writeMigration(folder, name, sql)
  return folder
}

async function writeMigration(folder: string, name: string, sql: string): Promise<void> {
  await mkdir(path.join(folder, name), { recursive: true })
  await writeFile(path.join(folder, name, 'migration.sql'), sql)
}

async function client(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  cleanUps.push(() => client.end())
  return client
}

/** Migrates in a process of its own. */
function migrateInProcess(url: string, folder: string): ChildProcess {
  const script = new URL('../support/migrate-process.ts', import.meta.url).pathname
  return spawn(process.execPath, ['--import', 'tsx', script, url, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
}

const messageOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => expect.fail('it succeeded'),
    (error: Error) => error.message,
  )

/** What `prisma migrate status` says. */
async function status(url: string, folder: string) {
  const adapter = await openAdapter({ connectionString: url }, 'public')
  const engine = await openEngine(adapter)
  try {
    const migrationsList = await readMigrations(folder)
    return await engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters: NO_FILTERS })
  } finally {
    engine.free()
    await adapter.dispose()
  }
}

const IN_ORDER = { editedMigrationNames: [], failedMigrationNames: [], hasMigrationsTable: true, history: null }

// Statements that only a script sent whole survives.
const FIRST = `CREATE TABLE first (id int PRIMARY KEY, note text DEFAULT 'a;b');
CREATE FUNCTION one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;
`
const SECOND = 'INSERT INTO first (id) VALUES (one()) -- without a semicolon'

test('applies what is new, in the order of the names, and leaves the records that Prisma expects', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '2_second': SECOND, '1_first': FIRST })
  expect(await status(url, folder)).toMatchObject({ hasMigrationsTable: false, history: expect.anything() })
  expect(await migrate(url, folder)).toEqual(['1_first', '2_second'])
  expect(await migrate(url, folder)).toEqual([])
  expect(await status(url, folder)).toEqual(IN_ORDER)

  await writeMigration(folder, '3_third', 'ALTER TABLE first ADD COLUMN third int')
  expect(await status(url, folder)).toMatchObject({ history: { unappliedMigrationNames: ['3_third'] } })
  expect(await migrate(url, folder)).toEqual(['3_third'])
  expect(await status(url, folder)).toEqual(IN_ORDER)
  const { rows } = await (await client(url)).query(
    `SELECT migration_name AS name, applied_steps_count AS steps, finished_at >= started_at AS finished, logs
       FROM _prisma_migrations ORDER BY started_at`,
  )
  expect(rows).toEqual(
    ['1_first', '2_second', '3_third'].map((name) => ({ name, steps: 1, finished: true, logs: null })),
  )
})

test("the project's own migrations are applied in a test database", async () => {
  const database = await createTestDatabase()
  cleanUps.push(database.drop)
  expect(await migrate(database.url)).toEqual([])
})

test('simultaneous calls apply each migration once, and all succeed', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_first': FIRST, '2_second': SECOND })
  const results = await Promise.all([migrate(url, folder), migrate(url, folder), migrate(url, folder)])
  expect(results.flat().sort()).toEqual(['1_first', '2_second'])
  const { rows } = await (await client(url)).query('SELECT count(*)::int AS count FROM _prisma_migrations')
  expect(rows).toEqual([{ count: 2 }])
})

test("outwaits a migration that takes longer than the engine's patience of 10 s", { timeout: 40_000 }, async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_first': FIRST })
  const other = await client(url)
  await other.query('SELECT pg_advisory_lock(72707369)')
  const migrating = migrate(url, folder)
  const released = vi.waitUntil(
    async () => {
      const { rows } = await other.query(
        `SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE locktype = 'advisory' AND NOT granted AND now() - query_start > '11 s'`,
      )
      return rows.length > 0 && other.query('SELECT pg_advisory_unlock(72707369)')
    },
    { timeout: 30_000, interval: 200 },
  )
  expect(await migrating).toEqual(['1_first'])
  await released
})

test('a migration that fails leaves nothing, is named, and is tried again once it was put right', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({
    '1_first': FIRST,
    '2_bad': 'CREATE TABLE half (id int); CREATE TABLE first (id int)',
  })
  for (const _ of ['at first', 'again']) {
    expect(await messageOf(migrate(url, folder))).toBe('The migration 2_bad failed: relation "first" already exists')
  }
  const { rows } = await (await client(url)).query(`SELECT to_regclass('half') AS half`)
  expect(rows).toEqual([{ half: null }])
  expect(await status(url, folder)).toMatchObject({ failedMigrationNames: ['2_bad'] })

  await writeMigration(folder, '2_bad', 'CREATE TABLE half (id int)')
  expect(await migrate(url, folder)).toEqual(['2_bad'])
  expect(await status(url, folder)).toEqual(IN_ORDER)
})

test('a migration that was changed after it had been applied is named', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_first': FIRST })
  await migrate(url, folder)
  await writeMigration(folder, '1_first', FIRST.replaceAll('\n', '\r\n'))
  expect(await migrate(url, folder)).toEqual([])
  expect(await status(url, folder)).toEqual(IN_ORDER)

  await writeMigration(folder, '1_first', `${FIRST}-- changed`)
  expect(await messageOf(migrate(url, folder))).toMatch(
    /^The migration 1_first was changed after it had been applied to the database test_\w+$/,
  )
  expect(await status(url, folder)).toMatchObject({ editedMigrationNames: ['1_first'] })
})

test('a database that a newer version has migrated is left as it is', async () => {
  const { url } = await emptyDatabase()
  await migrate(url, await migrations({ '1_first': FIRST, '2_second': SECOND }))
  expect(await migrate(url, await migrations({ '1_first': FIRST }))).toEqual([])
})

test('a migration goes on after kill -9 of the process that began it, and counts as applied', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_slow': 'CREATE TABLE slow AS SELECT 1 FROM pg_advisory_lock(1)' })
  const other = await client(url)
  await other.query('SELECT pg_advisory_lock(1)')
  const child = migrateInProcess(url, folder)
  await waitingForLock(other)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const next = migrate(url, folder)
  await other.query('SELECT pg_advisory_unlock(1)')
  expect(await next).toEqual([])
  expect(await status(url, folder)).toEqual(IN_ORDER)
  await expect(other.query('SELECT FROM slow')).resolves.toMatchObject({ rowCount: 1 })
})

test('a migration that was interrupted by the database is tried again', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_slow': 'CREATE TABLE slow AS SELECT 1 FROM pg_advisory_lock(1)' })
  const other = await client(url)
  await other.query('SELECT pg_advisory_lock(1)')
  const interrupted = messageOf(migrate(url, folder))
  await other.query('SELECT pg_terminate_backend($1)', [await waitingForLock(other)])
  expect(await interrupted).toMatch(/^The migration 1_slow failed: terminating connection .*$/)
  await other.query('SELECT pg_advisory_unlock(1)')
  expect(await migrate(url, folder)).toEqual(['1_slow'])
  expect(await status(url, folder)).toEqual(IN_ORDER)
})

/** Waits until somebody waits for the lock with number 1, and gives back who. */
async function waitingForLock(client: pg.Client): Promise<number> {
  return vi.waitUntil(async () => {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
        WHERE datname = current_database() AND locktype = 'advisory' AND objid = 1 AND NOT granted`,
    )
    return rows[0]?.pid
  }, 10_000)
}

// The engine's timer alone would hold it for 10 s.
test('does not keep its process alive', { timeout: 9_000 }, async () => {
  const { url } = await emptyDatabase()
  const child = migrateInProcess(url, await migrations({ '1_first': FIRST }))
  const [output] = await once(child.stdout!, 'data')
  expect(JSON.parse(output)).toEqual(['1_first'])
  expect(await once(child, 'exit')).toEqual([0, null])
})

test('keeps to the schema that the URL chooses', async () => {
  const { url } = await emptyDatabase()
  const folder = await migrations({ '1_first': FIRST })
  const chosen = `${url}?options=-c%20search_path%3Dapart`
  expect(await messageOf(migrate(chosen, folder))).toMatch(/ has none of the schemas of its search_path \(apart\)$/)
  const other = await client(url)
  await other.query('CREATE SCHEMA apart')
  expect(await migrate(chosen, folder)).toEqual(['1_first'])
  await writeMigration(folder, '2_second', SECOND)
  expect(await migrate(chosen, folder)).toEqual(['2_second'])
  const { rows } = await other.query(
    `SELECT table_schema AS schema, table_name AS name FROM information_schema.tables
      WHERE table_name IN ('first', '_prisma_migrations') ORDER BY 2`,
  )
  expect(rows).toEqual([
    { schema: 'apart', name: '_prisma_migrations' },
    { schema: 'apart', name: 'first' },
  ])
  expect(await messageOf(migrate(`${url}?schema=apart`, folder))).toContain('use options=-c%20search_path%3Dapart')
})

test('refuses a database with tables of somebody else', async () => {
  const { url } = await emptyDatabase()
  await (await client(url)).query('CREATE TABLE foreign_to_us (id int)')
  expect(await messageOf(migrate(url, await migrations({ '1_first': FIRST })))).toMatch(
    /^The migrations can't be applied: The database schema is not empty\..*$/,
  )
})

test('an unreachable database is named without the password', async () => {
  const folder = await migrations({ '1_first': FIRST })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  expect(await messageOf(migrate(`postgresql://user:secret@127.0.0.1:${port}/parley`, folder))).toBe(
    `The database at 127.0.0.1:${port} can't be used: connect ECONNREFUSED 127.0.0.1:${port}`,
  )
  const { url } = await emptyDatabase()
  const wrong = new URL(url)
  wrong.password = 'secret'
  expect(await messageOf(migrate(wrong.href, folder))).toBe(
    `The database at 127.0.0.1:${wrong.port} can't be used: password authentication failed for user "postgres"`,
  )
  expect(await messageOf(migrate(`${url}?sslmode=require`, folder))).toContain('does not support SSL')
})
