import type { Config } from '../config.ts'
import { migrate } from '../db/migrate.ts'
import { withDatabaseUrl } from '../db/url.ts'
import { createLogger } from '../lib/log.ts'
import { heedInterrupts } from './interrupts.ts'

/** Applies the migrations that the database lacks, and says which; all of them, even if it is interrupted. */
export async function runMigrations(config: Config): Promise<void> {
  heedInterrupts()
  const applied = await withDatabaseUrl(config, createLogger(config.logLevel), migrate)
  process.stdout.write(
    applied.length > 0 ? `Applied: ${applied.join(', ')}\n` : 'Nothing to apply: the database is up to date.\n',
  )
}
