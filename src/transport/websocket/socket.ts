import type { Duplex } from 'node:stream'
import { WebSocket } from 'ws'
import { type Writer, writeSoon } from '../../lib/end-of-turn.ts'
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

/**
 * One socket's way out; all that is sent on it goes through here, in order. A class, so that each of thousands is one
 * object and no closures.
 */
export class Outlet implements Writer {
  private readonly socket: WebSocket
  private readonly stream: Duplex
  /** The message to be written at the end of this turn: its beginning, and what follows that. */
  private head: Head | null = null
  private rest: NextMessage | null = null
  /** Those after it. */
  private more: { head: Head; rest: NextMessage | null }[] | null = null
  private pendingBytes = 0
  /** What the operating system had not taken after the last write; 0 again once it has taken all. */
  private backlog = 0
  private onDrain: (() => void)[] | null = null

  /** @param stream The connection under the socket, which nobody else writes to but the library with its control frames. */
  constructor(socket: WebSocket, stream: Duplex) {
    this.socket = socket
    this.stream = stream
    stream.on('drain', () => {
      this.backlog = 0
      this.wake()
    })
  }

  /** Sends a message as text; closes the socket where too much waits for its reader. */
  send(text: string) {
    if (this.pendingBytes + this.stream.writableLength > MAX_WAITING_BYTES) return this.closeSlow()
    this.sendNext(headOf(text), null)
  }

  /** Sends an event of the operation that the head is of. */
  sendNext(head: Head, rest: NextMessage | null) {
    if (this.head === null) {
      writeSoon(this)
      this.head = head
      this.rest = rest
    } else {
      this.more ??= []
      this.more.push({ head, rest })
    }
    this.pendingBytes += frameBytes(head.bytes + (rest === null ? 0 : rest.length))
  }

  /** Whether events should wait. */
  isFull() {
    return this.pendingBytes + this.backlog > FULL_BYTES
  }

  /** Calls back, once, when it is no longer full. */
  onceDrained(callback: () => void) {
    this.onDrain ??= []
    this.onDrain.push(callback)
  }

  /** Says goodbye after what is still to be sent. */
  close(code?: number, reason = '') {
    this.write()
    // Reasons may quote what a client sent; the protocol has room for 123 bytes.
    this.socket.close(code, Buffer.byteLength(reason) > 123 ? '' : reason)
  }

  /** The same for one that reads too slowly. */
  closeSlow() {
    this.close(TRY_AGAIN_LATER, 'Read too slowly: subscribe again')
  }

  /** Writes what is to be sent. */
  write() {
    if (this.head === null) return
    const bytes = takeBuffer(this.pendingBytes)
    let end = writeFrame(bytes, 0, this.head, this.rest)
    if (this.more) for (const { head, rest } of this.more) end = writeFrame(bytes, end, head, rest)
    this.head = null
    this.rest = null
    this.more = null
    this.pendingBytes = 0
    if (this.socket.readyState !== OPEN) return
    this.stream.write(bytes)
    this.backlog = this.stream.writableLength
    if (this.backlog > 0) keepBuffer()
    if (this.onDrain) this.wake()
  }

  private wake() {
    if (this.onDrain === null || this.isFull()) return
    const callbacks = this.onDrain
    this.onDrain = null
    for (const callback of callbacks) callback()
  }
}

const { OPEN } = WebSocket

/** Frames are built here for one socket after the other, where it is warm in the processor's cache. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024)

function takeBuffer(bytes: number): Buffer {
  return bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes)
}

/** Leaves the buffer to a stream that has not handed all of it to the operating system yet. */
function keepBuffer() {
  scratch = Buffer.allocUnsafeSlow(scratch.length)
}
