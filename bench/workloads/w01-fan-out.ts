import { least } from '../harness/measure.ts'
import type { Bench, Medians, Sample, Size, Workload } from '../harness/workload.ts'
import { deliver, goLive, startFanOut } from './fan-out.ts'
import { FAN_OUT_SIDES, GRAPHQL_PEERS } from './fan-out-sides.ts'

const SOCKETS_PER_USER = 5
const WARM_UP = { quick: 4_000, normal: 30_000, full: 30_000 }
const DELIVERIES = { quick: 8_000, normal: 100_000, full: 500_000 }

/** CPU per delivery to 500 and to 5,000 sockets. */
export async function fanOutToBoth(side: string, size: Size, bench: Bench, perTick: number): Promise<Sample> {
  const to500 = await fanOutTo(500, side, size, bench, perTick)
  // To see that it works, one size is enough.
  if (size === 'quick') return { value: to500 }
  const to5000 = await fanOutTo(5_000, side, size, bench, perTick)
  return { value: to500, more: { 'to 5,000': to5000 } }
}

async function fanOutTo(sockets: number, side: string, size: Size, bench: Bench, perTick: number): Promise<number> {
  const plan = { sockets, users: sockets / SOCKETS_PER_USER, rooms: 1 }
  const fanOut = await startFanOut(bench, side, { plan })
  await goLive(fanOut, plan)
  await deliver(fanOut, plan, { deliveries: WARM_UP[size], perTick })
  const { deliveries, cpuUs } = await deliver(fanOut, plan, { deliveries: DELIVERIES[size], perTick })
  await Promise.all([...fanOut.servers, fanOut.clients].map((each) => each.stop()))
  return cpuUs / deliveries
}

const graphqlPeers = GRAPHQL_PEERS.map(({ name }) => name)

/** Parley's figure divided by that of the best GraphQL peer; `suffix` names the one of `more`. */
export function toBestPeer(medians: Medians, suffix = ''): number {
  const best = least(
    medians,
    graphqlPeers.map((name) => name + suffix),
  )
  return medians.get(`parley${suffix}`)! / best
}

export const ratiosToAll = [
  ...graphqlPeers.map((to) => ({ text: `Parley to ${to}`, of: 'parley', to })),
  { text: 'Parley to raw ws', of: 'parley', to: 'raw ws' },
  ...graphqlPeers.map((to) => ({ text: `Parley to ${to}, to 5,000`, of: 'parley.to 5,000', to: `${to}.to 5,000` })),
  { text: 'Parley to raw ws, to 5,000', of: 'parley.to 5,000', to: 'raw ws.to 5,000' },
  // Less than this nobody can need who writes to each socket.
  { text: 'raw ws to the best GraphQL peer', of: 'raw ws', to: graphqlPeers },
  {
    text: 'raw ws to the best GraphQL peer, to 5,000',
    of: 'raw ws.to 5,000',
    to: graphqlPeers.map((name) => `${name}.to 5,000`),
  },
]

export const fanOut: Workload = {
  name: 'w1',
  title: 'Fan-out, one message per tick',
  measures:
    'CPU of the server for each delivery of a message to 500 and to 5,000 sockets that subscribe to one conversation, five for each user; one message in each turn of the event loop.',
  unit: 'µs CPU per delivery',
  sides: FAN_OUT_SIDES,
  target: {
    text: 'at most 1/4.5 of the best GraphQL peer, and 1.15 times the raw loop',
    reached: (medians) => isAtMost(medians, 1 / 4.5, 1.15),
    ratios: ratiosToAll,
  },
  quickSides: ['parley', 'Mercurius'],
  rounds: { quick: 1, normal: 5 },
  run: (side, size, bench) => fanOutToBoth(side, size, bench, 1),
}

/** Whether Parley needs no more than these shares of the best GraphQL peer and of the raw loop, for both sizes. */
export function isAtMost(medians: Medians, ofPeer: number, ofRaw: number): boolean | null {
  if (!medians.has('parley.to 5,000')) return null
  return ['', '.to 5,000'].every(
    (suffix) =>
      toBestPeer(medians, suffix) <= ofPeer &&
      medians.get(`parley${suffix}`)! / medians.get(`raw ws${suffix}`)! <= ofRaw,
  )
}
