import { setImmediate, setTimeout } from 'node:timers/promises'
import { answerBench, type Handler } from '../harness/protocol.ts'

/** What is to be published, within the server's own process. */
export interface Publishing {
  ticks: number
  /** Messages in one turn of the event loop, each to the next room. */
  perTick: number
  rooms: number
  /** Of the rooms, only each `step`th from `first` on, where several nodes publish. */
  first?: number
  step?: number
  /** From the beginning of a tick to that of the next; left out: the next turn of the event loop. */
  everyMs?: number
}

/** Publishes a message with this seq in this room. */
export type Publish = (room: number, seq: number) => void

/** What the side of a fan-out answers; it counts the subscriptions that began. */
export interface FanOutSide {
  publish: Publish
  /** Subscriptions that have begun, so far. */
  subscribed(): number
}

/** Answers the bench's commands of the fan-out workloads, and any further ones. */
export function answerFanOut(url: string, side: FanOutSide, more: Record<string, Handler> = {}): void {
  const seqs = new Map<number, number>()
  let turn = 0

  async function publish({ ticks, perTick, rooms, first = 0, step = 1, everyMs }: Publishing): Promise<void> {
    const ownRooms = Math.ceil((rooms - first) / step)
    const began = performance.now()
    for (let tick = 0; tick < ticks; tick++) {
      for (let i = 0; i < perTick; i++) {
        const room = first + (turn++ % ownRooms) * step
        const seq = (seqs.get(room) ?? 0) + 1
        seqs.set(room, seq)
        side.publish(room, seq)
      }
      if (everyMs === undefined) await setImmediate()
      else await setTimeout(Math.max(0, began + (tick + 1) * everyMs - performance.now()))
    }
  }

  answerBench(url, { publish, subscribed: () => side.subscribed(), ...more })
}

/** Arguments that every side of a fan-out takes. */
export interface FanOutArgs {
  /** Of a message's body, at least. */
  bodyBytes: number
  /** Where it talks to other nodes; left out: alone, in memory. */
  redisUrl?: string
  /** For those that have a database. */
  databaseUrl?: string
}
