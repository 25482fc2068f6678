import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { createLogger } from '../../src/lib/log.ts'
import { temporaryFolder } from '../support/postgres.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const log = createLogger('silent')
/** So many that seeding is still under way when the test comes to it. */
const LONG = ['--conversations', '20000', '--messages', '4000000']

/** Joins the PostgreSQL of a folder, which is told to stay there for those who use it still. */
async function inDatabase(dataDir: string, work: (client: pg.Client) => Promise<void>) {
  const embedded = await startEmbeddedPostgres({ dataDir, log })
  const client = new pg.Client(embedded.url)
  client.on('error', () => {})
  await client.connect()
  await work(client).finally(() => client.end())
  await embedded.stop()
  return embedded
}

test('a seed that is interrupted writes nothing, and stops the PostgreSQL that it has started', async () => {
  const { folder, remove } = await temporaryFolder()
  onTestFinished(remove)
  const env = { PATH: process.env.PATH, DATA_DIR: folder }
  const seeding = spawn(process.execPath, ['--import', 'tsx', MAIN, 'seed', ...LONG], { env })
  onTestFinished(() => void seeding.kill('SIGKILL'))
  const told = text(seeding.stderr)
  const exited = once(seeding, 'exit')
  await inDatabase(folder, async (client) => {
    const inserts = `SELECT FROM pg_stat_activity WHERE query LIKE '%INTO messages%' AND pid <> pg_backend_pid()`
    await vi.waitFor(async () => expect((await client.query(inserts)).rowCount).toBe(1), 60_000)
  })
  seeding.kill('SIGINT')
  expect(await exited).toEqual([130, null])
  expect(await told).toBe('parley: Interrupted: nothing was written.\n')

  const { reused } = await inDatabase(folder, async (client) => {
    expect((await client.query('SELECT count(*)::int AS messages FROM messages')).rows).toEqual([{ messages: 0 }])
  })
  expect(reused).toBe(false)
}, 180_000)
