import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { CLIENT_CORE, canPin, SERVER_CORE } from './cores.ts'
import type { Answer, Cpu, Ready } from './protocol.ts'

export interface StartOptions {
  /** What benchArgs() gives in the process. */
  args?: object
  env?: Record<string, string>
  /** Of node itself; --expose-gc for memory that is measured after a collection. */
  execArgv?: string[]
  /** server unless it is said otherwise. */
  core?: 'server' | 'client'
}

/** A process that answers commands: a side's server, or clients. */
export interface BenchProcess {
  pid: number
  url: string
  /** Throws what the command throws there, and when the process ends before it answers. */
  call<Result>(command: string, args?: unknown): Promise<Result>
  cpu(): Promise<Cpu>
  /** After a garbage collection where the process was started with --expose-gc. */
  memory(): Promise<{ rss: number }>
  /** Ends it at once: nothing in it is worth keeping. */
  stop(): Promise<void>
}

const BENCH = new URL('../', import.meta.url)

const running = new Set<ChildProcess>()
// Registered before PostgreSQL is started, whose end they would complain of.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a TypeScript file below bench/ on its core; resolves once it says that it is ready. */
export async function startProcess(file: string, options: StartOptions = {}): Promise<BenchProcess> {
  const { args = {}, env = {}, execArgv = [], core = 'server' } = options
  const node = [process.execPath, '--import', 'tsx', ...execArgv]
  const [execPath, ...before] = canPin()
    ? ['taskset', '--cpu-list', String(core === 'server' ? SERVER_CORE : CLIENT_CORE), ...node]
    : node
  const child = fork(fileURLToPath(new URL(file, BENCH)), [], {
    execPath,
    execArgv: before,
    cwd: fileURLToPath(new URL('../', BENCH)),
    env: { ...process.env, NODE_ENV: 'production', NODE_NO_WARNINGS: '1', BENCH_ARGS: JSON.stringify(args), ...env },
    serialization: 'advanced',
  })
  running.add(child)
  const ended = once(child, 'exit').then(() => running.delete(child))
  const { url } = await readiness(child, file)
  const call = createCaller(child, file)
  return {
    pid: child.pid!,
    url,
    call,
    cpu: () => call<Cpu>('cpu'),
    memory: () => call<{ rss: number }>('memory'),
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function readiness(child: ChildProcess, file: string): Promise<Ready> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`${file} ended (${code ?? signal}) before it was ready.`)))
    child.on('message', function ready(message: Ready | Answer) {
      if (!('ready' in message)) return
      child.off('message', ready)
      resolve(message)
    })
  })
}

function createCaller(child: ChildProcess, file: string): BenchProcess['call'] {
  const waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>()
  let calls = 0
  child.on('message', ({ id, result, error }: Answer) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result as never)
    else call?.reject(new Error(`${file}: ${error}`))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${file} ended (${code ?? signal}).`))
    waiting.clear()
  })
  return (command, args) =>
    new Promise((resolve, reject) => {
      const id = ++calls
      waiting.set(id, { resolve, reject })
      child.send({ id, command, args }, (error) => {
        if (error) reject(error)
      })
    })
}
