import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { signToken } from '../clients/token.ts'
import type { Size, Workload } from '../harness/workload.ts'
import { bodyOf, nowUs, roomId, SECRET, userName } from '../sides/room.ts'
import { type FanOut, goLive, quiet, startFanOut } from './fan-out.ts'

const NODES = 2
const ROOMS = 10
const ROOM_SIZE = 5
/** Between two messages of a room. */
const EVERY_MS = 50
/** Seconds of sending before the connections are killed, until Redis is, while it is away, and after it is back. */
const PHASES = {
  quick: { before: 0.3, between: 0.7, away: 0.3, after: 1 },
  normal: { before: 3, between: 3, away: 3, after: 6 },
  full: { before: 10, between: 10, away: 10, after: 10 },
}
/** Without a delivery, after which no more are waited for: longer than the time after which Parley compares. */
const QUIET_MS = { quick: 1_500, normal: 6_000, full: 6_000 }

export const outage: Workload = {
  name: 'w11',
  title: 'Redis lost under load',
  measures:
    'Deliveries that never came, of 200 messages a second in ten conversations with five subscribers each on two nodes, when first the connections that subscribe to Redis are killed, and then Redis itself, to be started again 3 s later. Parley is sent real messages over HTTP; the peer, graphql-ws with graphql-redis-subscriptions, publishes its own. Recovery is from the start of Redis until the last socket has got one of the messages sent since.',
  unit: 'deliveries lost',
  sides: [
    { name: 'parley', role: 'parley' },
    { name: 'Apollo', role: 'peer' },
  ],
  target: {
    text: 'none lost',
    reached: (medians) => medians.get('parley') === 0,
    ratios: [],
  },
  quickSides: ['parley'],
  rounds: { quick: 1, normal: 3 },
  async run(side, size, bench) {
    const plan = { sockets: ROOMS * ROOM_SIZE, users: ROOMS * ROOM_SIZE, rooms: ROOMS }
    const redis = await bench.redis()
    // Its database is its own, as what is sent is stored.
    const fanOut = await startFanOut(bench, side, { plan, nodes: NODES, lossy: true, ownDatabase: true })
    if (side === 'parley') await fanOut.clients.call('open', { urls: fanOut.urls, atOnce: plan.sockets })
    else await goLive(fanOut, plan)
    await fanOut.subscribed()

    const total = await fanOut.clients.call<number>('total')
    const { before, between, away, after } = PHASES[size]
    const sending = side === 'parley' ? sendFor(fanOut, size) : publishFor(fanOut, size)
    await setTimeout(before * 1_000)
    await killSubscribers(redis.url)
    await setTimeout(between * 1_000)
    await redis.kill9()
    await setTimeout(away * 1_000)
    await redis.restart()
    await fanOut.clients.call('mark', { atUs: nowUs() })
    await setTimeout(after * 1_000)
    const sent = await sending
    await quiet(fanOut.clients, total, QUIET_MS[size])
    const got = (await fanOut.clients.call<number>('total')) - total
    // Those that came were right, and in order.
    await fanOut.clients.call('check')
    const recoveryMs = await fanOut.clients.call<number>('recoveryMs')
    return { value: sent * ROOM_SIZE - got, more: { 'recovery ms': recoveryMs, deliveries: got } }
  },
}

function secondsOf(size: Size): number {
  const { before, between, away, after } = PHASES[size]
  return before + between + away + after
}

/** Breaks off each connection that has subscribed; Redis itself stays. */
async function killSubscribers(url: string): Promise<void> {
  const redis = new Redis(url)
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  redis.disconnect()
}

/** The peers' messages; how many. */
async function publishFor(fanOut: FanOut, size: Size): Promise<number> {
  const everyMs = EVERY_MS / (ROOMS / NODES)
  const ticks = (secondsOf(size) * 1_000) / everyMs
  await fanOut.publish({ ticks, perTick: 1, everyMs })
  return ticks * NODES
}

const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { seq } } }'

/** Real ones, each after the one before it in its conversation was acknowledged; how many. */
async function sendFor({ urls }: FanOut, size: Size): Promise<number> {
  const until = performance.now() + secondsOf(size) * 1_000
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${signToken(SECRET, userName(0))}`,
  }
  async function sendTo(room: number): Promise<number> {
    let seq = 0
    for (let next = performance.now(); next < until; next += EVERY_MS) {
      await setTimeout(Math.max(0, next - performance.now()))
      const input = { conversationId: roomId(room), body: bodyOf(++seq) }
      const response = await fetch(urls[room % NODES]!, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query: SEND, variables: { input } }),
      })
      const { data, errors } = (await response.json()) as {
        data?: { sendMessage: { message: { seq: number } } }
        errors?: []
      }
      const stored = data?.sendMessage?.message.seq
      if (stored !== seq) throw new Error(`message ${seq} was not stored: ${JSON.stringify(errors ?? stored)}`)
    }
    return seq
  }
  const sent = await Promise.all(Array.from({ length: ROOMS }, (_, room) => sendTo(room)))
  return sent.reduce((one, other) => one + other, 0)
}
