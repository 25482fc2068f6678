import type { Socket } from 'node:net'
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { Logger } from '../lib/log.ts'
import { readEpoch } from './epoch.ts'
import { PrismaClient } from './generated/client.ts'
import { types } from './timestamps.ts'

/** Runs one statement and gives back its rows; `$1`, `$2`, … stand for the values. */
export type Query = <Row extends object>(sql: string, values?: unknown[]) => Promise<Row[]>

/** The database: one pool of connections under all three ways of using it. */
export interface Db {
  /** For plain reads. Its interactive transactions are not used: one that times out may return to the pool open. */
  prisma: PrismaClient
  /** One statement, prepared once for each connection. For the hot paths and what Prisma can't say. */
  query: Query
  /** Runs `work` in one READ COMMITTED transaction: committed when it resolves, rolled back when it throws. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>
  /** Identifies this history of the database; a restore draws a new one. */
  readonly epoch: string
  /** Looks whether it is still the same history, as it isn't after a failover. True where the epoch is another one now. */
  refreshEpoch(): Promise<boolean>
  close(): Promise<void>
}

export type OnStatement = (sql: string, values: unknown[]) => void

export interface DbOptions {
  url: string
  poolSize: number
  log: Logger
  /** Lets statements take as long as they need, as for one that loads a lot. */
  unhurried?: boolean
  /** For how long the server may be silent to whoever waits for it; 12 s if left out. */
  silenceTimeoutMs?: number
  /** Sees the text and the values of every statement; for tests that count or explain them. */
  onStatement?: OnStatement | undefined
}

// A statement that waits longer is given up, so that one locked row or stuck disk can't hold every connection.
const CONNECT_TIMEOUT_MS = 3_000
const STATEMENT_TIMEOUT_MS = 10_000
const TIMEOUTS = {
  lock_timeout: 5_000,
  statement_timeout: STATEMENT_TIMEOUT_MS,
  idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
}
/** For a server that no longer says anything at all, so that it can't time out by itself. */
const SILENCE_TIMEOUT_MS = 12_000
/** How long connections get to say goodbye at the end, before they are broken off. */
const CLOSE_TIMEOUT_MS = 1_000

/**
 * Connects and reads the epoch; the migrations must have been applied.
 * @throws the driver's error when the database can't be reached.
 */
export async function openDb({ url, poolSize, log, unhurried, silenceTimeoutMs, onStatement }: DbOptions): Promise<Db> {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    application_name: 'parley',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...(!unhurried && TIMEOUTS),
    keepAlive: true,
    types,
    ...(onStatement && { Client: tappedClient(onStatement) }),
  })
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'a connection to the database was lost'))
  if (!unhurried) breakOffSilent(pool, silenceTimeoutMs ?? SILENCE_TIMEOUT_MS)
  const connected = new Set<pg.PoolClient>()
  pool.on('connect', (client) => connected.add(client))
  pool.on('remove', (client) => connected.delete(client))
  try {
    let epoch = await readEpoch(runner(pool), url)
    const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
    return {
      prisma,
      query: runner(pool),
      transaction: (work) => transaction(pool, work),
      get epoch() {
        return epoch
      },
      async refreshEpoch() {
        const before = epoch
        epoch = await readEpoch(runner(pool), url)
        return epoch !== before
      },
      async close() {
        await prisma.$disconnect()
        await endPool(pool, connected)
      },
    }
  } catch (error) {
    await pool.end()
    throw error
  }
}

/**
 * Breaks off connections that are in use and on which nothing has moved for so long; whoever waits is told that the
 * connection was terminated. By the socket's own timer: pg's query_timeout makes one for each statement, with closures that
 * hold what the statement gave, and V8 comes to take all that for long-lived: a third of a request's CPU went into collecting it.
 */
function breakOffSilent(pool: pg.Pool, afterMs: number): void {
  const inUse = new Set<pg.PoolClient>()
  pool.on('acquire', (client) => inUse.add(client))
  pool.on('release', (_error, client) => inUse.delete(client))
  pool.on('connect', (client) => {
    const stream = client.connection.stream as Socket
    stream.setTimeout(afterMs, () => {
      if (inUse.has(client)) stream.destroy()
    })
  })
}

/** Ends all connections; those that don't end by themselves, as of a server that no longer answers, are broken off. */
async function endPool(pool: pg.Pool, connected: Set<pg.PoolClient>): Promise<void> {
  const deadline = setTimeout(() => {
    for (const { connection } of connected) connection.stream.destroy()
  }, CLOSE_TIMEOUT_MS)
  await pool.end()
  clearTimeout(deadline)
}

/** Statement names by text: PostgreSQL prepares a named statement once for each connection. */
const names = new Map<string, string>()

function nameOf(sql: string): string {
  let name = names.get(sql)
  if (!name) {
    name = `parley_${names.size}`
    names.set(sql, name)
  }
  return name
}

function runner(client: pg.Pool | pg.PoolClient): Query {
  return async <Row extends object>(sql: string, values: unknown[] = []) => {
    const { rows } = await client.query<Row & pg.QueryResultRow>({ name: nameOf(sql), text: sql, values })
    return rows
  }
}

async function transaction<T>(pool: pg.Pool, work: (query: Query) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  const noteBroken = (error: Error) => {
    broken = error
  }
  // The pool listens to idle connections alone: one that breaks between two statements would end the process.
  client.on('error', noteBroken)
  try {
    await client.query('BEGIN')
    const result = await work(runner(client))
    await client.query('COMMIT')
    return result
  } catch (error) {
    // A connection that can't even roll back is not given to anybody else.
    await client.query('ROLLBACK').catch(noteBroken)
    throw error
  } finally {
    client.off('error', noteBroken)
    client.release(broken)
  }
}

function tappedClient(onStatement: OnStatement): typeof pg.Client {
  return class extends pg.Client {
    // pg's overloads can't be restated; what goes in and out is passed on as it is.
    override query = ((...args: unknown[]) => {
      const [first, second] = args
      const { text, values } =
        typeof first === 'string' ? { text: first, values: second } : (first as { text: string; values?: unknown })
      onStatement(text, Array.isArray(values) ? values : [])
      return Reflect.apply(super.query, this, args)
    }) as pg.Client['query']
  }
}
