import { encodeId } from '../../src/lib/ids.ts'
import { createHttpClients } from '../clients/graphql-http.ts'
import { type GraphQLClient, openGraphQLSocket } from '../clients/graphql-socket.ts'
import type { BenchProcess } from '../harness/process.ts'
import type { Bench, Side } from '../harness/workload.ts'
import { conversationOf, userOf } from './fill.ts'
import { tokenOf } from './tokens.ts'

// The sides of the workloads with a database: one server each, all on the same tables.

const FILES: Record<string, string> = {
  parley: 'sides/chat-parley.ts',
  Mercurius: 'sides/chat-mercurius.ts',
  Apollo: 'sides/chat-apollo.ts',
  Yoga: 'sides/chat-yoga.ts',
}

export const PEERS = ['Mercurius', 'Apollo', 'Yoga']

export const CHAT_SIDES: Side[] = Object.keys(FILES).map((name) => ({
  name,
  role: name === 'parley' ? 'parley' : 'peer',
}))

/** Starts a side's server; `side` is what CHAT_SIDES calls it. */
export function startServer(bench: Bench, side: string, databaseUrl: string): Promise<BenchProcess> {
  return bench.start(FILES[side]!, { args: { databaseUrl } })
}

/** Clients of the users of these numbers, each with its socket where there are any. Whoever opens them closes them. */
export async function openClients(
  server: BenchProcess,
  transport: 'websocket' | 'http',
  numbers: readonly number[],
): Promise<GraphQLClient[]> {
  // Parley says localhost.
  const url = server.url.replace('localhost', '127.0.0.1')
  const tokens = await Promise.all(numbers.map((number) => tokenOf(userOf(number))))
  if (transport === 'http') return createHttpClients(url, tokens)
  return Promise.all(tokens.map((token) => openGraphQLSocket(url, token)))
}

/** 0, 1, 2, … */
export function firstNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

/** A conversation's id as this side's clients know it. */
export function conversationId(side: string, number: number): string {
  const id = conversationOf(number)
  return side === 'parley' ? encodeId('Conversation', id) : id
}

/** What the work comes to, and the server's microseconds of CPU meanwhile. */
export async function withCpu<Result>(server: BenchProcess, work: () => Promise<Result>) {
  const before = await server.cpu()
  const result = await work()
  const after = await server.cpu()
  return { result, cpuUs: after.userUs + after.systemUs - before.userUs - before.systemUs }
}
