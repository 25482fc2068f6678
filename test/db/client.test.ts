import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Db, type DbOptions, openDb } from '../../src/db/client.ts'
import { isDatabaseUnavailable } from '../../src/db/errors.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const TIMEOUT_MS = 500

let database: TestDatabase
let proxy: TcpProxy
const opened: Db[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  proxy = await createTcpProxy({ port: Number(new URL(database.url).port) })
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((db) => db.close()))
  await proxy.close()
  await database.drop()
})

async function open(options: Partial<DbOptions> = {}): Promise<Db> {
  const url = new URL(database.url)
  url.host = `127.0.0.1:${proxy.port}`
  const log = createLogger('silent')
  const db = await openDb({ url: url.href, poolSize: 1, log, silenceTimeoutMs: TIMEOUT_MS, ...options })
  opened.push(db)
  return db
}

describe('a server that says nothing any more', () => {
  test.each<[string, (db: Db) => Promise<unknown>]>([
    ['a statement', (db) => db.query('SELECT 1')],
    ['a transaction', (db) => db.transaction((query) => query('SELECT 1'))],
    ["a statement of Prisma's", (db) => db.prisma.user.findMany()],
  ])('is given up by %s, and replaced once there is one again', async (_what, ask) => {
    const db = await open()
    await ask(db)
    proxy.blackhole()
    const failure = await ask(db).catch((error: unknown) => error)
    expect(isDatabaseUnavailable(failure)).toBe(true)
    proxy.restore()
    await ask(db)
  })
})

test('a connection that nobody uses may be silent', async () => {
  const db = await open()
  const pid = () => db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const before = await pid()
  // Nothing tells that it was left alone, but that its time has passed.
  await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS * 3))
  expect(await pid()).toEqual(before)
})

test('a statement may be silent for as long as it needs where nobody hurries', async () => {
  const db = await open({ unhurried: true })
  // The silence itself.
  await db.query(`SELECT pg_sleep(${(TIMEOUT_MS * 3) / 1000})`)
})
