import type { Latencies } from '../clients/timings.ts'
import type { Workload } from '../harness/workload.ts'
import { deliver, goLive, startFanOut } from './fan-out.ts'
import { openFilesAllow } from './open-files.ts'

const SOCKETS = { quick: 300, normal: 10_000, full: 10_000 }
const SECONDS = { quick: 1, normal: 30, full: 120 }
const EVERY_MS = 10
const CORES = 2

export const liveQueries: Workload = {
  name: 'w9',
  title: 'Ten thousand subscriptions, an update a second each',
  measures:
    'CPU of the server, as a share of two cores, while 10,000 sockets, each with a conversation of its own, get a message a second each. Hasura published 73 % of two for as many live queries, which read the table; here it is the delivery alone.',
  unit: '% CPU of 2 cores',
  sides: [{ name: 'parley', role: 'parley' }],
  target: {
    text: 'below the published 73 %, and p99 under 100 ms',
    reached: (medians) => medians.get('parley')! < 73 && medians.get('parley.p99 ms')! < 100,
    ratios: [],
  },
  rounds: { quick: 1, normal: 3 },
  async run(side, size, bench) {
    const sockets = openFilesAllow(SOCKETS[size], bench)
    const plan = { sockets, users: sockets, rooms: sockets }
    const fanOut = await startFanOut(bench, side, { plan })
    await goLive(fanOut, plan)
    await deliver(fanOut, plan, { deliveries: sockets, perTick: 50 })

    const ticks = (SECONDS[size] * 1_000) / EVERY_MS
    const perTick = sockets / (1_000 / EVERY_MS)
    await fanOut.clients.call<Latencies>('latencies')
    const total = await fanOut.clients.call<number>('total')
    const began = performance.now()
    const before = await fanOut.cpuUs()
    await fanOut.publish({ ticks, perTick, everyMs: EVERY_MS })
    await fanOut.clients.call('until', { total: total + ticks * perTick })
    const cpuMs = ((await fanOut.cpuUs()) - before) / 1_000
    const value = (cpuMs / ((performance.now() - began) * CORES)) * 100
    await fanOut.clients.call('heads')
    const { p50Ms, p99Ms } = await fanOut.clients.call<Latencies>('latencies')
    return { value, more: { 'p50 ms': p50Ms, 'p99 ms': p99Ms } }
  },
}
