import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { handleProtocols, makeServer } from 'graphql-ws'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import type { AppContext } from '../../context.ts'
import type { Drain } from '../drain.ts'
import { MAX_REQUEST_BYTES } from '../guard/guard.ts'
import { GRAPHQL_PATH } from '../http/http.ts'
import { clientAddress, isAllowedOrigin } from '../origins.ts'
import { createPings } from './pings.ts'
import { type ProtocolDeps, protocolOptions } from './protocol.ts'
import { Session } from './session.ts'
import { Outlet } from './socket.ts'

const MAX_FRAGMENTS = 64
/** From the server's close frame to the end of the connection, whatever the client does. */
const CLOSE_TIMEOUT_MS = 5_000

export interface SocketServer {
  /** Breaks off all sockets that there still are. */
  terminate(): void
}

/** Knows its session, so that the listeners of all sockets are the same functions. */
class SessionSocket extends WebSocket {
  session!: Session
  /** Tells graphql-ws of the end. */
  closed!: (code: number, reason: string) => Promise<void>
}

/**
 * Serves graphql-transport-ws on the HTTP server, under the same guard as HTTP. In the drain no sockets are taken, and
 * each that there is is closed at its moment, once what it asked before has been answered.
 */
export function attachWebSockets(server: Server, deps: ProtocolDeps & { app: AppContext; drain: Drain }): SocketServer {
  const { app, drain } = deps
  // Not written as the argument itself: the types don't know closeTimeout yet.
  const options = {
    noServer: true,
    maxPayload: MAX_REQUEST_BYTES,
    maxFragments: MAX_FRAGMENTS,
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols,
    WebSocket: SessionSocket,
  }
  const sockets = new WebSocketServer(options)
  const protocol = makeServer(protocolOptions(deps))
  const sessionDeps = { ...deps, pings: createPings() }
  const unauthenticated = countByAddress(app.config.maxUnauthenticatedSockets)

  server.on('upgrade', (request, stream, head) => {
    stream.on('error', () => stream.destroy())
    const refusal = refuseUpgrade(request)
    if (refusal) return endUpgrade(stream, refusal)
    const address = clientAddress(app.config, request)
    if (!unauthenticated.add(address)) return endUpgrade(stream, '429 Too Many Requests')
    const uncount = () => {
      stream.off('close', uncount)
      unauthenticated.remove(address)
    }
    stream.on('close', uncount)
    sockets.handleUpgrade(request, stream, head, (socket) => open(socket, stream, uncount))
  })

  function refuseUpgrade(request: IncomingMessage): string | null {
    if (drain.isUnderWay()) return '503 Service Unavailable'
    if (request.url?.split('?', 1)[0] !== GRAPHQL_PATH) return '404 Not Found'
    if (!isAllowedOrigin(app.config, request.headers.origin, request.headers.host)) return '403 Forbidden'
    return null
  }

  function open(socket: SessionSocket, stream: Duplex, uncount: () => void) {
    socket.session = new Session(sessionDeps, socket, new Outlet(socket, stream), uncount)
    socket.closed = protocol.opened(socket.session, socket.session)
    socket.on('message', onMessage)
    socket.on('error', onError)
    socket.on('close', onClose)
  }

  // The types say no more of `this` than that it is a WebSocket.
  function onMessage(this: WebSocket, data: RawData) {
    const { session } = this as SessionSocket
    session.take(data)
  }

  /** ws closes by itself with the code that fits; the event only needs a listener. */
  function onError(err: Error) {
    app.log.debug({ err }, 'a WebSocket broke')
  }

  async function onClose(this: WebSocket, code: number, reason: Buffer) {
    const { session, closed } = this as SessionSocket
    try {
      await Promise.all([session.end(), closed(code, String(reason))])
    } catch (err) {
      app.log.error({ err }, 'the subscriptions of a WebSocket could not be ended')
    }
  }

  return {
    terminate() {
      for (const socket of sockets.clients) socket.terminate()
    },
  }
}

/** How many each address has, up to a limit. */
function countByAddress(limit: number) {
  const counts = new Map<string, number>()
  return {
    /** False where it would go over the limit. */
    add(address: string): boolean {
      const count = counts.get(address) ?? 0
      if (count >= limit) return false
      counts.set(address, count + 1)
      return true
    },
    remove(address: string) {
      const count = counts.get(address) ?? 0
      if (count > 1) counts.set(address, count - 1)
      else counts.delete(address)
    },
  }
}

function endUpgrade(stream: Duplex, status: string) {
  // Without waiting for the client to end its side too.
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
