import { NOTHING } from '../chat/operations.ts'
import { costOf } from '../chat/requests.ts'
import { sendDatabase } from '../chat/sends.ts'
import { CHAT_SIDES, firstNumbers, openClients, PEERS, startServer } from '../chat/side.ts'
import type { Bench, Sample, Size, Workload } from '../harness/workload.ts'

const LIMIT = 'raw'
const USERS = 16
const SOCKET = 'WebSocket µs'

export const request: Workload = {
  name: 'w6',
  title: 'A mutation without a database',
  measures:
    'CPU time of the server for a request over HTTP, and over WebSocket, of 16 users who each ask one thing after the other. The document is mutation { __typename }: it is authenticated, guarded, executed and answered like any other and calls no resolver. Parley also looks whether the user may still come in, unless it did within the last tenth of a second; the peers take that from the token alone. The limit is node:http and ws, which check the token, parse the JSON and answer.',
  unit: 'HTTP µs',
  sides: [...CHAT_SIDES, { name: LIMIT, role: 'limit' }],
  target: {
    text: 'at most what Mercurius with jit takes, over both',
    reached: (medians) =>
      medians.get('parley')! <= medians.get('Mercurius')! &&
      medians.get(`parley.${SOCKET}`)! <= medians.get(`Mercurius.${SOCKET}`)!,
    ratios: [...PEERS, LIMIT].flatMap((other) => [
      { text: `HTTP, Parley to ${other}`, of: 'parley', to: other },
      { text: `WebSocket, Parley to ${other}`, of: `parley.${SOCKET}`, to: `${other}.${SOCKET}` },
    ]),
  },
  rounds: { quick: 1, normal: 5 },
  quickSides: ['parley', 'Apollo'],
  run,
}

async function run(side: string, size: Size, bench: Bench): Promise<Sample> {
  const databaseUrl = await sendDatabase(bench)
  const server =
    side === LIMIT ? await bench.start('sides/raw-requests.ts') : await startServer(bench, side, databaseUrl)
  const costs: Record<string, number> = {}
  for (const transport of ['http', 'websocket'] as const) {
    const users = await openClients(server, transport, firstNumbers(USERS))
    const { cpuUs } = await costOf(server, users, size, { query: NOTHING }, checkAnswer)
    costs[transport] = cpuUs
    for (const user of users) user.close()
  }
  return { value: costs.http!, more: { [SOCKET]: costs.websocket! } }
}

function checkAnswer(data: { __typename: string }) {
  if (data.__typename !== 'Mutation') throw new Error(`Not what was asked: ${JSON.stringify(data)}`)
}
