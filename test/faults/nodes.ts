import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Figures, NodeOptions, Order, Report } from './node.ts'

/** A node, in a process of its own, always on the same port. */
export interface Node {
  name: string
  /** Where it serves GraphQL. */
  url: string
  /** Whether it is to be connected to; one that is frozen still is. */
  isUp(): boolean
  /** What it said that no server should: unhandled rejections, and ends that nobody asked for. */
  faults: string[]
  /** The last lines of its log. */
  log(): string
  /** Kills it as a crash would; resolves once it is gone. */
  kill(): Promise<void>
  /** Has it kill itself in the middle of a send, and resolves once it is gone. */
  killAt(order: Omit<Extract<Order, { do: 'kill' }>, 'do'>): Promise<void>
  /** SIGTERM: how it ended and after how long. */
  terminate(): Promise<{ code: number | null; signal: NodeJS.Signals | null; milliseconds: number }>
  freeze(): void
  thaw(): void
  /** Starts it anew, after it ended. */
  start(): Promise<void>
  order(order: Order): void
  ask(): Promise<Figures>
}

const ENTRY = fileURLToPath(new URL('node.ts', import.meta.url))
const LOG_LINES = 40
const START_MS = 60_000

/** None outlives this process. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a node with these settings. It ends with this process at the latest. */
export async function startNode(name: string, env: Record<string, string>, options: NodeOptions = {}): Promise<Node> {
  let child: ChildProcess
  let up = false
  let url = ''
  /** Whether its end was asked for. */
  let ending = false
  const faults: string[] = []
  let lines: string[] = []

  function keepLog(chunk: Buffer) {
    lines = [...lines, ...String(chunk).split('\n').filter(Boolean)].slice(-LOG_LINES)
  }

  async function start() {
    ending = false
    const port = url ? new URL(url).port : '0'
    const started = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', ENTRY, JSON.stringify(options)], {
      env: { PATH: process.env.PATH, ...env, PORT: port },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    child = started
    running.add(started)
    started.stdout!.on('data', keepLog)
    started.stderr!.on('data', keepLog)
    started.on('message', (report: Report) => {
      if (report.type === 'unhandled') faults.push(`I24: ${name}: ${report.reason}`)
    })
    started.once('exit', (code, signal) => {
      up = false
      running.delete(started)
      if (!ending) faults.push(`${name} ended by itself (${signal ?? code}):\n${lines.join('\n')}`)
    })
    const report = await nextReport('listening')
    url = `${report.url}/graphql`
    up = true
  }

  function nextReport<Type extends Report['type']>(type: Type): Promise<Extract<Report, { type: Type }>> {
    return new Promise((resolve, reject) => {
      const waitingFor = child
      const settle = () => {
        clearTimeout(timer)
        waitingFor.off('message', look)
        waitingFor.off('exit', fail)
      }
      const look = (report: Report) => {
        if (report.type !== type) return
        settle()
        resolve(report as Extract<Report, { type: Type }>)
      }
      const fail = () => {
        settle()
        reject(new Error(`${name} said nothing of ${type}:\n${lines.join('\n')}`))
      }
      const timer = setTimeout(fail, START_MS)
      waitingFor.on('message', look)
      waitingFor.once('exit', fail)
    })
  }

  async function ended(): Promise<void> {
    up = false
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  await start()
  return {
    name,
    get url() {
      return url
    },
    isUp: () => up,
    faults,
    log: () => lines.join('\n'),
    async kill() {
      ending = true
      child.kill('SIGKILL')
      await ended()
    },
    async killAt(order) {
      ending = true
      child.send({ do: 'kill', ...order } satisfies Order)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    },
    async terminate() {
      ending = true
      const from = performance.now()
      child.kill('SIGTERM')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      return { code: child.exitCode, signal: child.signalCode, milliseconds: performance.now() - from }
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    start,
    order: (order) => void child.send(order),
    async ask() {
      const answer = nextReport('figures')
      child.send({ do: 'ask' } satisfies Order)
      return (await answer).figures
    },
  }
}
