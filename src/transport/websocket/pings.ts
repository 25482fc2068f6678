import type { WebSocket } from 'ws'

// Pings find dead connections. One timer for all sockets, as one of its own with its closure takes some 250 bytes
// of each; and not all sockets at once, as thousands of pings and answers would hold up everything else: each belongs to the
// slice of the time when it came, and is pinged when that comes round again.

/** Between the pings to a socket; one unanswered ends it. */
const PING_MS = 12_000
const SLICES = 48

export interface Pings {
  /** Pings a socket from now on. */
  add(socket: WebSocket): void
  /** Once for each that was added. */
  remove(socket: WebSocket): void
}

export function createPings(): Pings {
  const slices = Array.from({ length: SLICES }, () => new Set<WebSocket>())
  const unanswered = new Set<WebSocket>()
  let turn = 0
  let count = 0
  let timer: NodeJS.Timeout | undefined

  function tick() {
    turn = (turn + 1) % SLICES
    for (const socket of slices[turn]!) {
      if (unanswered.has(socket)) socket.terminate()
      else {
        unanswered.add(socket)
        socket.ping()
      }
    }
  }

  function answered(this: WebSocket) {
    unanswered.delete(this)
  }

  return {
    add(socket) {
      slices[turn]!.add(socket)
      if (++count === 1) timer = setInterval(tick, PING_MS / SLICES)
      socket.on('pong', answered)
    },
    remove(socket) {
      unanswered.delete(socket)
      for (const slice of slices) slice.delete(socket)
      if (--count === 0) clearInterval(timer)
    },
  }
}
