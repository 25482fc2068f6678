import { most } from '../chat/figures.ts'
import { measureInserts } from '../chat/inserts.ts'
import { measureSends } from '../chat/sends.ts'
import { CHAT_SIDES, PEERS } from '../chat/side.ts'
import type { Workload } from '../harness/workload.ts'

const LIMIT = 'plain inserts'

export const sendSpread: Workload = {
  name: 'w4',
  title: 'sendMessage, spread over 1,000 conversations',
  measures:
    'Messages a second over WebSocket from eight sockets, 64 in flight at a time; each is committed to disk before it is acknowledged, and looked for in the tables afterwards. The peers store by an interactive Prisma transaction. The limit inserts single rows, with 16 connections and without transactions around them, into a table of the same columns and indexes.',
  unit: 'msg/s',
  sides: [...CHAT_SIDES, { name: LIMIT, role: 'limit' }],
  target: {
    text: 'at least 5 times the best peer, and as many as plain inserts',
    reached: (medians) => {
      const parley = medians.get('parley')!
      return parley >= 5 * most(medians, PEERS) && parley >= medians.get(LIMIT)!
    },
    ratios: [
      ...PEERS.map((peer) => ({ text: `Parley to ${peer}`, of: 'parley', to: peer })),
      { text: 'Parley to plain inserts', of: 'parley', to: LIMIT },
    ],
  },
  rounds: { quick: 1, normal: 5 },
  quickSides: ['Mercurius'],
  run: (side, size, bench) =>
    side === LIMIT ? measureInserts(bench, size, 'rows') : measureSends(bench, side, size, 'spread', [8, 64]),
}
