import type { Logger } from '../lib/log.ts'
import type { BusEvent, EventOf, Topic } from './topics.ts'

export interface Listener<E> {
  /** Asked before the payload is parsed, so that an event of no interest here costs no JSON.parse. */
  wants(key: string): boolean
  /** Gets a copy of its own. What it throws is logged and hurts nobody else. */
  receive(event: E): void
}

/**
 * Carries events between nodes: at most once, in order for each topic and publisher, and never from within publish().
 */
export interface Bus {
  /**
   * Fire and forget: returns at once, never throws or rejects, never waits. While the bus is away or overfull the event
   * is dropped and counted: the database is the truth.
   */
  publish<T extends Topic>(topic: T, event: EventOf<T>): void

  /**
   * One call per topic and listener. Resolves once events published from then on will be received; if the bus is away,
   * after at most 1 s (it takes effect when the bus is back, and onReconnect tells). Never rejects for an outage.
   * The function that it gives back ends it; calling that again does nothing.
   */
  subscribe<T extends Topic>(topic: T, listener: Listener<EventOf<T>>): Promise<() => Promise<void>>

  /**
   * After every return from being away, the first connection included: what was published meanwhile is lost, so
   * listeners should compare with the database. All subscriptions are in effect again by then. Returns an unsubscriber.
   */
  onReconnect(callback: () => void): () => void

  /** Whether events flow, both ways, as far as is known. */
  isUp(): boolean

  /** How many events were dropped since the start. */
  dropped(): number

  /** Ends all; nothing is received from then on. Takes well under a second, whatever state the bus is in. */
  close(): Promise<void>
}

const MAX_EVENT_BYTES = 8 * 1024
const KEY_END = '\n'

/** The encoded event: its key, a line feed, its JSON. One too big for the bus goes without what makes it so. */
function encode(event: BusEvent): string {
  const payload = event.key + KEY_END + JSON.stringify(event)
  const bare = bareOf(event)
  return bare && Buffer.byteLength(payload) > MAX_EVENT_BYTES ? encode(bare) : payload
}

/** The event without what its receivers can read; null where it has nothing such. */
function bareOf(event: BusEvent): BusEvent | null {
  if ('message' in event && event.message) return { ...event, message: null }
  if ('participants' in event && event.participants) return { ...event, participants: null }
  return null
}

/** encode, for a publish that mustn't throw: undefined and a line in the log for what JSON can't say (a bug). */
export function tryEncode(event: BusEvent, log: Logger): string | undefined {
  try {
    return encode(event)
  } catch (err) {
    log.error({ err, type: event.type }, 'bus: an event could not be encoded')
    return undefined
  }
}

/** Hands an encoded event to a listener, if it wants it. Never throws. */
export function deliver(payload: Buffer, listener: Listener<BusEvent>, log: Logger): void {
  try {
    const keyEnd = payload.indexOf(KEY_END)
    if (!listener.wants(payload.toString('latin1', 0, keyEnd))) return
    listener.receive(JSON.parse(payload.toString('utf8', keyEnd + 1)))
  } catch (err) {
    log.error({ err }, 'bus: a listener failed')
  }
}
