import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { frameBytes, type NextMessage, type Outgoing, payloadBytes, writeFrame } from './frames.ts'

// How a WebSocket is written to and closed, whatever it is spoken on it. What is sent within one turn of the event loop
// goes to the operating system in one write: that call is the largest part of what a delivery costs.

/** Close codes beside those of the protocol (IANA's registry). Clients come back after the first two. */
export const SERVICE_RESTART = 1012
export const TRY_AGAIN_LATER = 1013
export const POLICY_VIOLATION = 1008

/** Above it a socket takes no events, which wait in the bounded queues of their subscriptions. */
const FULL_BYTES = 256 * 1024
/**
 * What may wait beside events. Room for two answers with a hundred messages of the greatest length, so that nobody who
 * reads is closed for asking.
 */
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** One socket's way out; all that is sent on it goes through here, in order. */
export interface Outlet {
  /** Sends a message as text; closes the socket where too much waits for its reader. */
  send(text: string): void
  /** Sends an event of the operation that the head is of. */
  sendNext(head: string, headBytes: number, next: NextMessage): void
  /** Whether events should wait. */
  isFull(): boolean
  /** Calls back, once, when it is no longer full. */
  onceDrained(callback: () => void): void
  /** Says goodbye after what is still to be sent. */
  close(code?: number, reason?: string): void
  /** The same for one that reads too slowly. */
  closeSlow(): void
}

/** @param stream The connection under the socket, which nobody else writes to but the library with its control frames. */
export function createOutlet(socket: WebSocket, stream: Duplex): Outlet {
  let pending: Outgoing[] = []
  let pendingBytes = 0
  let onDrain: (() => void)[] = []
  let isDraining = false

  const waitingBytes = () => pendingBytes + stream.writableLength

  function add(message: Outgoing) {
    if (socket.readyState !== socket.OPEN) return
    if (pending.length === 0) flushSoon(flush)
    pending.push(message)
    pendingBytes += frameBytes(payloadBytes(message))
  }

  function flush() {
    if (pending.length === 0) return
    const messages = pending
    const bytes = Buffer.allocUnsafe(pendingBytes)
    pending = []
    pendingBytes = 0
    if (socket.readyState !== socket.OPEN) return
    let end = 0
    for (const message of messages) end = writeFrame(bytes, end, message)
    stream.write(bytes)
    if (onDrain.length > 0) wakeWhenDrained()
  }

  function wakeWhenDrained() {
    if (isDraining) return
    // Nothing is sent any more: the subscriptions end with the socket.
    if (stream.destroyed || socket.readyState !== socket.OPEN) onDrain = []
    if (stream.writableNeedDrain) {
      isDraining = true
      stream.once('drain', () => {
        isDraining = false
        wakeWhenDrained()
      })
      return
    }
    const callbacks = onDrain
    onDrain = []
    for (const callback of callbacks) callback()
  }

  function close(code?: number, reason = '') {
    flush()
    // Reasons may quote what a client sent; the protocol has room for 123 bytes.
    socket.close(code, Buffer.byteLength(reason) > 123 ? '' : reason)
  }

  const closeSlow = () => close(TRY_AGAIN_LATER, 'Read too slowly: subscribe again')

  return {
    send(text) {
      if (waitingBytes() > MAX_WAITING_BYTES) return closeSlow()
      add({ head: text, headBytes: Buffer.byteLength(text), tail: null })
    },
    sendNext: (head, headBytes, { tail }) => add({ head, headBytes, tail }),
    isFull: () => waitingBytes() > FULL_BYTES,
    onceDrained(callback) {
      onDrain.push(callback)
      if (pending.length === 0) wakeWhenDrained()
    },
    close,
    closeSlow,
  }
}

/** What is to be written at the end of this turn of the event loop, of all sockets: one timer for them all. */
let flushes: (() => void)[] = []

function flushSoon(flush: () => void) {
  if (flushes.push(flush) === 1) setImmediate(flushAll)
}

function flushAll() {
  const due = flushes
  flushes = []
  for (const flush of due) flush()
}
