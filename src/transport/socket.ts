import type { WebSocket } from 'ws'

// How a WebSocket is written to and closed, whatever it is spoken on it.

/** Close codes beside those of the protocol (IANA's registry). Clients come back after the first two. */
export const SERVICE_RESTART = 1012
export const TRY_AGAIN_LATER = 1013
export const POLICY_VIOLATION = 1008

/**
 * What may wait for a slow reader, beside the events that subscriptions hold back. Room for two answers with a hundred
 * messages of the greatest length, so that nobody who reads is closed for asking.
 */
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** Resolves once the data is handed to the operating system, so that a slow client's events wait in a bounded queue. */
export function send(socket: WebSocket, data: string): Promise<void> {
  return new Promise((resolve) => {
    if (socket.bufferedAmount > MAX_WAITING_BYTES) closeSlow(socket)
    if (socket.readyState !== socket.OPEN) return resolve()
    // A failure closes the socket, which ends its subscriptions.
    socket.send(data, () => resolve())
  })
}

export function closeSlow(socket: WebSocket) {
  close(socket, TRY_AGAIN_LATER, 'Read too slowly: subscribe again')
}

/** Reasons may quote what a client sent; the protocol has room for 123 bytes. */
export function close(socket: WebSocket, code?: number, reason = '') {
  socket.close(code, Buffer.byteLength(reason) > 123 ? '' : reason)
}
