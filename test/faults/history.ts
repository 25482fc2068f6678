// What the clients did and what they were told, in one order: the harness is a single process, so a place in this order
// is a time, and what ended before something else began came before it.

/** ok: acknowledged. failed: refused for good, so nothing was stored. unknown: a time-out or a broken connection. */
export type Outcome = 'ok' | 'failed' | 'unknown'

/** One attempt at a send. */
export interface Call {
  node: string
  calledAt: number
  /** Null while it is under way. */
  endedAt: number | null
  outcome: Outcome
  /** Of the error. */
  code?: string
  /** Of the message, where it was acknowledged. */
  stored?: { id: string; seq: number; version: number }
  /** From the call to its end. */
  milliseconds?: number
}

/** A message that a client wants sent: all its calls carry the same idempotencyKey. */
export interface Send {
  conversation: string
  /** externalId */
  sender: string
  key: string
  body: string
  calls: Call[]
}

/** A message as a client gets it, by whatever way. */
export interface Message {
  conversation: string
  id: string
  seq: number
  version: number
  body: string | null
  key: string | null
  sender: string | null
}

export interface Arrival {
  at: number
  /** Index in the subscriber's connections. */
  connection: number
  message: Message
}

/** How a subscription came to its end: access ended, or it was refused. Null while it goes on. */
export type End = 'completed' | 'refused' | null

/** What one subscription got over all its connections, in the order in which it came. */
export interface Received {
  name: string
  /** externalId */
  user: string
  /** The conversation, or null for the whole inbox. */
  scope: string | null
  connections: { node: string; after: string | null; at: number }[]
  arrivals: Arrival[]
  end(): End
  /** Messages up to here had been sent before it began, by conversation; it need not have them. */
  from: Record<string, number>
}

/** What the clients read by query once it was quiet, by user and conversation. */
export interface Read {
  user: string
  conversation: string
  messages: Message[]
}

export interface History {
  sends: Send[]
  subscribers: Received[]
  reads: Read[]
  /** The next place in the order. */
  now(): number
}

export function createHistory(): History {
  let now = 0
  return { sends: [], subscribers: [], reads: [], now: () => now++ }
}

export function isAcknowledged({ calls }: Send): boolean {
  return calls.some(({ outcome }) => outcome === 'ok')
}

/** Refused each time, so that it can't have been stored. */
export function isRefused({ calls }: Send): boolean {
  return calls.length > 0 && calls.every(({ outcome }) => outcome === 'failed')
}
