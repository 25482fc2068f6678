import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { answerBench, benchArgs } from '../harness/protocol.ts'
import { type Plan, SECRET, userName } from '../sides/room.ts'
import { createChecker, type Received } from './checker.ts'
import { DIALECTS } from './dialects.ts'
import { type ClientSocket, openSocket } from './socket.ts'
import { createTimings } from './timings.ts'
import { signToken } from './token.ts'

// The subscribers of the fan-out workloads. One process holds all of them, and looks at every delivery.

export interface FanArgs extends Plan {
  dialect: string
  /** Messages may be missing, and sockets may end. */
  lossy: boolean
  /** Each so many sockets, one never reads. */
  stallEach?: number
}

/** What a batch of deliveries takes at the very most. */
const PATIENCE_MS = 30_000

const { sockets, users, rooms, lossy, dialect: dialectName, stallEach } = benchArgs<FanArgs>()
const dialect = DIALECTS[dialectName]!
const check = createChecker(dialect, lossy)
const tokens = Array.from({ length: users }, (_, user) => signToken(SECRET, userName(user)))
const subscribers: Received[] = []
let open: ClientSocket[] = []
let total = 0
/** Sockets that have got a message. */
let live = 0
let failure: Error | null = null
const timings = createTimings<Received>()
let waiting: { total: number; resolve(): void; reject(error: Error): void } | null = null

function fail(error: Error): void {
  failure ??= error
  waiting?.reject(failure)
}

function receive(number: number, payload: Buffer): void {
  const subscriber = subscribers[number]!
  try {
    const isFirst = subscriber.seq === 0
    const at = check(subscriber, payload)
    if (at === null) {
      otherThanEvent(number, payload.toString())
      return
    }
    if (isFirst) live++
    total++
    timings.add(subscriber, at)
    if (waiting && total >= waiting.total) waiting.resolve()
  } catch (error) {
    fail(error as Error)
  }
}

function otherThanEvent(number: number, text: string): void {
  const reply = dialect.reply(text)
  if (reply !== null) open[number]?.send(reply)
  else if (!lossy && /"type":"(error|complete)"/.test(text)) fail(new Error(`a subscription ended: ${text}`))
}

async function openOne(number: number, urls: string[]): Promise<void> {
  const room = number % rooms
  const subscriber: Received = { room, id: randomUUID(), seq: 0 }
  subscribers[number] = subscriber
  const socket = await openSocket({
    url: urls[Math.floor(number / rooms) % urls.length]!,
    dialect,
    token: tokens[number % users]!,
    room,
    id: subscriber.id,
    onMessage: (payload) => receive(number, payload),
    onEnd: (reason) => {
      if (!lossy && !isStalled(number)) fail(new Error(`socket ${number} ended: ${reason}`))
    },
  })
  open[number] = socket
}

/** As a client library does that tries again after a moment; how many tries it took. */
async function openInTheEnd(number: number, urls: string[], retries: boolean): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      await openOne(number, urls)
      return tries
    } catch (error) {
      if (!retries) throw error
      await delay(500 + Math.random() * 1_000)
    }
  }
}

const isStalled = (number: number) => stallEach !== undefined && number % stallEach === 0

answerBench('', {
  /** Opens all, so many at a time, and says how many tries that took; socket k at the node floor(k / rooms) % nodes. */
  async open({ urls, atOnce, retries = false }: { urls: string[]; atOnce: number; retries?: boolean }) {
    let next = 0
    let tries = 0
    async function openNext(): Promise<void> {
      while (next < sockets) {
        const needed = await openInTheEnd(next++, urls, retries)
        tries += needed
      }
    }
    await Promise.all(Array.from({ length: Math.min(atOnce, sockets) }, openNext))
    return tries
  },
  /** Breaks all off at once. */
  closeAll() {
    for (const socket of open) socket.destroy()
    open = []
    live = 0
  },
  stall() {
    for (const [number, socket] of open.entries()) if (isStalled(number)) socket.stall()
  },
  live: () => live,
  total: () => total,
  /** Resolves once so many were delivered; throws if one is wrong, or if that takes too long. */
  async until({ total: wanted }: { total: number }) {
    if (failure) throw failure
    if (total >= wanted) return
    const timer = setTimeout(() => fail(new Error(`${total} of ${wanted} deliveries came in time`)), PATIENCE_MS)
    try {
      await new Promise<void>((resolve, reject) => {
        waiting = { total: wanted, resolve, reject }
      })
    } finally {
      clearTimeout(timer)
      waiting = null
    }
  },
  /** The seqs that the readers of each room have got to; throws where two of a room differ, or something was wrong. */
  heads() {
    if (failure) throw failure
    const heads = new Map<number, number>()
    for (const [number, { room, seq }] of subscribers.entries()) {
      if (isStalled(number)) continue
      const head = heads.get(room) ?? seq
      if (head !== seq) throw new Error(`room ${room}: one got ${head}, another ${seq}`)
      heads.set(room, head)
    }
    return heads
  },
  /** Throws what was wrong, if something was. */
  check() {
    if (failure) throw failure
  },
  mark: ({ atUs }: { atUs: number }) => timings.mark(atUs),
  recoveryMs: () => timings.recoveryMs(sockets),
  latencies: () => timings.latencies(),
})
