import { load } from '../clients/chat.ts'
import type { GraphQLClient } from '../clients/graphql-socket.ts'
import type { BenchProcess } from '../harness/process.ts'
import type { Size } from '../harness/workload.ts'
import { withCpu } from './side.ts'

export interface Operation {
  query: string
  variables?: object
}

/** What a request costs. */
export interface Cost {
  /** Of the server. */
  cpuUs: number
  p50Ms: number
}

/** Asks the same again and again, each user one at a time. Each answer must be like the first one, which `check` looks at. */
export async function costOf<Data>(
  server: BenchProcess,
  users: readonly GraphQLClient[],
  size: Size,
  { query, variables }: Operation,
  check: (data: Data) => void,
): Promise<Cost> {
  const first = await users[0]!.request<Data>(query, variables)
  check(first)
  const expected = JSON.stringify(first)
  const ask = async (user: GraphQLClient) => {
    const answer = JSON.stringify(await user.request(query, variables))
    if (answer !== expected) throw new Error(`Not what was answered at first: ${answer}`)
  }
  const inFlight = users.length
  // Until V8 has compiled what is asked again and again, on all sides: that takes some thousand requests.
  const [warmUp, ms] = size === 'quick' ? [{ ms: 150 }, 150] : [{ ms: 5_000, least: 3_000 }, 1_500]
  await load(users, { ...warmUp, inFlight }, ask)
  const { result, cpuUs } = await withCpu(server, () => load(users, { ms, inFlight }, ask))
  return { cpuUs: cpuUs / result.count, p50Ms: result.p50Ms }
}
