import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface TestRedis {
  url: string
  port: number
  /** Kills it as a crash would; resolves once it is gone. */
  kill9(): Promise<void>
  /** Starts it anew and empty on the same port, after kill9 if it still runs. */
  restart(): Promise<void>
  /** Freezes it (SIGSTOP): connections stay open, nothing is answered. */
  pause(): void
  /** Ends pause (SIGCONT). */
  resume(): void
  stop(): Promise<void>
}

/** For tests to which any Redis will do: the one at REDIS_URL, if that is set, or one of their own, which `stop` ends. */
export async function provideRedis(): Promise<{ url: string; stop(): Promise<void> }> {
  const url = process.env.REDIS_URL
  return url ? { url, stop: async () => {} } : startRedis()
}

/** Whether a Redis can be started, as tests need that kill it: not where REDIS_URL names the only one. */
export function canStartRedis(): boolean {
  return !process.env.REDIS_URL || redisOnPath() !== undefined
}

/**
 * Sees to it, once before all tests, that there is a Redis; installs one where that can be done without asking.
 * @throws Error with the three ways to have one.
 */
export function prepareRedis(): void {
  if (!process.env.REDIS_URL) redisServer()
}

/** Starts a Redis of the caller's own on a free port, without persistence. It ends with this process at the latest. */
export async function startRedis(): Promise<TestRedis> {
  const binary = redisServer()
  const port = await freePort()
  let server = await launch(binary, port)

  async function kill9() {
    if (server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }

  const killAtExit = () => server.kill('SIGKILL')
  process.once('exit', killAtExit)
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    kill9,
    async restart() {
      await kill9()
      server = await launch(binary, port)
    },
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    async stop() {
      process.off('exit', killAtExit)
      await kill9() // it holds nothing worth an orderly end
    },
  }
}

async function launch(binary: string, port: number): Promise<ChildProcess> {
  const options = { port, bind: '127.0.0.1', dir: tmpdir(), save: '', appendonly: 'no', daemonize: 'no' }
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  const server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('exit', () => reject(new Error(`${binary} did not start:\n${output}`)))
    server.stdout.on('data', (chunk) => {
      if (output.includes(READY)) return
      output += chunk
      if (output.includes(READY)) resolve()
    })
  })
  return server
}

const READY = 'Ready to accept connections'

/** Where the program is: on the PATH, or installed now where that can be done without asking. */
function redisServer(): string {
  const found = redisOnPath() ?? install()
  if (found) return found
  throw new Error(
    'The tests need Redis: set REDIS_URL, or put redis-server or valkey-server on the PATH, or run them as root on Debian or Ubuntu to have it installed.',
  )
}

function redisOnPath(): string | undefined {
  return onPath('redis-server') ?? onPath('valkey-server')
}

function install(): string | undefined {
  if (process.getuid?.() !== 0 || !onPath('apt-get')) return undefined
  process.stdout.write('Redis is missing: installing it (apt-get update; apt-get install redis-server)\n')
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', 'redis-server']]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    // Whether it worked shows in what is there afterwards.
    spawnSync('apt-get', ['--quiet', ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  }
  return onPath('redis-server')
}

function onPath(program: string): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program))
  return candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
