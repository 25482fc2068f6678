import { createHash } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Db, openDb } from '../../../src/db/client.ts'
import { isDatabaseUnavailable } from '../../../src/db/errors.ts'
import { createSendBatches, type SendBatches } from '../../../src/features/messages/send-batches.ts'
import { UnavailableError } from '../../../src/lib/errors.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { createTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'

// How sends become batches, on a real database; what the database does for them is send-messages.test.ts.

const POOL_SIZE = 10
const CONVERSATIONS = 12

let database: TestDatabase
let proxy: TcpProxy
let db: Db
let batches: SendBatches
/** The values of the statements that wrote sends: how many each had, and whether it waited. */
let calls: { size: number; waits: boolean }[] = []
/** Connections of the test's own: one looks, the other one is at rows. */
let own: pg.Client
let holder: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  own = new pg.Client(database.url)
  await own.connect()
  holder = new pg.Client(database.url)
  await holder.connect()
  proxy = await createTcpProxy({ port: Number(new URL(database.url).port) })
  // What a body asks for: to fail, or to wait for the test.
  await own.query(`
    CREATE FUNCTION obey() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.body = 'poison' THEN RAISE EXCEPTION 'poisoned'; END IF;
      IF NEW.body = 'wait' THEN PERFORM pg_advisory_xact_lock(1); END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER obey BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION obey()`)
})
afterAll(async () => {
  await own.end()
  await holder.end()
  await proxy.close()
  await database.drop()
})

beforeEach(async () => {
  await own.query(
    `INSERT INTO conversations (id, kind) SELECT md5('c' || n)::uuid, 'GROUP' FROM generate_series(0, $1::int - 1) AS n`,
    [CONVERSATIONS],
  )
  const url = new URL(database.url)
  url.port = String(proxy.port)
  calls = []
  const onStatement = (sql: string, values: unknown[]) => {
    if (sql.includes('send_messages')) calls.push({ size: (values[0] as unknown[]).length, waits: values[12] === true })
  }
  db = await openDb({ url: url.href, poolSize: POOL_SIZE, log: createLogger('silent'), onStatement })
  batches = createSendBatches(db, { poolSize: POOL_SIZE, rules: { contactsOnly: false } })
})
afterEach(async () => {
  await holder.query('ROLLBACK')
  await own.query('SELECT pg_advisory_unlock_all()')
  await db.close()
  proxy.restore()
  await own.query('DELETE FROM conversations')
})

function idOf(conversation: number): string {
  return createHash('md5')
    .update(`c${conversation}`)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Gives back the seq. */
async function send(conversation: number, body: string, by = batches): Promise<number> {
  const { outcome, seq } = await by.write({
    ...{ conversationId: idOf(conversation), senderId: null, kind: 'SYSTEM', body, metadata: {}, replyToSeq: null },
    ...{ subjectId: null, idempotencyKey: null, fingerprint: null, movesRead: false },
  })
  expect(outcome).toBe('SENT')
  return seq
}

/** The bodies of a conversation in the order of their seqs, which must be 1 to n. */
async function bodiesOf(conversation: number): Promise<string[]> {
  const { rows } = await own.query('SELECT seq, body FROM messages WHERE conversation_id = $1 ORDER BY seq', [
    idOf(conversation),
  ])
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1))
  return rows.map(({ body }) => body)
}

const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, index) => index + first)

/** Holds the rows of conversations, until the test's transaction ends. */
async function hold(...conversations: number[]) {
  await holder.query('BEGIN')
  await holder.query('SELECT FROM conversations WHERE id = ANY($1) FOR UPDATE', [conversations.map(idOf)])
}

/** Until so many calls wait for what the test holds. */
async function untilWaiting(count: number) {
  await vi.waitFor(
    async () => {
      const { rowCount } = await own.query(
        `SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%send_messages%'`,
      )
      expect(rowCount).toBe(count)
    },
    { timeout: 4_000 },
  )
}

test('one that comes alone goes alone, and at once', async () => {
  expect(await send(0, 'alone')).toBe(1)
  expect(calls).toEqual([{ size: 1, waits: false }])
})

test('what comes at the same time goes together, in its order, so many at most', async () => {
  const seqs = await Promise.all(numbers(600).map((number) => send(0, `${number}`)))
  expect(seqs).toEqual(numbers(600, 1))
  expect(await bodiesOf(0)).toEqual(numbers(600).map(String))
  expect(calls.map(({ size }) => size)).toEqual([256, 256, 88])
})

test('what comes while batches are being written goes into the next one', async () => {
  await own.query('SELECT pg_advisory_lock(1)')
  const first = [send(0, 'wait')]
  await untilWaiting(1)
  first.push(send(1, 'wait'))
  await untilWaiting(2)
  const next = numbers(100).map((number) => send(number % CONVERSATIONS, `${number}`))
  await own.query('SELECT pg_advisory_unlock(1)')
  await Promise.all([...first, ...next])
  expect(await bodiesOf(0)).toEqual(['wait', '0', '12', '24', '36', '48', '60', '72', '84', '96'])
  // The two writers share the next ones, as they come free.
  expect(calls.length).toBeLessThanOrEqual(4)
})

test('those of a conversation are acknowledged in the order of their seqs, once they can be read', async () => {
  const acknowledged: number[] = []
  const all = numbers(50).map(async (number) => {
    const seq = await send(0, `${number}`)
    acknowledged.push(seq)
    const { rowCount } = await own.query('SELECT FROM messages WHERE conversation_id = $1 AND seq = $2', [idOf(0), seq])
    expect(rowCount).toBe(1)
  })
  await Promise.all(all)
  expect(acknowledged).toEqual(numbers(50, 1))
})

test('1,000 at once over 10 conversations, from two nodes', async () => {
  const other = createSendBatches(db, { poolSize: POOL_SIZE, rules: { contactsOnly: false } })
  const all = numbers(1_000).map((number) => send(number % 10, `${number}`, number % 3 ? batches : other))
  const seqs = await Promise.all(all)
  for (const conversation of numbers(10)) {
    const bodies = await bodiesOf(conversation)
    const sent = numbers(1_000).filter((number) => number % 10 === conversation)
    expect(sent.map((number) => bodies[seqs[number]! - 1])).toEqual(sent.map(String))
    for (const node of [0, 1]) {
      const ofNode = bodies.map(Number).filter((number) => (number % 3 === 0) === (node === 0))
      expect(ofNode).toEqual(ofNode.toSorted((one, two) => one - two))
    }
  }
  expect(calls.length).toBeLessThan(100)
})

describe('a conversation at whose row another is', () => {
  test('holds up no other one, and its own go once the row is free, in their order', async () => {
    await hold(0)
    const stuck = [send(0, '0')]
    await untilWaiting(1)
    stuck.push(...numbers(20, 1).map((number) => send(0, `${number}`)))
    const others = numbers(110).map((number) => send(1 + (number % 11), 'passes'))
    await Promise.all(others)
    await untilWaiting(1)
    await holder.query('ROLLBACK')
    expect(await Promise.all(stuck)).toEqual(numbers(21, 1))
    expect(await bodiesOf(0)).toEqual(numbers(21).map(String))
    expect(calls.filter(({ waits }) => waits)).toEqual([
      { size: 1, waits: true },
      { size: 20, waits: true },
    ])
    // The first came with the others to see that; those behind it didn't try.
    const free = calls.filter(({ waits }) => !waits)
    expect(free.reduce((sum, { size }) => sum + size, 0)).toBe(1 + others.length)
    // Then it goes with the others again.
    await send(0, 'after')
    expect(calls.at(-1)).toEqual({ size: 1, waits: false })
  })

  test('keeps few connections, however many such there are', async () => {
    const held = numbers(10)
    await hold(...held)
    const stuck = held.flatMap((conversation) => [send(conversation, 'one'), send(conversation, 'two')])
    await untilWaiting(4)
    await Promise.all(numbers(20).map((number) => send(10 + (number % 2), 'passes')))
    await untilWaiting(4)
    await holder.query('ROLLBACK')
    await Promise.all(stuck)
    for (const conversation of held) expect(await bodiesOf(conversation)).toEqual(['one', 'two'])
  })

  test('gives its sends up in the end: UNAVAILABLE, and at once for what is too many', async () => {
    await hold(0)
    const first = send(0, 'first').catch((error) => error)
    await untilWaiting(1)
    const waiting = numbers(1_000).map(() => send(0, 'waiting').catch((error) => error))
    let refusal: unknown
    const tooMany = send(0, 'too many').catch((error) => {
      refusal = error
    })
    await send(1, 'passes')
    expect(refusal).toBeInstanceOf(UnavailableError)
    await tooMany
    const errors = await Promise.all([first, ...waiting])
    expect(errors.filter((error) => !(error instanceof UnavailableError) && !isDatabaseUnavailable(error))).toEqual([])
    await holder.query('ROLLBACK')
    expect(await send(0, 'after')).toBe(1)
  })
})

describe('a batch that fails', () => {
  test('for what is in one send takes no other along, and keeps their order', async () => {
    const told: string[] = []
    const all = numbers(60).map((number) =>
      send(number % 3, number === 30 ? 'poison' : `${number}`).catch((error) => told.push(error.message)),
    )
    await Promise.all(all)
    expect(told).toEqual(['poisoned'])
    expect(await bodiesOf(0)).toEqual(
      numbers(60)
        .filter((number) => number % 3 === 0 && number !== 30)
        .map(String),
    )
    for (const conversation of [1, 2]) {
      expect(await bodiesOf(conversation)).toEqual(
        numbers(60)
          .filter((number) => number % 3 === conversation)
          .map(String),
      )
    }
    // All together, the three conversations, and the poisoned one's each alone.
    expect(calls.map(({ size }) => size).sort((one, two) => two - one)).toEqual([
      60,
      20,
      20,
      20,
      ...numbers(20).map(() => 1),
    ])
  })

  test('with its connection, before the commit, is not written again: nobody knows what became of it', async () => {
    await own.query('SELECT pg_advisory_lock(1)')
    const all = numbers(10).map((number) =>
      send(number % 2, number === 5 ? 'wait' : `${number}`).catch((error) => error),
    )
    await untilWaiting(1)
    await own.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%send_messages%'`,
    )
    const errors = await Promise.all(all)
    expect(errors.map(isDatabaseUnavailable)).toEqual(numbers(10).map(() => true))
    await own.query('SELECT pg_advisory_unlock(1)')
    expect([await bodiesOf(0), await bodiesOf(1)]).toEqual([[], []])
    expect(calls).toHaveLength(1)
    expect(await send(0, 'after')).toBe(1)
  })

  test('with its connection, after the commit, stays stored once', async () => {
    await own.query('SELECT pg_advisory_lock(1)')
    const all = numbers(10).map((number) => send(0, number === 5 ? 'wait' : `${number}`).catch((error) => error))
    await untilWaiting(1)
    proxy.blackhole()
    await own.query('SELECT pg_advisory_unlock(1)')
    await vi.waitFor(async () => expect(await bodiesOf(0)).toHaveLength(10))
    proxy.restore()
    proxy.cut()
    const errors = await Promise.all(all)
    expect(errors.map(isDatabaseUnavailable)).toEqual(numbers(10).map(() => true))
    expect(await send(0, 'after')).toBe(11)
    expect(calls.map(({ size }) => size)).toEqual([10, 1])
  })
})
