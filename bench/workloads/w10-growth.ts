import { fill } from '../chat/fill.ts'
import { LIST, NOTHING, PAGE } from '../chat/operations.ts'
import { type ListData, type PageData, requireContiguous, requireSorted } from '../chat/pages.ts'
import { conversationId, openClients, startServer } from '../chat/side.ts'
import { oneOf, sendMessage } from '../clients/chat.ts'
import type { GraphQLClient } from '../clients/graphql-socket.ts'
import { median } from '../harness/measure.ts'
import type { Bench, Sample, Size, Workload } from '../harness/workload.ts'

/** Messages in the database, by the side's name. */
const MESSAGES: Record<string, number> = { '10k': 10_000, '100k': 100_000, '1M': 1_000_000, '10M': 10_000_000 }
const IN_A_CONVERSATION = 100
const PARTICIPANTS = 5
/** Of a user. */
const CONVERSATIONS = 50
/** Who ask; spread over all that there are. */
const ASKING = 200

const FIGURES = ['', 'page, ms', 'send, ms']
const keyOf = (side: string, figure: string) => (figure === '' ? side : `${side}.${figure}`)

export const growth: Workload = {
  name: 'w10',
  title: 'The same work in a growing database',
  measures:
    'How long an answer over HTTP takes, one at a time, half of them longer and half shorter: the list of 50 conversations, the newest 50 messages of a conversation, and a send. The database holds 10,000 to 10 million messages, 100 in each conversation of 5, and each user is in 50; users and conversations are picked at random. Each user has asked for nothing (mutation { __typename }) right before, so that who asks is known, however many they are.',
  unit: 'list, ms',
  sides: Object.keys(MESSAGES).map((name) => ({ name, role: 'parley' })),
  target: {
    text: '10 million at most 1.2 times 10,000',
    reached(medians) {
      const ratios = FIGURES.map((figure) => medians.get(keyOf('10M', figure))! / medians.get(keyOf('10k', figure))!)
      return ratios.some(Number.isNaN) ? null : ratios.every((ratio) => ratio <= 1.2)
    },
    ratios: ['100k', '1M', '10M'].flatMap((side) =>
      FIGURES.map((figure) => ({
        text: `${figure.split(',')[0] || 'list'}, ${side} to 10k`,
        of: keyOf(side, figure),
        to: keyOf('10k', figure),
      })),
    ),
  },
  rounds: { quick: 1, normal: 3 },
  quickSides: ['10k'],
  run,
}

async function run(side: string, size: Size, bench: Bench): Promise<Sample> {
  const messages = MESSAGES[side]!
  if (messages > 1_000_000 && size !== 'full') {
    bench.note('10 million messages are measured by --full alone.')
    return { value: Number.NaN }
  }
  const count = messages / IN_A_CONVERSATION
  const users = (count * PARTICIPANTS) / CONVERSATIONS
  const databaseUrl = await bench.database(`chat_${messages}`, (url) =>
    fill(url, { users, conversations: [{ count, participants: PARTICIPANTS, messages: IN_A_CONVERSATION }] }),
  )
  const server = await startServer(bench, 'parley', databaseUrl)
  const asking = Math.min(users, ASKING)
  const numbers = Array.from({ length: asking }, (_, index) => Math.floor((index * users) / asking))
  const clients = await openClients(server, 'http', numbers)
  const people = numbers.map((number, index) => ({ client: clients[index]!, places: placesOf(number, users) }))

  const medians: number[] = []
  for (const ask of [askList, askPage, send]) {
    await timesOf(people, ask, size === 'quick' ? 30 : 3_000)
    medians.push(median(await timesOf(people, ask, size === 'quick' ? 100 : 2_000)))
  }
  for (const client of clients) client.close()
  const [list, page, sent] = medians as [number, number, number]
  return { value: list, more: { 'page, ms': page, 'send, ms': sent } }
}

/** Milliseconds of so many answers, each to somebody who has asked for something else before, as apps do. */
async function timesOf(people: Person[], ask: (person: Person) => Promise<void>, count: number): Promise<number[]> {
  const times: number[] = []
  while (times.length < count) {
    const person = oneOf(people)
    await person.client.request(NOTHING)
    const asked = performance.now()
    await ask(person)
    times.push(performance.now() - asked)
  }
  return times
}

interface Person {
  client: GraphQLClient
  /** Global ids of conversations. */
  places: string[]
}

/** Where `fill` put a user: the place p of conversation c is that of user (c * PARTICIPANTS + p) % users. */
function placesOf(number: number, users: number): string[] {
  return Array.from({ length: CONVERSATIONS }, (_, turn) =>
    conversationId('parley', Math.floor((turn * users + number) / PARTICIPANTS)),
  )
}

async function askList({ client }: Person) {
  requireSorted(await client.request<ListData>(LIST), CONVERSATIONS)
}

async function askPage({ client, places }: Person) {
  requireContiguous(await client.request<PageData>(PAGE, { id: oneOf(places) }))
}

async function send({ client, places }: Person) {
  const seq = await sendMessage(client, oneOf(places))
  if (seq <= IN_A_CONVERSATION) throw new Error(`Sent as ${seq}, which was there before.`)
}
