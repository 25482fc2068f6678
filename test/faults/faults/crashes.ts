import type { Fault, Size } from '../fault.ts'
import type { KillPoint } from '../node.ts'
import { holdsWithin, waitUntil } from '../wait.ts'
import { catchUp, type World } from '../world.ts'

/** From delivery's deadlines, five times as long. */
const CATCH_UP_MS = 5 * 5_000
const EXIT_MS = 30_000

async function killInSends(world: World, at: KillPoint, size: Size) {
  for (const index of size.full ? [0, 1] : [0]) {
    const node = world.nodes[index]!
    await node.killAt({ at, afterSends: 3 })
    // The other one alone must make up for what was not published.
    await catchUp(world, await world.tables.heads(), CATCH_UP_MS)
    await node.start()
  }
}

function kill(name: string, at: KillPoint): Fault {
  return {
    name,
    says: `A node is killed (kill -9) ${at}: a retry gets the one message, and the other node passes it on.`,
    inject: (world, size) => killInSends(world, at, size),
  }
}

const sigterm: Fault = {
  name: 'sigterm',
  says: 'SIGTERM: /readyz turns 503, sockets close with 1001 or 1012, the node ends in 30 s; clients resume elsewhere.',
  world: () => ({ env: { DRAIN_SECONDS: '2' } }),
  async inject({ nodes, subscribers, found, notes }) {
    const [node] = nodes
    const before = subscribers.map(({ closeCodes }) => closeCodes.length)
    const readyUrl = new URL('/readyz', node.url)
    const ending = node.terminate()
    const statuses: (number | null)[] = []
    await holdsWithin(EXIT_MS, async () => {
      statuses.push(
        await fetch(readyUrl).then(
          (response) => response.status,
          () => null,
        ),
      )
      return statuses.at(-1) === null
    })
    const { code, signal, milliseconds } = await ending
    notes.push(`ended after ${Math.round(milliseconds)} ms`)
    if (!statuses.includes(503)) found.push('/readyz did not turn 503 before the node ended')
    if (code !== 0) found.push(`the node ended with ${signal ?? code}`)
    if (milliseconds > EXIT_MS) found.push(`the node took ${Math.round(milliseconds)} ms to end`)
    const codes = subscribers.flatMap(({ closeCodes }, index) => closeCodes.slice(before[index]))
    const wrong = codes.filter((each) => each !== 1001 && each !== 1012)
    if (codes.length === 0 || wrong.length > 0) found.push(`sockets were closed with ${[...new Set(codes)].join(', ')}`)
    await node.start()
  },
}

function freeze(name: string, seconds: number, onlyFull: boolean): Fault {
  return {
    name,
    onlyFull,
    says: `A node is frozen (SIGSTOP) for ${seconds} s: the other one goes on, and when it is thawed it sends nothing stale.`,
    async inject({ nodes, groups, load, found }) {
      const [frozen] = nodes
      // In the middle of a transaction it would keep a conversation's row for some seconds.
      await load.only('sends')
      frozen.freeze()
      const thawAt = performance.now() + seconds * 1000
      try {
        // By way of the other node, in each conversation.
        const sends = await Promise.all(groups.map((group) => load.send(group, { node: 1 })))
        const slow = sends.filter(({ calls }) => calls[0]!.outcome !== 'ok')
        if (slow.length > 0) found.push(`${slow.length} sends to the other node were not acknowledged at once`)
        await waitUntil('the time of the freeze', 2 * seconds * 1000, () => performance.now() >= thawAt)
      } finally {
        frozen.thaw()
        await load.only('everything')
      }
    },
  }
}

export const crashes: Fault[] = [
  kill('killed-before-commit', 'before commit'),
  kill('killed-before-publish', 'between commit and publish'),
  kill('killed-before-reply', 'between publish and reply'),
  sigterm,
  freeze('frozen-5s', 5, false),
  freeze('frozen-30s', 30, true),
]
