import type { Workload } from '../harness/workload.ts'
import { OPEN_AT_ONCE, startFanOut } from './fan-out.ts'
import { FAN_OUT_SIDES, GRAPHQL_PEERS } from './fan-out-sides.ts'
import { openFilesAllow } from './open-files.ts'

const SOCKETS = { quick: 200, normal: 10_000, full: 10_000 }
const ROOM_SIZE = 5

const peers = GRAPHQL_PEERS.map(({ name }) => name)

export const idle: Workload = {
  name: 'w8',
  title: 'Idle connections, and all of them at once',
  measures:
    'Memory (RSS after a garbage collection) for each of 10,000 connections that have one subscription and hear nothing. Then all break off and connect again at the same time: until the last one has its subscription back, and the tries, the CPU and the statements that this takes. A client that is refused or closed tries again after half a second to one and a half.',
  unit: 'KB per connection',
  sides: FAN_OUT_SIDES,
  target: {
    text: 'at most 1.9 times raw ws',
    reached: (medians) => medians.get('parley')! <= 1.9 * medians.get('raw ws')!,
    ratios: [
      { text: 'Parley to raw ws', of: 'parley', to: 'raw ws' },
      ...peers.map((to) => ({ text: `Parley to ${to}`, of: 'parley', to })),
      ...peers.map((to) => ({
        text: `Parley to ${to}, CPU of connecting again`,
        of: 'parley.again, µs CPU per connection',
        to: `${to}.again, µs CPU per connection`,
      })),
    ],
  },
  quickSides: ['parley'],
  rounds: { quick: 1, normal: 5 },
  async run(side, size, bench) {
    const sockets = openFilesAllow(SOCKETS[size], bench)
    const plan = { sockets, users: sockets, rooms: sockets / ROOM_SIZE }
    const fanOut = await startFanOut(bench, side, { plan, execArgv: ['--expose-gc'] })
    const empty = await fanOut.rss()
    await fanOut.clients.call('open', { urls: fanOut.urls, atOnce: OPEN_AT_ONCE })
    await fanOut.subscribed()
    const value = ((await fanOut.rss()) - empty) / sockets / 1_024

    // Only Parley has a database here.
    const statements = async () => (side === 'parley' ? await fanOut.servers[0]!.call<number>('statements') : 0)
    const before = await statements()
    const cpuUs = await fanOut.cpuUs()
    const began = performance.now()
    await fanOut.clients.call('closeAll')
    const tries = await fanOut.clients.call<number>('open', { urls: fanOut.urls, atOnce: sockets, retries: true })
    await fanOut.subscribed(2)
    await fanOut.clients.call('check')
    const more = {
      'again, seconds': (performance.now() - began) / 1_000,
      'again, tries per connection': tries / sockets,
      'again, µs CPU per connection': ((await fanOut.cpuUs()) - cpuUs) / sockets,
    }
    if (side !== 'parley') return { value, more }
    return { value, more: { ...more, 'again, statements per connection': ((await statements()) - before) / sockets } }
  },
}
