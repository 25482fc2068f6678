import { parseArgs } from 'node:util'
import { type Config, ConfigError } from '../config.ts'
import { openDb } from '../db/client.ts'
import { migrate } from '../db/migrate.ts'
import { withDatabaseUrl } from '../db/url.ts'
import { DEFAULT_SIZES, MIN_SEED_USERS, type SeedSizes, seedDemoData } from '../features/demo/seed.ts'
import { createLogger } from '../lib/log.ts'
import { heedInterrupts } from './interrupts.ts'

/** Fills the database with demonstration data, once. @throws ConfigError, ConflictError for what it will not do. */
export async function seed(config: Config, args: string[]): Promise<void> {
  const { sizes, force } = parseSizes(args)
  if (config.environment === 'production' && !force) {
    throw new ConfigError('seed writes made-up users and messages: not in production, unless with --force.')
  }
  const log = createLogger(config.logLevel)
  const interrupted = heedInterrupts()
  const onProgress = (done: number) => {
    // All is one transaction, which this ends.
    interrupted.throwIfAborted()
    showProgress(done)
  }
  const written = await withDatabaseUrl(config, log, async (url) => {
    await migrate(url)
    const db = await openDb({ url, poolSize: 1, log, unhurried: true })
    try {
      return await seedDemoData(db, sizes, onProgress)
    } finally {
      await db.close()
    }
  })
  process.stdout.write(`${written ? 'Seeded' : 'The demo data are there already:'} ${told(sizes)}.\n`)
}

function parseSizes(args: string[]): { sizes: SeedSizes; force: boolean } {
  const { values } = parseArgs({
    args,
    options: {
      users: { type: 'string' },
      conversations: { type: 'string' },
      messages: { type: 'string' },
      seed: { type: 'string' },
      force: { type: 'boolean' },
    },
  })
  const size = (name: keyof SeedSizes, from: number, to: number) => {
    const value = Number(values[name] ?? DEFAULT_SIZES[name])
    if (Number.isInteger(value) && value >= from && value <= to) return value
    throw new ConfigError(`--${name} must be a whole number from ${from} to ${to}.`)
  }
  const sizes = {
    users: size('users', MIN_SEED_USERS, 1_000_000),
    conversations: size('conversations', 1, 1_000_000),
    messages: size('messages', 0, 100_000_000),
    seed: size('seed', 0, 2 ** 32 - 1),
  }
  return { sizes, force: values.force ?? false }
}

/** On one line that is overwritten, and to a terminal only. */
function showProgress(done: number) {
  if (process.stderr.isTTY) process.stderr.write(`\rSeeding… ${Math.round(done * 100)}%\r`)
}

function told({ users, conversations, messages }: SeedSizes): string {
  const count = (number: number) => number.toLocaleString('en')
  return `${count(users)} users, ${count(conversations)} conversations and ${count(messages)} messages`
}
