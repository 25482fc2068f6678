import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { frameBytes, type Head, headOf, type NextMessage, writeFrame } from './frames.ts'

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
  sendNext(head: Head, next: NextMessage): void
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
  /** Messages to be written at the end of this turn: their beginnings, and what follows those. Kept, as arrays grow anew. */
  const heads: (Head | null)[] = []
  const rests: (NextMessage | null)[] = []
  let pending = 0
  let pendingBytes = 0
  /** What the operating system had not taken after the last write; 0 again once it has taken all. */
  let backlog = 0
  let onDrain: (() => void)[] = []

  stream.on('drain', () => {
    backlog = 0
    wake()
  })

  function add(head: Head, rest: NextMessage | null) {
    if (pending === 0) flushSoon(flush)
    heads[pending] = head
    rests[pending] = rest
    pending++
    pendingBytes += frameBytes(head.bytes + (rest?.length ?? 0))
  }

  function flush() {
    if (pending === 0) return
    const bytes = takeBuffer(pendingBytes)
    let end = 0
    for (let place = 0; place < pending; place++) {
      end = writeFrame(bytes, end, heads[place]!, rests[place]!)
      heads[place] = null
      rests[place] = null
    }
    pending = 0
    pendingBytes = 0
    if (socket.readyState !== socket.OPEN) return
    stream.write(bytes)
    backlog = stream.writableLength
    if (backlog > 0) keepBuffer()
    wake()
  }

  function wake() {
    if (onDrain.length === 0 || isFull()) return
    const callbacks = onDrain
    onDrain = []
    for (const callback of callbacks) callback()
  }

  const isFull = () => pendingBytes + backlog > FULL_BYTES

  function close(code?: number, reason = '') {
    flush()
    // Reasons may quote what a client sent; the protocol has room for 123 bytes.
    socket.close(code, Buffer.byteLength(reason) > 123 ? '' : reason)
  }

  const closeSlow = () => close(TRY_AGAIN_LATER, 'Read too slowly: subscribe again')

  return {
    send(text) {
      if (pendingBytes + stream.writableLength > MAX_WAITING_BYTES) return closeSlow()
      add(headOf(text), null)
    },
    sendNext: add,
    isFull,
    onceDrained: (callback) => void onDrain.push(callback),
    close,
    closeSlow,
  }
}

/** Frames are built here for one socket after the other, where it is warm in the processor's cache. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024)

function takeBuffer(bytes: number): Buffer {
  return bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes)
}

/** Leaves the buffer to a stream that has not handed all of it to the operating system yet. */
function keepBuffer() {
  scratch = Buffer.allocUnsafeSlow(scratch.length)
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
