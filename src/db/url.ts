import type { Logger } from '../lib/log.ts'
import { startEmbeddedPostgres } from './embedded.ts'

/** Where the database is. */
export interface DatabaseUrl {
  url: string
  /** Lets go of it: an embedded server is stopped, unless others use it. */
  release(): Promise<void>
}

/** The database that is set, or the embedded one of the data folder, which is started. @throws Error of one line. */
export async function databaseUrlOf(
  { databaseUrl, dataDir }: { databaseUrl: string | undefined; dataDir: string },
  log: Logger,
): Promise<DatabaseUrl> {
  if (databaseUrl !== undefined) return { url: databaseUrl, release: async () => {} }
  const embedded = await startEmbeddedPostgres({ dataDir, log })
  return { url: embedded.url, release: () => embedded.stop() }
}

/**
 * Runs `work` on that database, and lets go of it. An embedded server outlives a process that is killed meanwhile; the
 * next one joins it.
 */
export async function withDatabaseUrl<T>(
  config: { databaseUrl: string | undefined; dataDir: string },
  log: Logger,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const { url, release } = await databaseUrlOf(config, log)
  try {
    return await work(url)
  } finally {
    await release()
  }
}
