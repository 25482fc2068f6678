import { measureInserts } from '../chat/inserts.ts'
import { measureSends } from '../chat/sends.ts'
import { CHAT_SIDES, PEERS } from '../chat/side.ts'
import type { Workload } from '../harness/workload.ts'

const LIMIT = 'batched inserts'
const SPREAD = 'parley, spread'

export const sendHot: Workload = {
  name: 'w5',
  title: 'sendMessage into one conversation',
  measures:
    'As W4, but eight users send into the same conversation, 64 messages in flight. Beside it Parley once more with the 1,000 conversations of W4. The limit numbers and inserts up to 64 rows in one statement, with one connection.',
  unit: 'msg/s',
  sides: [...CHAT_SIDES, { name: SPREAD, role: 'parley' }, { name: LIMIT, role: 'limit' }],
  target: {
    text: 'at least 0.8 of what it is when spread',
    reached: (medians) => medians.get('parley')! >= 0.8 * medians.get(SPREAD)!,
    ratios: [
      { text: 'One conversation to many', of: 'parley', to: SPREAD },
      ...PEERS.map((peer) => ({ text: `Parley to ${peer}`, of: 'parley', to: peer })),
      { text: 'Parley to batched inserts', of: 'parley', to: LIMIT },
    ],
  },
  rounds: { quick: 1, normal: 5 },
  quickSides: ['parley', LIMIT],
  run(side, size, bench) {
    if (side === LIMIT) return measureInserts(bench, size, 'batches')
    if (side === SPREAD) return measureSends(bench, 'parley', size, 'spread', [64])
    return measureSends(bench, side, size, 'hot', [64])
  },
}
