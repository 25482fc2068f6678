// Writes the next migration: the SQL that leads from prisma/migrations to prisma/schema.prisma.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ColumnTypeEnum, type SqlDriverAdapter } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { readMigrations } from '../src/db/migrate.ts'
import { NO_FILTERS, openAdapter, openEngine } from '../src/db/schema-engine.ts'
import { databaseUrl, startTemporaryPostgres } from '../test/support/postgres.ts'

const USAGE = `Usage: npm run migrate:make -- NAME
       npm run migrate:make -- --check

Writes prisma/migrations/<UTC time>_NAME/migration.sql with what changed in prisma/schema.prisma. Read it, and add what
Prisma can't say, before you commit it. Needs no database: it tries the migrations in one of its own.

  --check        Write nothing; end with 1 if the schema has a change that is in no migration.
  --folder PATH  The folder with schema.prisma and migrations. Default: the one of this script.
  --help         Show this.
`

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      folder: { type: 'string', default: import.meta.dirname },
      help: { type: 'boolean', default: false },
    },
  })
  const name = positionals.join('_').toLowerCase().replaceAll(/\W+/g, '_')
  if (values.help || (values.check ? name !== '' : !/[a-z]/.test(name))) {
    process.stdout.write(USAGE)
    return values.help ? 0 : 2
  }
  const sql = await difference(values.folder)
  if (sql === undefined) {
    process.stdout.write('The migrations lead to the schema: nothing to do.\n')
    return 0
  }
  if (values.check) {
    process.stdout.write(`${sql}\nprisma/schema.prisma has this change, which is in no migration: make one.\n`)
    return 1
  }
  process.stdout.write(`Wrote ${await write(values.folder, name, sql)}\n`)
  return 0
}

/** The SQL that leads from a folder's migrations to its schema.prisma, or undefined if they agree. */
async function difference(folder: string): Promise<string | undefined> {
  const migrations = await readMigrations(path.join(folder, 'migrations'))
  const content = await readFile(path.join(folder, 'schema.prisma'), 'utf8')
  const postgres = await startTemporaryPostgres()
  try {
    const adapter = await openCatalogueAdapter(postgres.url)
    const engine = await openEngine(adapter, () => openShadow(postgres.url))
    try {
      const { stdout } = await engine.diff({
        from: migrations.migrationDirectories.length > 0 ? { tag: 'migrations', ...migrations } : { tag: 'empty' },
        to: { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content }] },
        script: true,
        exitCode: null,
        filters: NO_FILTERS,
      })
      return stdout?.replaceAll(/^--.*$/gm, '').trim() ? stdout : undefined
    } finally {
      engine.free()
      await adapter.dispose()
    }
  } finally {
    await postgres.stop()
  }
}

/** A database of its own for the engine to apply the migrations in. The engine disposes of the connection. */
async function openShadow(url: string): Promise<SqlDriverAdapter> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query('CREATE DATABASE shadow')
  await client.end()
  return openCatalogueAdapter(databaseUrl(url, 'shadow'))
}

/** Types by their numbers in PostgreSQL: "char" is the catalogue's own. */
const CHAR = 18
const TEXT = 25

/**
 * A connection that can read PostgreSQL's catalogue. Prisma's adapter does not know the type "char", which the engine
 * asks for: so such columns come in as text, and are then told to the engine as characters.
 */
async function openCatalogueAdapter(url: string): Promise<SqlDriverAdapter> {
  const adapter = await openAdapter({ connectionString: url }, 'public')
  const pool = adapter.underlyingDriver()
  const query = pool.query.bind(pool) as (query: string | pg.QueryConfig) => Promise<pg.QueryResult | pg.QueryResult[]>
  const charsOf = new WeakMap<object, boolean[]>()
  pool.query = (async (sql: string | pg.QueryConfig) => {
    const result = await query(sql)
    // A script gives back many.
    if (Array.isArray(result)) return result
    const chars = result.fields.map((field) => field.dataTypeID === CHAR)
    for (const field of result.fields) if (field.dataTypeID === CHAR) field.dataTypeID = TEXT
    charsOf.set(result.rows, chars)
    return result
  }) as pg.Pool['query']

  const queryRaw = adapter.queryRaw.bind(adapter)
  adapter.queryRaw = async (query) => {
    const result = await queryRaw(query)
    charsOf.get(result.rows)?.forEach((isChar, i) => {
      if (isChar) result.columnTypes[i] = ColumnTypeEnum.Character
    })
    return result
  }
  return adapter
}

/** Gives back the path of the file written. */
async function write(folder: string, name: string, sql: string): Promise<string> {
  const time = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)
  const file = path.join(folder, 'migrations', `${time}_${name}`, 'migration.sql')
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, sql.endsWith('\n') ? sql : `${sql}\n`)
  const lock = path.join(folder, 'migrations', 'migration_lock.toml')
  await writeFile(lock, 'provider = "postgresql"\n', { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return path.relative(process.cwd(), file)
}

// By process.exit, which lets the temporary PostgreSQL be taken away.
process.once('SIGINT', () => process.exit(130))
process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`)
  return 1
})
