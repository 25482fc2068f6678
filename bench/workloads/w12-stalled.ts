import type { Latencies } from '../clients/timings.ts'
import { least } from '../harness/measure.ts'
import type { Workload } from '../harness/workload.ts'
import { goLive, startFanOut } from './fan-out.ts'
import { GRAPHQL_PEERS } from './fan-out-sides.ts'

const SOCKETS = 100
/** Of so many sockets, one never reads. */
const STALL_EACH = 100
const BODY_BYTES = 7_000
const MESSAGES_PER_SECOND = 100
const SECONDS = { quick: 1, normal: 30, full: 60 }
const WARM_UP_SECONDS = { quick: 0.5, normal: 10, full: 10 }

const peers = GRAPHQL_PEERS.map(({ name }) => name)

export const stalled: Workload = {
  name: 'w12',
  title: 'One reader in a hundred has stalled',
  measures:
    'Growth of memory (RSS after a garbage collection) by a client that no longer reads, 1 of 100 in one conversation, while 100 messages of 7 KB come in a second for half a minute: 21 MB for each. And how long deliveries take to those that read.',
  unit: 'MB for the stalled reader',
  sides: [{ name: 'parley', role: 'parley' }, ...GRAPHQL_PEERS],
  target: {
    text: 'less than the best peer, in memory and in p99 of the healthy',
    reached: (medians) =>
      ['', '.p99 ms'].every(
        (suffix) =>
          medians.get(`parley${suffix}`)! <
          least(
            medians,
            peers.map((peer) => peer + suffix),
          ),
      ),
    ratios: peers.map((to) => ({ text: `Parley to ${to}, p99`, of: 'parley.p99 ms', to: `${to}.p99 ms` })),
  },
  quickSides: ['parley'],
  rounds: { quick: 1, normal: 3 },
  async run(side, size, bench) {
    const plan = { sockets: SOCKETS, users: SOCKETS, rooms: 1 }
    const fanOut = await startFanOut(bench, side, {
      plan,
      stallEach: STALL_EACH,
      bodyBytes: BODY_BYTES,
      execArgv: ['--expose-gc'],
    })
    const { clients } = fanOut
    await goLive(fanOut, plan)
    const publishFor = async (seconds: number, readers: number) => {
      const ticks = seconds * MESSAGES_PER_SECOND
      const total = await clients.call<number>('total')
      await fanOut.publish({ ticks, perTick: 1, everyMs: 1_000 / MESSAGES_PER_SECOND })
      await clients.call('until', { total: total + ticks * readers })
    }
    await publishFor(WARM_UP_SECONDS[size], SOCKETS)
    await clients.call('stall')
    await clients.call('latencies')
    const before = await fanOut.rss()
    const stalledReaders = SOCKETS / STALL_EACH
    await publishFor(SECONDS[size], SOCKETS - stalledReaders)
    const value = ((await fanOut.rss()) - before) / stalledReaders / 2 ** 20
    await clients.call('heads')
    const { p50Ms, p99Ms } = await clients.call<Latencies>('latencies')
    return { value, more: { 'p50 ms': p50Ms, 'p99 ms': p99Ms } }
  },
}
