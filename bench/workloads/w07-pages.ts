import { conversationOf, fill } from '../chat/fill.ts'
import { LIST, PAGE } from '../chat/operations.ts'
import { checkList, checkPage, cursorOf } from '../chat/pages.ts'
import { type Cost, costOf } from '../chat/requests.ts'
import { CHAT_SIDES, conversationId, openClients, PEERS, startServer } from '../chat/side.ts'
import type { Bench, Medians, Sample, Size, Workload } from '../harness/workload.ts'

const LIMIT = 'pg, bare'
const DEPTH = 10_000
const DEEP = { number: 600, messages: 20_000 }
/** Of user 0, who is in each tenth. */
const LISTED = Array.from({ length: 50 }, (_, place) => place * 10)

/** What is read, in the order of `keysOf`. */
const READS = ['newest page', 'page at depth 10,000', 'list']
const FIGURES = { deep: 'page at depth 10,000, µs', list: 'list, µs' }

export const pages: Workload = {
  name: 'w7',
  title: 'Pages of messages, and the list of conversations',
  measures:
    'CPU time of the server for a request over HTTP, one at a time, and how long it takes: 50 messages with their senders, the newest ones and those 10,000 further back; and 50 of 60 conversations, each with its newest message and how many are unread. The peers read by Prisma. The limit is node:http with prepared statements of pg.',
  unit: 'newest page, µs',
  sides: [...CHAT_SIDES, { name: LIMIT, role: 'limit' }],
  target: {
    text: 'at most a third of the best peer, and 1.2 times as much at depth 10,000 as at 0',
    reached: (medians) =>
      keysOf('parley').every((key, index) => medians.get(key)! <= leastOfPeers(medians, index) / 3) &&
      medians.get(keysOf('parley')[1]!)! <= 1.2 * medians.get('parley')!,
    ratios: [
      { text: 'Parley, depth 10,000 to 0', of: keysOf('parley')[1]!, to: 'parley' },
      ...[...PEERS, LIMIT].flatMap((other) =>
        READS.map((what, index) => ({
          text: `${what}, Parley to ${other}`,
          of: keysOf('parley')[index]!,
          to: keysOf(other)[index]!,
        })),
      ),
      ...READS.map((what, index) => ({
        text: `${what}, ${LIMIT}, to the best peer`,
        of: keysOf(LIMIT)[index]!,
        to: PEERS.map((peer) => keysOf(peer)[index]!),
      })),
    ],
  },
  rounds: { quick: 1, normal: 5 },
  quickSides: ['parley', 'Yoga', LIMIT],
  run,
}

/** The three costs of a side. */
function keysOf(side: string): string[] {
  return [side, `${side}.${FIGURES.deep}`, `${side}.${FIGURES.list}`]
}

function leastOfPeers(medians: Medians, figure: number): number {
  return Math.min(...PEERS.map((peer) => medians.get(keysOf(peer)[figure]!) ?? Number.NaN))
}

async function run(side: string, size: Size, bench: Bench): Promise<Sample> {
  const databaseUrl = await bench.database('chat_pages', (url) =>
    fill(url, {
      users: 50,
      conversations: [
        { count: DEEP.number, participants: 5, messages: 100 },
        { first: DEEP.number, count: 1, participants: 5, messages: DEEP.messages },
      ],
    }),
  )
  const server =
    side === LIMIT
      ? await bench.start('sides/pg-pages.ts', { args: { databaseUrl } })
      : await startServer(bench, side, databaseUrl)
  const users = await openClients(server, 'http', [0])

  const id = conversationId(side, DEEP.number)
  const before = DEEP.messages - DEPTH + 1
  const deep = { id, before: await cursorOf(side, databaseUrl, conversationOf(DEEP.number), before) }
  const costs: Cost[] = [
    await costOf(server, users, size, { query: PAGE, variables: { id } }, checkPage(DEEP.messages)),
    await costOf(server, users, size, { query: PAGE, variables: deep }, checkPage(DEEP.messages - DEPTH)),
    await costOf(server, users, size, { query: LIST }, checkList(LISTED)),
  ]
  for (const user of users) user.close()
  const [newest, further, list] = costs as [Cost, Cost, Cost]
  return {
    value: newest.cpuUs,
    more: {
      [FIGURES.deep]: further.cpuUs,
      [FIGURES.list]: list.cpuUs,
      'newest page, ms': newest.p50Ms,
      'page at depth 10,000, ms': further.p50Ms,
      'list, ms': list.p50Ms,
    },
  }
}
