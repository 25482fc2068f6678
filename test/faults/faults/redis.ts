import type { Fault } from '../fault.ts'
import { waitUntil } from '../wait.ts'
import type { World } from '../world.ts'

const PATIENCE_MS = 60_000

/** Waits until the load had another so many operations acknowledged. */
async function moreAcknowledged({ load }: World, count: number) {
  const due = load.acknowledged() + count
  await waitUntil(`${count} more acknowledged operations`, PATIENCE_MS, () => load.acknowledged() >= due)
}

const killed: Fault = {
  name: 'redis-killed',
  says: 'Redis is killed (kill -9), comes back empty, and is flushed: sends are acknowledged all the time.',
  async inject(world, size) {
    await world.redis.kill9()
    await moreAcknowledged(world, size.acknowledged / 5)
    await world.redis.restart()
    await world.redisAdmin().flushall()
  },
}

/** The median time of a send, in milliseconds, of those that began and were acknowledged between two times. */
function medianOfSends({ history }: World, from: number, to: number): number {
  const times = history.sends
    .flatMap(({ calls }) => calls)
    .filter(({ calledAt, endedAt, outcome }) => outcome === 'ok' && calledAt >= from && endedAt! <= to)
    .map(({ milliseconds }) => milliseconds!)
    .sort((one, other) => one - other)
  return times[Math.floor(times.length / 2)] ?? 0
}

/** Sends must not wait for Redis: their median may not grow by more than this, and five times what it was. */
const NOISE_MS = 100

async function withSlowRedis(world: World, count: number, break_: () => void) {
  const begun = world.history.now()
  await moreAcknowledged(world, count)
  const broken = world.history.now()
  break_()
  await moreAcknowledged(world, count)
  const [before, during] = [medianOfSends(world, begun, broken), medianOfSends(world, broken, world.history.now())]
  world.notes.push(`median send ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms during`)
  if (during > 5 * before + NOISE_MS) world.found.push(`sends wait for Redis: ${before} ms before, ${during} ms during`)
}

const blackholed: Fault = {
  name: 'redis-blackholed',
  says: 'Redis swallows all that is sent to it: the nodes find out by themselves, and sends are as fast as before.',
  async inject(world, size) {
    await withSlowRedis(world, size.acknowledged / 5, () => world.redisProxy.blackhole())
    // Two seconds without an answer, five times as long.
    await waitUntil('the nodes find that Redis is away', 10_000, async () => {
      const answers = await Promise.all(world.nodes.map(({ url }) => fetch(new URL('/readyz', url))))
      const states = (await Promise.all(answers.map((answer) => answer.json()))) as { bus: string }[]
      return states.every(({ bus }) => bus === 'down')
    })
    world.redisProxy.restore()
    world.redisProxy.cut()
  },
}

const slow: Fault = {
  name: 'redis-slow',
  says: 'Redis answers 500 ms late: sends are as fast as before.',
  async inject(world, size) {
    await withSlowRedis(world, size.acknowledged / 5, () => world.redisProxy.delay(500))
    world.redisProxy.restore()
    world.redisProxy.cut()
  },
}

const dropsClients: Fault = {
  name: 'redis-drops-clients',
  says: 'Redis drops the connections on which the nodes listen, again and again: they come back and catch up.',
  async inject(world, size) {
    for (const _ of [1, 2, 3]) {
      await world.redisAdmin().call('CLIENT', 'KILL', 'TYPE', 'pubsub')
      await moreAcknowledged(world, size.acknowledged / 10)
    }
  },
}

const busUnreliable: Fault = {
  name: 'bus-unreliable',
  says: 'The bus loses, repeats and swaps events, and in the end loses all: every subscriber has each one once, in order.',
  world: () => ({
    nodes: [{ trouble: { drop: 3, repeat: 5, swap: 7 } }, { trouble: { drop: 3, repeat: 5, swap: 7 } }],
  }),
  async inject(world, size) {
    await moreAcknowledged(world, size.acknowledged / 5)
    for (const node of world.nodes) node.order({ do: 'trouble', trouble: { drop: 1 } })
  },
}

export const redisFaults: Fault[] = [killed, blackholed, slow, dropsClients, busUnreliable]
