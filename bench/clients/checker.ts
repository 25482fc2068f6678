import { faultOf, publishedAt } from '../sides/room.ts'
import type { Dialect } from './dialects.ts'

/** What a socket has got so far. */
export interface Received {
  room: number
  id: string
  /** The seq of the newest message; 0 before the first, which may be any. */
  seq: number
}

/** A message whose every field was looked at, so that the next socket's copy need only have the same bytes. */
interface Known {
  /** All before the id, and all after it, of an event that was looked at. */
  before: Buffer
  after: Buffer
  publishedAt: number
}

/** Events of a room that are kept for comparison: the sockets of a room are never far from each other. */
const KEPT = 256

/**
 * Looks at every delivery: that it is the message that follows on the socket's last one, with each field as it was sent.
 * Where it is lossy, it need only be a later one. Gives back when it was published, or null for what is no event; throws for what is wrong.
 */
export function createChecker(dialect: Dialect, lossy: boolean): (socket: Received, payload: Buffer) => number | null {
  const rooms = new Map<number, Map<number, Known>>()

  function lookAt(socket: Received, payload: Buffer): number | null {
    const message = dialect.messageOf(payload.toString(), socket.id)
    if (!message) return null
    // The first message that a socket gets may be any: its subscription began at some time.
    const mayBeAny = socket.seq === 0 || (lossy && message.seq > socket.seq)
    const seq = mayBeAny ? message.seq : socket.seq + 1
    const fault = faultOf(message, socket.room, seq)
    if (fault) throw new Error(`room ${socket.room}, seq ${seq}: ${fault}`)
    socket.seq = seq
    const at = publishedAt(message.body, seq)!
    keep(socket, payload, at)
    return at
  }

  function keep({ room, seq, id }: Received, payload: Buffer, at: number) {
    const known = rooms.get(room) ?? new Map<number, Known>()
    rooms.set(room, known)
    const idAt = dialect.hasIds ? payload.indexOf(id) : payload.length
    const before = Buffer.from(payload.subarray(0, idAt))
    const after = Buffer.from(payload.subarray(dialect.hasIds ? idAt + id.length : payload.length))
    known.set(seq, { before, after, publishedAt: at })
    known.delete(seq - KEPT)
  }

  return (socket, payload) => {
    const known = rooms.get(socket.room)?.get(socket.seq + 1)
    if (!known) return lookAt(socket, payload)
    const { before, after, publishedAt: at } = known
    const idEnd = payload.length - after.length
    const isSame =
      payload.compare(before, 0, before.length, 0, before.length) === 0 &&
      payload.compare(after, 0, after.length, idEnd) === 0 &&
      (dialect.hasIds ? payload.toString('latin1', before.length, idEnd) === socket.id : idEnd === before.length)
    if (!isSame) return lookAt(socket, payload)
    socket.seq++
    return at
  }
}
