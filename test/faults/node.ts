// A node as users run it, in a process of its own: what the fault tests kill, freeze and ask. Its settings come by the
// environment, and what is to go wrong in it by the first argument and later by messages of the parent process.

import { createApp, type Overrides } from '../../src/app.ts'
import type { Bus } from '../../src/bus/bus.ts'
import type { BusEvent } from '../../src/bus/topics.ts'
import { parseConfig } from '../../src/config.ts'
import type { Faults } from '../../src/live/faults.ts'

/** What becomes of the events that this node publishes: each n-th one is dropped, sent twice, or swapped with the next. */
export interface BusTrouble {
  drop?: number
  repeat?: number
  swap?: number
}

/** The instant in a send at which the process is to be killed. */
export type KillPoint = 'before commit' | 'between commit and publish' | 'between publish and reply'

export interface NodeOptions {
  faults?: Faults
  trouble?: BusTrouble
  /** Added to the clock. */
  clockOffsetMs?: number
}

/** From the parent process. */
export type Order =
  | { do: 'kill'; at: KillPoint; afterSends: number }
  | { do: 'trouble'; trouble: BusTrouble }
  | { do: 'ask' }

export interface Figures {
  statements: number
  /** After a collection of garbage. */
  heapBytes: number
  /** Open sockets, timers and so on, by kind. */
  resources: Record<string, number>
}

/** To the parent process. */
export type Report =
  | { type: 'listening'; url: string }
  | { type: 'figures'; figures: Figures }
  | { type: 'unhandled'; reason: string }

const options: NodeOptions = JSON.parse(process.argv[2] ?? '{}')
let trouble = options.trouble ?? {}
let kill: { at: KillPoint; sendsLeft: number } | undefined
let statements = 0

const report = (message: Report) => process.send?.(message)

/** Ends the process as a crash would, where the order to do so names this point and enough sends came by. */
function killAt(point: KillPoint) {
  if (kill?.at === point && kill.sendsLeft-- <= 1) process.kill(process.pid, 'SIGKILL')
}

/** The bus, with what is to go wrong on it. */
function troubled(bus: Bus): Bus {
  let count = 0
  let held: (() => void) | undefined
  return {
    ...bus,
    publish(topic, event) {
      const isMessage = (event as BusEvent).type === 'message'
      if (isMessage) killAt('between commit and publish')
      const publish = () => bus.publish(topic, event)
      if (!isDurable(event as BusEvent)) return publish()
      count++
      const isEach = (nth: number | undefined) => nth !== undefined && count % nth === 0
      if (isEach(trouble.drop)) return
      if (isEach(trouble.swap) && !held) {
        held = publish
        return
      }
      publish()
      if (isEach(trouble.repeat)) publish()
      held?.()
      held = undefined
      // Behind the bus's own write, which it puts off to the end of this tick.
      if (isMessage) process.nextTick(killAt, 'between publish and reply')
    },
  }
}

/** Whether a version tells of its loss. */
function isDurable({ type }: BusEvent): boolean {
  return !['read', 'typing', 'inbox', 'standing'].includes(type)
}

function figures(): Figures {
  globalThis.gc?.()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  return { statements, heapBytes: process.memoryUsage().heapUsed, resources }
}

const overrides: Overrides = {
  clock: { now: () => Date.now() + (options.clockOffsetMs ?? 0) },
  onStatement(sql) {
    statements++
    if (sql.includes('FROM send_messages(')) killAt('before commit')
  },
  wrapBus: troubled,
  ...(options.faults && { faults: options.faults }),
}

process.on('unhandledRejection', (reason) =>
  report({ type: 'unhandled', reason: String((reason as Error)?.stack ?? reason) }),
)
process.on('uncaughtExceptionMonitor', (error) => report({ type: 'unhandled', reason: String(error.stack) }))

const app = createApp(parseConfig(process.env), overrides)

process.on('message', (order: Order) => {
  if (order.do === 'kill') kill = { at: order.at, sendsLeft: order.afterSends }
  if (order.do === 'trouble') trouble = order.trouble
  if (order.do === 'ask') report({ type: 'figures', figures: figures() })
})
// It must not outlive the tests.
process.on('disconnect', () => process.exit())
process.once('SIGTERM', async () => {
  await app.close()
  // From here on nothing may keep it running.
  process.removeAllListeners('disconnect')
  process.disconnect?.()
})

const { url } = await app.listen()
report({ type: 'listening', url })
