import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openDb } from '../../../src/db/client.ts'
import { createReadWriter } from '../../../src/features/reads/writer.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { encodeId } from '../../../src/lib/ids.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { MarkReadDocument, ReadReceiptDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createGroup } from '../groups.ts'
import { refusalIn, type Scene, sendMany, startScene, usersOf, uuidOf } from '../support.ts'

const READERS = ['bo', 'cy', 'di', 'ed', 'flo']
const MESSAGES = 8

let scene: Scene
let pool: pg.Pool
const statements: string[] = []
let ada: TestClient
let readers: TestClient[]
/** A group of them all with eight messages from ada, anew for each test. */
let id: string

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql) => statements.push(sql) } })
  pool = new pg.Pool({ connectionString: scene.databaseUrl, max: 4 })
  ;[ada, ...readers] = (await usersOf(scene, 'ada', ...READERS)) as [TestClient, ...TestClient[]]
})
afterAll(async () => {
  await pool.end()
  await scene.close()
})

beforeEach(async () => {
  id = await createGroup(ada, ...READERS)
  await sendMany(ada, id, MESSAGES)
})

const inputOf = (seq: number) => ({ conversationId: id, messageId: encodeId('Message', uuidOf(id), seq) })
const markRead = (client: TestClient, seq: number) => client.run(MarkReadDocument, { input: inputOf(seq) })

async function positions(): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ external_id: string; last_read_seq: number }>(
    `SELECT u.external_id, p.last_read_seq FROM participants p JOIN users u ON u.id = p.user_id
      WHERE p.conversation_id = $1 AND u.external_id <> 'ada'`,
    [uuidOf(id)],
  )
  return Object.fromEntries(rows.map((row) => [row.external_id, row.last_read_seq]))
}

/** The same for all readers. */
const all = (seq: number) => Object.fromEntries(READERS.map((name) => [name, seq]))

/** Every reader reading up to every message, in no order, all at once. */
function readEverythingAtOnce<T>(read: (client: TestClient, seq: number) => Promise<T>): Promise<T>[] {
  const seqs = Array.from({ length: MESSAGES }, (_, index) => ((index * 5) % MESSAGES) + 1)
  return seqs.flatMap((seq) => readers.map((client) => read(client, seq)))
}

test('calls of several users at once are written together, and each is answered once it is written', async () => {
  statements.length = 0
  const calls = readEverythingAtOnce(async (client, seq) => {
    const { markRead: answer } = await markRead(client, seq)
    expect(answer!.conversation.viewerState!.lastReadSeq).toBeGreaterThanOrEqual(seq)
    expect((await positions())[READERS[readers.indexOf(client)]!]).toBeGreaterThanOrEqual(seq)
  })
  await Promise.all(calls)
  expect(await positions()).toEqual(all(MESSAGES))
  const written = statements.filter((sql) => sql.includes('mark_read(')).length
  expect(written).toBeLessThan(calls.length / 2)
})

test('the first is written at once, and what comes close behind it in one statement', async () => {
  const written: string[] = []
  const db = await openDb({
    url: scene.databaseUrl,
    poolSize: 2,
    log: createLogger('silent'),
    onStatement: (sql) => sql.includes('mark_read(') && written.push(sql),
  })
  try {
    const users = await scene.sql(`SELECT id FROM users WHERE external_id = ANY($1)`, [READERS])
    const { advance } = createReadWriter(db, systemClock)
    const calls = users.flatMap((user) =>
      Array.from({ length: MESSAGES }, (_, index) => advance(uuidOf(id), String(user.id), index + 1)),
    )
    const moved = await Promise.all(calls)
    expect(written).toHaveLength(2)
    // The very first, and the furthest of each user: nothing else moved anything.
    expect(moved.filter((readAt) => readAt !== null)).toHaveLength(1 + READERS.length)
    expect(await positions()).toEqual(all(MESSAGES))
    // What another node wrote meanwhile is not undone, nor is the head passed.
    for (const seq of [1, MESSAGES, 1000]) expect(await advance(uuidOf(id), String(users[0]!.id), seq)).toBeNull()
    expect(await positions()).toEqual(all(MESSAGES))
  } finally {
    await db.close()
  }
})

test('positions only go forward, whatever the order', async () => {
  const client = readers[0]!
  const seen: number[] = []
  const watch = async (seq: number) => {
    await markRead(client, seq)
    seen.push((await positions()).bo!)
  }
  await Promise.all([3, 6, 2, 1, 5].map(watch))
  for (const seq of [4, 7, 1]) await watch(seq)
  expect(seen).toEqual([...seen].sort((one, other) => one - other))
  expect(seen.at(-1)).toBe(7)
})

test('receipts go out only for what moved a position', async () => {
  const [bo, cy] = readers as [TestClient, TestClient]
  const receipts = await cy.subscribe(ReadReceiptDocument, { conversationId: id })
  await Promise.all([2, 5, 1, 4, 5, 3].map((seq) => markRead(bo, seq)))
  for (const seq of [1, 5, 3]) await markRead(bo, seq)
  await markRead(cy, 1)
  const moves: number[] = []
  await receipts.until(({ readReceipt }) => {
    const { user, lastReadSeq } = readReceipt.participant
    if (user.externalId === 'bo') moves.push(lastReadSeq)
    return user.externalId === 'cy'
  })
  expect(moves).toEqual([...new Set(moves)].sort((one, other) => one - other))
  expect(moves.at(-1)).toBe(5)
  receipts.stop()
})

test('a database that fails refuses all that wait for it with UNAVAILABLE, and nothing is moved', async () => {
  await scene.sql('BEGIN')
  await scene.sql('SELECT FROM participants WHERE conversation_id = $1 FOR UPDATE', [uuidOf(id)])
  let answered = false
  const calls = Promise.all(
    readEverythingAtOnce((client, seq) => client.execute(MarkReadDocument, { input: inputOf(seq) })),
  ).finally(() => {
    answered = true
  })
  // Whoever waits for the rows that are held above loses its connection.
  while (!answered) {
    await scene.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%mark_read(%'`,
    )
  }
  await scene.sql('ROLLBACK')
  for (const result of await calls) expect(refusalIn(result)).toEqual({ code: 'UNAVAILABLE' })
  expect(await positions()).toEqual(all(0))
  await Promise.all(readers.map((client) => markRead(client, MESSAGES)))
  expect(await positions()).toEqual(all(MESSAGES))
})
