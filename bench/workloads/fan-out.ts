import { setTimeout } from 'node:timers/promises'
import type { FanArgs } from '../clients/fan.ts'
import type { Latencies } from '../clients/timings.ts'
import type { BenchProcess } from '../harness/process.ts'
import type { Bench } from '../harness/workload.ts'
import type { FanOutArgs, Publishing } from '../sides/publisher.ts'
import type { Plan } from '../sides/room.ts'
import { fillRooms } from '../sides/rooms-db.ts'
import { fanOutSide } from './fan-out-sides.ts'

// What the workloads of the fan-out share: servers, their subscribers, and publishing at the pace of the deliveries.

export interface FanOutOptions {
  plan: Plan
  /** With more than one they talk over Redis. */
  nodes?: number
  stallEach?: number
  /** Of a message; about a hundred if left out. */
  bodyBytes?: number
  /** Messages may be missing, but none may come twice or before another. */
  lossy?: boolean
  /** Not shared with other runs of the same plan: messages will be stored. */
  ownDatabase?: boolean
  execArgv?: string[]
}

export interface FanOut {
  servers: BenchProcess[]
  clients: BenchProcess
  urls: string[]
  /** Publishes on all nodes at once; resolves when that is done, which is before all is delivered. */
  publish(publishing: Omit<Publishing, 'rooms' | 'first' | 'step'>): Promise<void>
  /** Resolves once all sockets have subscribed, so many times. */
  subscribed(times?: number): Promise<void>
  /** CPU of all nodes so far. */
  cpuUs(): Promise<number>
  rss(): Promise<number>
}

/** How many sockets a client opens at once, where it isn't the opening that is measured. */
export const OPEN_AT_ONCE = 50
const POLL_MS = 20
const BODY_BYTES = 100
const SECONDS_TO_SUBSCRIBE = 120
let ownDatabases = 0

/** Starts the servers of a side, and subscribers that have not opened their sockets yet. */
export async function startFanOut(bench: Bench, name: string, options: FanOutOptions): Promise<FanOut> {
  const { plan, nodes = 1, execArgv = [] } = options
  const side = fanOutSide(name)
  const { sockets, users, rooms } = plan
  const database = `rooms_${rooms}_${users}_${sockets}${options.ownDatabase ? `_${++ownDatabases}` : ''}`
  const databaseUrl = side.role === 'parley' ? await bench.database(database, fillRooms(plan)) : undefined
  const redisUrl = nodes > 1 ? (await bench.redis()).url : undefined
  const { bodyBytes = BODY_BYTES, stallEach, lossy = false } = options
  const serverArgs: FanOutArgs = {
    ...side.args,
    bodyBytes,
    ...(databaseUrl && { databaseUrl }),
    ...(redisUrl && { redisUrl }),
  }
  const clientArgs: FanArgs = { ...plan, dialect: side.dialect, lossy, ...(stallEach !== undefined && { stallEach }) }
  const [clients, ...servers] = await Promise.all([
    bench.start('clients/fan.ts', { args: clientArgs, core: 'client' }),
    ...Array.from({ length: nodes }, () => bench.start(side.file, { args: serverArgs, execArgv })),
  ])

  const sum = async (ask: (server: BenchProcess) => Promise<number>) => {
    const answers = await Promise.all(servers.map(ask))
    return answers.reduce((one, other) => one + other, 0)
  }
  return {
    servers,
    clients,
    urls: servers.map(({ url }) => url),
    async publish(publishing) {
      await Promise.all(
        servers.map((server, first) => server.call('publish', { ...publishing, rooms, first, step: nodes })),
      )
    },
    async subscribed(times = 1) {
      const before = Date.now()
      while ((await sum((server) => server.call<number>('subscribed'))) < sockets * times) {
        if (Date.now() - before > SECONDS_TO_SUBSCRIBE * 1_000) throw new Error('not all subscriptions began')
        await setTimeout(POLL_MS)
      }
    },
    cpuUs: () =>
      sum(async (server) => {
        const { userUs, systemUs } = await server.cpu()
        return userUs + systemUs
      }),
    rss: () => sum(async (server) => (await server.memory()).rss),
  }
}

/** Opens all sockets, and publishes until each of them has got a message: all are live from then on. */
export async function goLive(fanOut: FanOut, { sockets, rooms }: Plan): Promise<void> {
  const { servers, clients, urls } = fanOut
  await clients.call('open', { urls, atOnce: OPEN_AT_ONCE })
  await fanOut.subscribed()
  while ((await clients.call<number>('live')) < sockets) {
    const before = await clients.call<number>('total')
    // One to each room, in ticks of at most 50.
    const ofNode = Math.ceil(rooms / servers.length)
    const perTick = Math.min(50, ofNode)
    await fanOut.publish({ ticks: Math.ceil(ofNode / perTick), perTick })
    await quiet(clients, before)
  }
}

/** Resolves once no delivery has come for so many milliseconds; `total` is how many there were so far. */
export async function quiet(clients: BenchProcess, total: number, milliseconds = 100): Promise<void> {
  let last = total
  let since = performance.now()
  while (performance.now() - since < milliseconds) {
    await setTimeout(POLL_MS)
    const now = await clients.call<number>('total')
    if (now !== last) since = performance.now()
    last = now
  }
}

/** Deliveries of a batch, at whose end publishing waits until all have come: no server is ever far behind. */
const BATCH_DELIVERIES = 10_000

export interface Delivered {
  deliveries: number
  cpuUs: number
  latencies: Latencies
}

/** Publishes in batches until there are this many deliveries; CPU counts from before the first to after the last. */
export async function deliver(
  fanOut: FanOut,
  { sockets, rooms }: Plan,
  { deliveries, perTick }: { deliveries: number; perTick: number },
): Promise<Delivered> {
  const { servers, clients } = fanOut
  const perTickOfAll = perTick * (sockets / rooms) * servers.length
  const ticks = Math.max(1, Math.round(Math.min(BATCH_DELIVERIES, deliveries) / perTickOfAll))
  const batches = Math.max(1, Math.round(deliveries / (ticks * perTickOfAll)))
  await clients.call('latencies')
  const total = await clients.call<number>('total')
  const before = await fanOut.cpuUs()
  for (let batch = 1; batch <= batches; batch++) {
    await fanOut.publish({ ticks, perTick })
    await clients.call('until', { total: total + batch * ticks * perTickOfAll })
  }
  const cpuUs = (await fanOut.cpuUs()) - before
  await clients.call('heads')
  return {
    deliveries: batches * ticks * perTickOfAll,
    cpuUs,
    latencies: await clients.call<Latencies>('latencies'),
  }
}
