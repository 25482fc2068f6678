import type { Side } from '../harness/workload.ts'

/** A side of the fan-out workloads. */
export interface FanOutSide extends Side {
  /** Its server, below bench/. */
  file: string
  /** By which its clients speak to it. */
  dialect: string
  args?: object
}

const PARLEY: FanOutSide = { name: 'parley', role: 'parley', file: 'sides/parley.ts', dialect: 'graphql-ws' }
export const GRAPHQL_PEERS: FanOutSide[] = [
  { name: 'Mercurius', role: 'peer', file: 'sides/mercurius.ts', dialect: 'graphql-ws' },
  { name: 'Apollo', role: 'peer', file: 'sides/apollo.ts', dialect: 'graphql-ws' },
  { name: 'Yoga', role: 'peer', file: 'sides/yoga.ts', dialect: 'graphql-ws' },
]
const SOCKET_IO: FanOutSide = { name: 'Socket.IO', role: 'peer', file: 'sides/socket-io.ts', dialect: 'socket.io' }
const RAW: FanOutSide = { name: 'raw ws', role: 'limit', file: 'sides/raw-ws.ts', dialect: 'raw' }
export const CORKED: FanOutSide = { ...RAW, name: 'corked ws', args: { corks: true } }

export const FAN_OUT_SIDES = [PARLEY, ...GRAPHQL_PEERS, SOCKET_IO, RAW]

export function fanOutSide(name: string): FanOutSide {
  return [...FAN_OUT_SIDES, CORKED].find((side) => side.name === name)!
}
