import { execFile, spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { program } from './binaries.ts'
import type { Cluster } from './cluster.ts'

const run = promisify(execFile)

/** As it is; pg's types lack both. */
type Client = pg.Client & { ref(): void; unref(): void }

/** A connection to the postmaster that runs on a cluster. */
export interface Connection {
  client: Client
  pid: number
  port: number
  /** Whether it ran already. */
  reused: boolean
}

/** What a dying postmaster leaves (its lock, its last processes) goes away within this. */
const PATIENCE_MS = 10_000

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  // A statement's errors go to whoever sent it. In the log they could show what users wrote, for ever.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
}

/**
 * Connects to the cluster's postmaster, and starts one if none runs. Waits as long as it takes to recover from a crash.
 * `fixedPort`: the only port that will do.
 * @throws Error of one line.
 */
export async function connectToPostmaster(cluster: Cluster, fixedPort?: number): Promise<Connection> {
  const giveUp = Date.now() + PATIENCE_MS
  let port = fixedPort
  let started: Started | undefined
  for (;;) {
    const lock = await readLock(cluster.folder)
    if (lock?.ready) {
      if (fixedPort && lock.port !== fixedPort) throw new Error(`PostgreSQL now listens on another port, ${lock.port}`)
      const client = await connect(cluster, lock.port, giveUp)
      if (client) return { client, pid: lock.pid, port: lock.port, reused: lock.pid !== started?.pid }
    } else if (!lock?.running && (!started || started.ended)) {
      const failure = started && (await reasonOf(cluster, started))
      if (failure && !(failure.passing && Date.now() < giveUp)) throw failure.error
      if (failure?.portTaken) port = fixedPort ?? (await freePort())
      // Others who share it may be waiting at the port that it last had.
      port ??= (await lastPort(cluster.folder)) ?? (await freePort())
      started = await start(cluster, port, lock?.pid)
    }
    await delay(20)
  }
}

/** Stops the postmaster, ending every connection, and waits until it has gone. */
export async function stopPostmaster(cluster: Cluster, pid: number): Promise<void> {
  if (!(await isPostmaster(pid, cluster.folder))) return
  if (process.platform === 'win32') await run(program(cluster.binaries, 'pg_ctl'), ['kill', 'INT', String(pid)])
  else process.kill(pid, 'SIGINT')
  while (await isPostmaster(pid, cluster.folder)) await delay(20)
}

interface Lock {
  pid: number
  port: number
  /** Whether the process is there, and is the folder's postmaster. */
  running: boolean
  /**
   * Whether it also lets clients in, being neither starting nor stopping. Before, it may not even have its port: who has
   * it then should not be shown the password.
   */
  ready: boolean
}

/** postmaster.pid: the postmaster writes it, and takes it away unless it is killed. */
async function readLock(folder: string): Promise<Lock | undefined> {
  const text = await readFile(path.join(folder, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , port, , , , status] = text.split('\n')
  if (!Number(pid) || !Number(port)) return undefined
  const running = await isPostmaster(Number(pid), folder)
  return { pid: Number(pid), port: Number(port), running, ready: running && status?.trim() === 'ready' }
}

/** postmaster.opts: the command line of the last start, which stays when the lock has gone. */
async function lastPort(folder: string): Promise<number | undefined> {
  const text = await readFile(path.join(folder, 'postmaster.opts'), 'utf8').catch(() => '')
  const port = /"-p" "(\d+)"/.exec(text)?.[1]
  return port === undefined ? undefined : Number(port)
}

/** Whether this process lives and is the folder's postmaster: the number may have passed to another, or to a zombie. */
async function isPostmaster(pid: number, folder: string): Promise<boolean> {
  try {
    if (process.platform === 'linux') {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').includes(folder)
    }
    if (process.platform !== 'win32') {
      return (await run('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout.includes(`-D ${folder} `)
    }
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

interface Started {
  pid: number | undefined
  /** Set once the process has ended. */
  ended: boolean
  /** Whether somebody stopped or killed it, rather than that it failed. */
  stopped: boolean
  /** What kept it from running at all. */
  error?: Error
  /** Where in the log its lines begin. */
  logStart: number
}

async function start(cluster: Cluster, port: number, stalePid = 0): Promise<Started> {
  const log = await open(cluster.logFile, 'a', 0o600).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`The log ${cluster.logFile} can't be written (${cause.code})`, { cause })
  })
  try {
    const logStart = (await log.stat()).size
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(
      program(cluster.binaries, 'postgres'),
      ['-D', cluster.folder, '-p', String(port), ...settings],
      // Its own session, so that neither Ctrl-C nor the end of this process reaches it.
      {
        ...cluster.account,
        cwd: '/',
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        // Not this process's environment, which holds secrets. The second is how pg_ctl says which process can't be a
        // postmaster: PostgreSQL then takes over the lock that names it, which no other process could do without a race.
        env: { LC_ALL: 'C', PG_GRANDPARENT_PID: String(stalePid) },
      },
    )
    child.unref()
    const started: Started = { pid: child.pid, ended: false, stopped: false, logStart }
    child.once('exit', (code) => {
      started.ended = true
      // A signal that kills it leaves no code.
      started.stopped = !code
    })
    child.once('error', (error) => {
      started.ended = true
      started.error = error
    })
    return started
  } finally {
    await log.close()
  }
}

interface Failure {
  error: Error
  /** Whether it passes by itself. */
  passing: boolean
  portTaken: boolean
}

/** Why it ended. */
async function reasonOf(cluster: Cluster, started: Started): Promise<Failure> {
  if (started.error) {
    const { code, path: file } = started.error as NodeJS.ErrnoException
    const text = `PostgreSQL can't be run on this system (${file}: ${code}): set DATABASE_URL`
    return { error: new Error(text, { cause: started.error }), passing: false, portTaken: false }
  }
  const log = (await readFile(cluster.logFile)).subarray(started.logStart).toString()
  const lines = log.trim().split('\n')
  const last = lines.findLast((line) => /(FATAL|PANIC|error):/.test(line)) || lines.at(-1) || 'it said nothing'
  const portTaken = log.includes('Address already in use')
  return {
    error: new Error(`PostgreSQL did not start: ${last} (log: ${cluster.logFile})`),
    // The last two: somebody else has started it, or the last processes of a killed one are still going away.
    passing: portTaken || started.stopped || /lock file|shared memory block/.test(log),
    portTaken,
  }
}

/** Undefined while the postmaster does not let anybody in yet, or any more. */
async function connect(cluster: Cluster, port: number, giveUp: number): Promise<Client | undefined> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: cluster.password,
    database: 'postgres',
    application_name: 'parley embedded',
    connectionTimeoutMillis: PATIENCE_MS,
  }) as Client
  // Without a listener, a postmaster that dies would end this process too.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === '57P03' || (wasTerminated(cause) && Date.now() < giveUp)) return undefined
    throw new Error(`PostgreSQL on port ${port} can't be used: ${message || code}`, { cause })
  }
}

/** Whether an error of a connection comes from a postmaster that isn't listening yet, or is going away. */
export function wasTerminated(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === '57P01' || /ECONN|EPIPE|terminated/.test(`${code} ${message}`)
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
