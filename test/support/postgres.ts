import { readFileSync, rmSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { createLogger } from '../../src/lib/log.ts'

/** The database with all migrations applied that the global set-up makes; nobody connects to it. */
export const TEMPLATE = 'parley_template'

/** A folder that goes when the tests are done; PostgreSQL's user may enter it. */
export async function temporaryFolder(): Promise<{ folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'parley-'))
  // As root, PostgreSQL runs as another user.
  await chmod(folder, 0o755)
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** A PostgreSQL that leaves nothing behind, whether it is stopped or the process ends by an error or by Ctrl-C. */
export async function startTemporaryPostgres(settings: Record<string, string> = {}): Promise<EmbeddedPostgres> {
  const { folder, remove } = await temporaryFolder()
  let cluster: string | undefined
  const abandon = () => {
    if (cluster) endAtOnce(cluster)
    // It may still be taking away files of its own.
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
  }
  process.once('exit', abandon)
  const start = () => startEmbeddedPostgres({ dataDir: folder, log: createLogger('warn') })
  let postgres = await start()
  cluster = postgres.folder
  const changes = Object.entries(settings).map(([name, value]) => `ALTER SYSTEM SET ${name} = '${value}'`)
  if (changes.length > 0) {
    await execute(postgres.url, ...changes)
    await postgres.stop()
    postgres = await start()
    if (postgres.reused) throw new Error('PostgreSQL was not started again, so its settings are not in effect.')
  }
  return {
    ...postgres,
    async stop() {
      await postgres.stop()
      await remove()
      process.off('exit', abandon)
    },
  }
}

function endAtOnce(cluster: string): void {
  try {
    process.kill(Number.parseInt(readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8'), 10), 'SIGQUIT')
  } catch {
    // It has gone already.
  }
}

/** The URL of another database on the same server. */
export function databaseUrl(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}

/** Runs statements on a connection of their own, which releases its locks by ending. */
export async function execute(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
