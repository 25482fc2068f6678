import type { Latencies } from '../clients/timings.ts'
import { least } from '../harness/measure.ts'
import type { Workload } from '../harness/workload.ts'
import { deliver, goLive, startFanOut } from './fan-out.ts'
import { FAN_OUT_SIDES, GRAPHQL_PEERS } from './fan-out-sides.ts'

const ROOM_SIZE = 5
const NODES = 2
const ROOMS = { quick: 50, normal: 1_000, full: 1_000 }
const WARM_UP = { quick: 1_000, normal: 100_000, full: 100_000 }
const DELIVERIES = { quick: 2_000, normal: 60_000, full: 300_000 }
/** What the latencies are taken at, so that they tell of the way and not of a queue. */
const PACED = { deliveriesPerSecond: 2_000, everyMs: 10, seconds: { quick: 1, normal: 5, full: 20 } }

const peers = GRAPHQL_PEERS.map(({ name }) => name)

export const rooms: Workload = {
  name: 'w3',
  title: 'Rooms of five, two nodes over Redis',
  measures:
    'CPU of both nodes for each delivery, where 1,000 conversations have five subscribers each, three on one node and two on the other; messages come from both. Then, at 2,000 deliveries a second, how long they take from publishing to the client.',
  unit: 'µs CPU per delivery',
  sides: FAN_OUT_SIDES,
  target: {
    text: 'at most 1/2.5 of the best GraphQL peer',
    reached: (medians) => medians.get('parley')! <= least(medians, peers) / 2.5,
    ratios: [
      ...peers.map((to) => ({ text: `Parley to ${to}`, of: 'parley', to })),
      { text: 'Parley to Socket.IO', of: 'parley', to: 'Socket.IO' },
      { text: 'Parley to raw ws over Redis', of: 'parley', to: 'raw ws' },
      { text: 'raw ws over Redis to the best GraphQL peer', of: 'raw ws', to: peers },
    ],
  },
  quickSides: ['Apollo', 'Socket.IO'],
  rounds: { quick: 1, normal: 5 },
  async run(side, size, bench) {
    const sockets = ROOMS[size] * ROOM_SIZE
    const plan = { sockets, users: sockets, rooms: ROOMS[size] }
    if (side === 'Yoga') bench.note('Yoga has graphql-redis-subscriptions between its nodes, as Apollo has.')
    const fanOut = await startFanOut(bench, side, { plan, nodes: NODES })
    await goLive(fanOut, plan)
    await deliver(fanOut, plan, { deliveries: WARM_UP[size], perTick: 10 })
    const { deliveries, cpuUs } = await deliver(fanOut, plan, { deliveries: DELIVERIES[size], perTick: 10 })

    const { deliveriesPerSecond, everyMs, seconds } = PACED
    const perTick = (deliveriesPerSecond / ROOM_SIZE / NODES / 1_000) * everyMs
    const ticks = (seconds[size] * 1_000) / everyMs
    const total = await fanOut.clients.call<number>('total')
    await fanOut.clients.call('latencies')
    await fanOut.publish({ ticks, perTick, everyMs })
    await fanOut.clients.call('until', { total: total + ticks * perTick * ROOM_SIZE * NODES })
    const { p50Ms, p99Ms } = await fanOut.clients.call<Latencies>('latencies')
    return { value: cpuUs / deliveries, more: { 'p50 ms': p50Ms, 'p99 ms': p99Ms } }
  },
}
