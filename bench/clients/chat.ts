import { BODY } from '../chat/fill.ts'
import { SEND } from '../chat/operations.ts'
import { percentile } from '../harness/measure.ts'
import type { GraphQLClient } from './graphql-socket.ts'

// Users who ask one thing after the other, so many at a time. They live in the bench's own process, which has the
// clients' core. Each answer is looked at: one that is not as it must be ends the run with an error.

/** How long, and how many operations at a time. */
export interface Load {
  ms: number
  /** Goes on until there are so many, as warming up must; 0 if left out. */
  least?: number
  inFlight: number
}

/** What was done, in how long. */
export interface Done {
  count: number
  elapsedMs: number
  p50Ms: number
  p99Ms: number
}

/** Does `work` again and again, for the users in turn. */
export async function load<User>(
  users: readonly User[],
  { ms, least = 0, inFlight }: Load,
  work: (user: User, number: number) => Promise<void>,
): Promise<Done> {
  const latencies: number[] = []
  const began = performance.now()
  async function worker(number: number) {
    while (performance.now() - began < ms || latencies.length < least) {
      const asked = performance.now()
      await work(users[number]!, number)
      latencies.push(performance.now() - asked)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, index) => worker(index % users.length)))
  const elapsedMs = performance.now() - began
  return { count: latencies.length, elapsedMs, p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) }
}

interface SendData {
  sendMessage: { deduplicated: boolean; message: { seq: number; body: string; idempotencyKey: string } }
}

/** Tells the keys of this bench from those of others. */
const run = `${process.pid}-${Date.now()}`
let keys = 0

/** Sends a message under a key of its own; gives back the seq that it was given. */
export async function sendMessage(user: GraphQLClient, conversationId: string): Promise<number> {
  const idempotencyKey = `${run}-${keys++}`
  const { sendMessage } = await user.request<SendData>(SEND, { input: { conversationId, body: BODY, idempotencyKey } })
  const { deduplicated, message } = sendMessage
  if (deduplicated || message.body !== BODY || message.idempotencyKey !== idempotencyKey) {
    throw new Error(`Not the message that was sent: ${JSON.stringify(sendMessage)}`)
  }
  return message.seq
}

export function oneOf<Item>(items: readonly Item[]): Item {
  return items[Math.floor(Math.random() * items.length)]!
}
