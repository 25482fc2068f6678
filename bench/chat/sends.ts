import { type Done, type Load, load, oneOf, sendMessage } from '../clients/chat.ts'
import type { GraphQLClient } from '../clients/graphql-socket.ts'
import type { Bench, Sample, Size } from '../harness/workload.ts'
import { execute } from './database.ts'
import { fill } from './fill.ts'
import { conversationId, firstNumbers, openClients, startServer, withCpu } from './side.ts'

// What W4 and W5 have in common: eight users, each on a socket, send into conversations that all of them are in. What
// came of it is held against the tables.

export const CONVERSATIONS = 1_000
const USERS = 8

/** The database of the sends, the same for all sides. */
export function sendDatabase(bench: Bench): Promise<string> {
  const conversations = [{ count: CONVERSATIONS, participants: USERS, messages: 0 }]
  return bench.database('chat_sends', (url) => fill(url, { users: USERS, conversations }))
}

export const durations = (size: Size) =>
  size === 'quick' ? { warmUp: { ms: 200 }, measured: 300 } : { warmUp: { ms: 1_500, least: 1_000 }, measured: 3_000 }

/** Each user's conversations: those of its number, so that a conversation has one sender; or one for all. */
export type Aim = 'spread' | 'hot'

/** Sends with each of these numbers in flight, the last one being the main figure. */
export async function measureSends(
  bench: Bench,
  side: string,
  size: Size,
  aim: Aim,
  inFlights: number[],
): Promise<Sample> {
  const databaseUrl = await sendDatabase(bench)
  const server = await startServer(bench, side, databaseUrl)
  const users = await openClients(server, 'websocket', firstNumbers(USERS))
  const { warmUp, measured } = durations(size)
  const places = aimedAt(side, aim)
  const main = inFlights.at(-1)!
  await send(databaseUrl, users, places, { ...warmUp, inFlight: main })

  const more: Record<string, number> = {}
  let value = Number.NaN
  for (const inFlight of inFlights) {
    const work = () => send(databaseUrl, users, places, { ms: measured, inFlight })
    const { result, cpuUs } = await withCpu(server, work)
    const perSecond = (result.count * 1_000) / result.elapsedMs
    const label = inFlights.length > 1 ? `, ${inFlight} in flight` : ''
    if (inFlight === main) value = perSecond
    else more[`msg/s${label}`] = perSecond
    more[`server CPU µs each${label}`] = cpuUs / result.count
    more[`p50 ms${label}`] = result.p50Ms
    more[`p99 ms${label}`] = result.p99Ms
  }
  for (const user of users) user.close()
  return { value, more }
}

/** By user, where to: each time to a random one of them. */
function aimedAt(side: string, aim: Aim): string[][] {
  const all = Array.from({ length: CONVERSATIONS }, (_, number) => conversationId(side, number))
  return Array.from({ length: USERS }, (_, user) =>
    aim === 'hot' ? [all[0]!] : all.filter((_, number) => number % USERS === user),
  )
}

/** Sends, and checks that each acknowledged message is there, under the seq that it was given, and no other. */
async function send(databaseUrl: string, users: GraphQLClient[], places: string[][], how: Load): Promise<Done> {
  const before = await state(databaseUrl)
  let seqSum = 0
  const done = await load(users, how, async (user, number) => {
    const seq = await sendMessage(user, oneOf(places[number]!))
    seqSum += seq
  })
  const after = await state(databaseUrl)
  if (after.broken > 0) throw new Error(`${after.broken} conversations have gaps in their seqs.`)
  const stored = { count: after.messages - before.messages, seqSum: after.seqSum - before.seqSum }
  if (stored.count !== done.count || stored.seqSum !== seqSum) {
    throw new Error(`Acknowledged: ${done.count}, seqs ${seqSum}; stored: ${stored.count}, seqs ${stored.seqSum}.`)
  }
  return done
}

interface State {
  messages: number
  seqSum: number
  /** Conversations whose messages are not 1, 2, 3, … up to last_seq. */
  broken: number
}

async function state(databaseUrl: string): Promise<State> {
  const [row] = await execute<State>(
    databaseUrl,
    `SELECT coalesce(sum(stored), 0)::float8 AS messages, coalesce(sum(seq_sum), 0)::float8 AS "seqSum",
            (count(*) FILTER (WHERE last_seq <> stored OR last_seq <> last_stored OR first_stored > 1))::int AS broken
       FROM (SELECT c.last_seq, count(m.seq) AS stored, coalesce(sum(m.seq), 0) AS seq_sum,
                    coalesce(max(m.seq), 0) AS last_stored, coalesce(min(m.seq), 1) AS first_stored
               FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
              GROUP BY c.id) AS each`,
  )
  return row!
}
