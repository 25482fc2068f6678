import type { Workload } from '../harness/workload.ts'
import { CORKED, FAN_OUT_SIDES } from './fan-out-sides.ts'
import { fanOutToBoth, isAtMost, ratiosToAll } from './w01-fan-out.ts'

const PER_TICK = 8

export const bursts: Workload = {
  name: 'w2',
  title: 'Fan-out, eight messages per tick',
  measures: 'The same as W1 with eight messages in each turn of the event loop, as when many write at once.',
  unit: 'µs CPU per delivery',
  sides: [...FAN_OUT_SIDES, CORKED],
  target: {
    text: 'at most 1/15 of the best GraphQL peer, and 0.5 times the raw loop',
    reached: (medians) => isAtMost(medians, 1 / 15, 0.5),
    ratios: [...ratiosToAll, { text: 'Parley to corked ws', of: 'parley', to: CORKED.name }],
  },
  quickSides: ['Yoga', CORKED.name],
  rounds: { quick: 1, normal: 5 },
  run: (side, size, bench) => fanOutToBoth(side, size, bench, PER_TICK),
}
