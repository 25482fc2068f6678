import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'
import { NO_FILTERS, openAdapter, openEngine } from './schema-engine.ts'

/** Next to src and dist alike. */
const MIGRATIONS = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** What Prisma's tools lock while they migrate a database. */
const PRISMA_LOCK = 72_707_369
const CONNECT_TIMEOUT_MS = 10_000

/**
 * Applies the migrations that the database does not have yet, each in one transaction, and gives back their names.
 * The engine and the records are those of `prisma migrate deploy`. Calls from several processes wait for each other.
 * A migration that failed or was interrupted is tried again by the next call.
 * @throws Error of one line: no connection, a migration that fails, one that was changed after it had been applied.
 */
export async function migrate(databaseUrl: string, folder = MIGRATIONS): Promise<string[]> {
  const migrations = await readMigrations(folder)
  const client = await connect(databaseUrl)
  try {
    const schema = await schemaOf(client)
    const records = `${pg.escapeIdentifier(schema)}._prisma_migrations`
    for (;;) {
      const { pending, unfinished } = await compare(client, records, migrations)
      if (unfinished) await forgetUnfinished(client, records)
      else if (pending === 0) return []
      else {
        const applied = await apply(databaseUrl, schema, records, migrations)
        if (applied) return applied
      }
    }
  } finally {
    await client.end()
  }
}

/** The migrations of a folder, in the order of their names and in the engine's form. */
export async function readMigrations(folder: string): Promise<MigrationList> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.flatMap((entry) => (entry.isDirectory() ? entry.name : [])).sort()
  const directory = async (name: string) => {
    const value = await readFile(path.join(folder, name, 'migration.sql'), 'utf8')
    return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok' as const, value } } }
  }
  return {
    baseDir: folder,
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(names.map(directory)),
  }
}

async function connect(databaseUrl: string): Promise<pg.Client> {
  const schema = URL.canParse(databaseUrl) ? new URL(databaseUrl).searchParams.get('schema') : null
  if (schema && schema !== 'public') {
    throw new Error(`The database URL's schema=${schema} has no effect here: use options=-c%20search_path%3D${schema}`)
  }
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
  // A connection that breaks is told by the statement that needed it.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException
    const reason = message || code
    throw new Error(`The database at ${client.host}:${client.port} can't be used: ${reason}`, { cause })
  }
}

/** Where tables are made: public, unless the URL or the role says otherwise by search_path. */
async function schemaOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ schema: string | null; path: string }>(
    `SELECT current_schema() AS schema, current_setting('search_path') AS path`,
  )
  const { schema, path } = rows[0]!
  if (!schema) throw new Error(`The database ${client.database} has none of the schemas of its search_path (${path})`)
  return schema
}

interface Row {
  name: string
  checksum: string
  finished: boolean
}

/** How many migrations the database lacks, and whether one of them was begun. */
async function compare(
  client: pg.Client,
  records: string,
  migrations: MigrationList,
): Promise<{ pending: number; unfinished: boolean }> {
  const { rows: found } = await client.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [
    records,
  ])
  if (!found[0]!.found) return { pending: migrations.migrationDirectories.length, unfinished: false }

  const { rows } = await client.query<Row>(
    `SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
       FROM ${records} WHERE rolled_back_at IS NULL`,
  )
  const applied = new Map(rows.filter((row) => row.finished).map((row) => [row.name, row.checksum]))
  for (const { path: name, migrationFile } of migrations.migrationDirectories) {
    const checksum = applied.get(name)
    if (checksum && !checksumsOf(scriptOf(migrationFile)).includes(checksum)) {
      throw new Error(`The migration ${name} was changed after it had been applied to the database ${client.database}`)
    }
  }
  return {
    pending: migrations.migrationDirectories.filter(({ path: name }) => !applied.has(name)).length,
    unfinished: rows.some((row) => !row.finished),
  }
}

function scriptOf({ content }: MigrationList['migrationDirectories'][number]['migrationFile']): string {
  return content.value
}

/** Whatever git makes of line ends, as Prisma's. */
function checksumsOf(script: string): string[] {
  const unix = script.replaceAll('\r\n', '\n')
  return [unix, unix.replaceAll('\n', '\r\n')].map((text) => createHash('sha256').update(text).digest('hex'))
}

/**
 * Waits for whoever is migrating. What is unfinished after that has failed or was interrupted, and as it was one
 * transaction, nothing of it is in the database: Prisma would insist on being told so by hand.
 */
async function forgetUnfinished(client: pg.Client, records: string): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK])
  await client.query(
    `UPDATE ${records} SET rolled_back_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL`,
  )
  await client.query('SELECT pg_advisory_unlock($1)', [PRISMA_LOCK])
}

/** Undefined if somebody else was migrating, and has finished now. */
async function apply(
  databaseUrl: string,
  schema: string,
  records: string,
  migrations: MigrationList,
): Promise<string[] | undefined> {
  let failure: Error | undefined
  const adapter = await openAdapter({ connectionString: databaseUrl }, schema, async (script, pool) => {
    try {
      // Finished in the same transaction: a process that dies before it could say so leaves no doubt.
      const finish = `UPDATE ${records} SET finished_at = now() WHERE finished_at IS NULL AND rolled_back_at IS NULL`
      await pool.query(`${script}\n;${finish}`)
    } catch (cause) {
      const failed = migrations.migrationDirectories.find((each) => scriptOf(each.migrationFile) === script)
      failure = new Error(`The migration ${failed?.path} failed: ${(cause as Error).message}`, { cause })
      throw cause
    }
  })
  try {
    const engine = await openEngine(adapter)
    try {
      const { appliedMigrationNames } = await engine.applyMigrations({
        migrationsList: migrations,
        filters: NO_FILTERS,
      })
      return appliedMigrationNames
    } finally {
      engine.free()
    }
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException
    // It waits for 10 s. Closing the connection below then waits for as long as it takes.
    if (code === 'P1002' && message.includes('advisory lock')) return undefined
    throw failure ?? new Error(`The migrations can't be applied: ${message.split('\n')[0]}`, { cause })
  } finally {
    await adapter.dispose()
  }
}
