import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { createLogger } from '../../src/lib/log.ts'
import { temporaryFolder } from '../support/postgres.ts'

const log = createLogger('silent')
const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function newFolder(): Promise<string> {
  const { folder, remove } = await temporaryFolder()
  cleanUps.push(remove, () => killLeftOver(folder))
  return folder
}

// Made once, as making a cluster takes longer than any of the tests. Each finds it stopped.
let usedFolder: Awaited<ReturnType<typeof temporaryFolder>>

beforeAll(async () => {
  usedFolder = await temporaryFolder()
  await (await startEmbeddedPostgres({ dataDir: usedFolder.folder, log })).stop()
})

afterAll(() => usedFolder.remove())

function stoppedFolder(): string {
  cleanUps.push(() => killLeftOver(usedFolder.folder))
  return usedFolder.folder
}

/** Of a test that failed. */
async function killLeftOver(dataDir: string): Promise<void> {
  const pid = await postmasterOf(path.join(dataDir, 'postgresql-18')).catch(() => undefined)
  if (pid) spawn('kill', ['-9', String(pid)], { stdio: 'ignore' })
}

async function start(dataDir: string, logger = log): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, log: logger })
  cleanUps.push(() => postgres.stop())
  return postgres
}

type Started = Omit<EmbeddedPostgres, 'stop'>

/** Starts it in another process; one that is still there after the test is told to stop. */
async function startInProcess(dataDir: string): Promise<Started & { process: ChildProcess; stop(): Promise<void> }> {
  const script = new URL('../support/embedded-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, ['--import', 'tsx', script, dataDir], { stdio: ['pipe', 'pipe', 'inherit'] })
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.stdin.write('stop\n')
    await once(child, 'exit')
  }
  cleanUps.push(stop)
  const [line] = await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('the process ended before it had started PostgreSQL'))),
  ])
  return { ...(JSON.parse(line) as Started), process: child, stop }
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function lockOf(folder: string): Promise<string> {
  return readFile(path.join(folder, 'postmaster.pid'), 'utf8')
}

async function postmasterOf(folder: string): Promise<number> {
  return Number.parseInt(await lockOf(folder), 10)
}

const accepts = (url: string) => expect(query(url, 'SELECT 1 AS one')).resolves.toEqual([{ one: 1 }])
const refuses = (url: string) => expect(query(url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/)

test('makes a database at the first start, keeps it over a stop, and lets nobody in without the password', async () => {
  const dataDir = await newFolder()
  const first = await start(dataDir)
  expect(first).toMatchObject({ version: '18.4', folder: path.join(dataDir, 'postgresql-18'), reused: false })
  await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS n')
  const [settings] = await query(
    first.url,
    `SELECT current_database() AS name, current_setting('server_encoding') AS encoding, datcollate AS locale,
            lower('ÀÉ') AS lower, current_setting('listen_addresses') AS listens, current_setting('fsync') AS fsync
       FROM pg_database WHERE datname = current_database()`,
  )
  expect(settings).toEqual({
    name: 'parley',
    encoding: 'UTF8',
    locale: 'C',
    lower: 'àé',
    listens: '127.0.0.1',
    fsync: 'on',
  })
  expect((await stat(path.join(first.folder, 'parley.password'))).mode & 0o777).toBe(0o600)
  await expect(query(first.url.replace(/:[^:@]+@/, '@'), 'SELECT 1')).rejects.toThrow(/password/)
  await expect(query(first.url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(/password/)

  await first.stop()
  await refuses(first.url)
  const second = await start(dataDir)
  expect(second.reused).toBe(false)
  expect(await query(second.url, 'SELECT n FROM kept')).toEqual([{ n: 1 }])
})

test('outlives kill -9 of the process that started it, and is joined by the next', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  await kill(first.process)
  await accepts(first.url)
  const second = await start(dataDir)
  expect(second).toMatchObject({ reused: true, url: first.url })
  await second.stop()
  await refuses(first.url)
})

test('is started again, at the same address, when it is killed under a running process', async () => {
  const dataDir = stoppedFolder()
  const lines: string[] = []
  const postgres = await start(dataDir, pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }))
  await query(postgres.url, 'CREATE TABLE kept AS SELECT 2 AS n')
  const killed = await postmasterOf(postgres.folder)
  process.kill(killed, 'SIGKILL')
  await vi.waitUntil(() => lines.length > 0, 10_000)
  expect(lines).toEqual([expect.stringContaining('PostgreSQL had died and was started again')])
  expect(await query(postgres.url, 'SELECT n FROM kept')).toEqual([{ n: 2 }])
  expect(await postmasterOf(postgres.folder)).not.toBe(killed)
  await postgres.stop()
  await refuses(postgres.url)
})

test('a process that only joined starts it again too', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  const second = await startInProcess(dataDir)
  expect(second).toMatchObject({ reused: true, url: first.url })
  await kill(first.process)
  process.kill(await postmasterOf(first.folder), 'SIGKILL')
  await vi.waitFor(() => accepts(second.url), 10_000)
  await second.stop()
  await refuses(second.url)
})

test('starts after postgres and everyone who watched it were killed, on the same port', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  await query(first.url, 'CREATE TABLE kept_too AS SELECT 1 AS n')
  await kill(first.process)
  process.kill(await postmasterOf(first.folder), 'SIGKILL')
  const second = await start(dataDir)
  expect(second).toMatchObject({ reused: false, url: first.url })
  expect(await query(second.url, 'SELECT n FROM kept_too')).toEqual([{ n: 1 }])
})

test('starts on another port when the last one was taken', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  await kill(first.process)
  process.kill(await postmasterOf(first.folder), 'SIGKILL')
  await vi.waitFor(() => refuses(first.url), { timeout: 30_000 })
  const taker = createServer().listen(first.port, '127.0.0.1')
  await once(taker, 'listening')
  cleanUps.push(() => taker.close())
  const second = await start(dataDir)
  expect(second.port).not.toBe(first.port)
  await accepts(second.url)
})

test('starts though the number of the killed postmaster has passed to another process of the same user', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  await kill(first.process)
  process.kill(await postmasterOf(first.folder), 'SIGKILL')
  const { uid, gid } = await stat(first.folder)
  const other = spawn('sleep', ['60'], { ...(process.getuid!() === 0 && { uid, gid }), stdio: 'ignore' })
  cleanUps.push(() => kill(other))
  const [, ...rest] = (await lockOf(first.folder)).split('\n')
  await writeFile(path.join(first.folder, 'postmaster.pid'), [other.pid, ...rest].join('\n'))
  const second = await start(dataDir)
  expect(second.reused).toBe(false)
  await accepts(second.url)
  expect(other.exitCode).toBeNull()
})

test('starts while a process of the killed postmaster is still at work', async () => {
  const dataDir = stoppedFolder()
  const first = await startInProcess(dataDir)
  const [backend] = await query(first.url, 'SELECT pg_backend_pid() AS pid')
  const busy = new pg.Client(first.url)
  busy.on('error', () => {})
  await busy.connect()
  const { rows } = await busy.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  expect(rows[0]!.pid).not.toBe(backend!.pid)
  // Stopped, it can't notice that its postmaster is gone, and holds on to the shared memory.
  process.kill(rows[0]!.pid, 'SIGSTOP')
  await kill(first.process)
  process.kill(await postmasterOf(first.folder), 'SIGKILL')
  const starting = start(dataDir)
  await vi.waitFor(async () => {
    expect(await readFile(path.join(dataDir, 'postgresql.log'), 'utf8')).toMatch(/shared memory block .* still in use/)
  }, 5_000)
  process.kill(rows[0]!.pid, 'SIGCONT')
  await accepts((await starting).url)
})

test('two processes at once on an empty folder share one, which the last to stop stops', async () => {
  const dataDir = await newFolder()
  const [one, other] = await Promise.all([startInProcess(dataDir), startInProcess(dataDir)])
  expect(one.url).toBe(other.url)
  expect([one.reused, other.reused].sort()).toEqual([false, true])
  await one.stop()
  await accepts(other.url)
  await other.stop()
  await refuses(other.url)
})

test('of two that stop in the same moment, one stops it', async () => {
  const dataDir = stoppedFolder()
  const [one, other] = [await start(dataDir), await start(dataDir)]
  await Promise.all([one.stop(), other.stop()])
  await refuses(one.url)
})

test('is left running while another client is connected', async () => {
  const dataDir = stoppedFolder()
  const postgres = await start(dataDir)
  const client = new pg.Client(postgres.url)
  await client.connect()
  await postgres.stop()
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  await client.end()
  expect((await start(dataDir)).reused).toBe(true)
})

test('names the folder that it cannot write', async () => {
  const file = path.join(await newFolder(), 'file')
  await writeFile(file, '')
  await expect(start(path.join(file, 'data'))).rejects.toThrow(
    `The data folder ${file}/data can't be written (ENOTDIR)`,
  )
})

test('says why PostgreSQL does not start, and where its log is', async () => {
  const dataDir = await newFolder()
  const { folder, stop } = await start(dataDir)
  await stop()
  await writeFile(path.join(folder, 'postgresql.conf'), 'nonsense = on\n')
  const error: Error = await start(dataDir).then(
    () => expect.fail('it started'),
    (reason) => reason,
  )
  expect(error.message).toMatch(/^PostgreSQL did not start: .*FATAL: .*contains errors \(log: .*postgresql\.log\)$/)
  expect(error.message).toContain(path.join(dataDir, 'postgresql.log'))
})
