import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { CloseCode, handleProtocols, makeServer } from 'graphql-ws'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'
import { endTyping } from '../../features/typing/service.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import type { Drain } from '../drain.ts'
import { MAX_REQUEST_BYTES } from '../guard/guard.ts'
import { GRAPHQL_PATH } from '../http/http.ts'
import { clientAddress, isAllowedOrigin } from '../origins.ts'
import { answerPing, type Extra, endStream, isServerMessage, protocolOptions, type WebSocketDeps } from './protocol.ts'
import { createOutlet, POLICY_VIOLATION, SERVICE_RESTART } from './socket.ts'

/** From the connection to its acknowledgement. */
const ACK_TIMEOUT_MS = 5_000
/** A client needs one message before it is acknowledged; some send a ping. */
const MAX_MESSAGES_BEFORE_ACK = 10
const MAX_FRAGMENTS = 64
/** From the server's close frame to the end of the connection, whatever the client does. */
const CLOSE_TIMEOUT_MS = 5_000
/** Between the pings that find dead connections; one unanswered ends it. */
const PING_MS = 12_000

export interface SocketServer {
  /** Breaks off all sockets that there still are. */
  terminate(): void
}

/**
 * Serves graphql-transport-ws on the HTTP server, under the same guard as HTTP. In the drain no sockets are taken, and
 * each that there is is closed at its moment, once what it asked before has been answered.
 */
export function attachWebSockets(server: Server, deps: WebSocketDeps & { drain: Drain }): SocketServer {
  const { app, drain } = deps
  // Not written as the argument itself: the types don't know closeTimeout yet.
  const options = {
    noServer: true,
    maxPayload: MAX_REQUEST_BYTES,
    maxFragments: MAX_FRAGMENTS,
    perMessageDeflate: false,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols,
  }
  const sockets = new WebSocketServer(options)
  const protocol = makeServer(protocolOptions(deps))
  const unauthenticated = countByAddress(app.config.maxUnauthenticatedSockets)

  server.on('upgrade', (request, stream, head) => {
    stream.on('error', () => stream.destroy())
    const refusal = refuseUpgrade(request)
    if (refusal) return endUpgrade(stream, refusal)
    const address = clientAddress(app.config, request)
    if (!unauthenticated.add(address)) return endUpgrade(stream, '429 Too Many Requests')
    let counted = true
    const uncount = () => {
      if (counted) unauthenticated.remove(address)
      counted = false
    }
    stream.once('close', uncount)
    sockets.handleUpgrade(request, stream, head, (socket) => open(socket, stream, uncount))
  })

  function refuseUpgrade(request: IncomingMessage): string | null {
    if (drain.isUnderWay()) return '503 Service Unavailable'
    if (request.url?.split('?', 1)[0] !== GRAPHQL_PATH) return '404 Not Found'
    if (!isAllowedOrigin(app.config, request.headers.origin, request.headers.host)) return '403 Forbidden'
    return null
  }

  function open(socket: WebSocket, stream: Duplex, uncount: () => void) {
    const outlet = createOutlet(socket, stream)
    let messages = 0
    const ackTimer = setTimeout(() => {
      outlet.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout')
    }, ACK_TIMEOUT_MS)
    const acknowledged = () => {
      clearTimeout(ackTimer)
      uncount()
    }
    const extra: Extra = {
      socket,
      outlet,
      acknowledged,
      connection: { typingIn: new Set() },
      operations: new Map(),
      subscriptions: new Set(),
    }
    /** Messages that are not dealt with yet; that of a subscription is when it ends. */
    let handling = 0
    let leaving = false
    function leaveOnceAnswered() {
      if (leaving && handling === extra.subscriptions.size) outlet.close(SERVICE_RESTART, 'Connect again')
    }
    const stay = drain.add(() => {
      leaving = true
      leaveOnceAnswered()
    })
    let alive = true
    const pinger = setInterval(() => {
      if (!alive) return socket.terminate()
      alive = false
      socket.ping()
    }, PING_MS)
    socket.on('pong', () => {
      alive = true
    })
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) => outlet.send(data),
        close: outlet.close,
        onPing: (payload) => answerPing(deps, extra, payload),
        onMessage: (receive) =>
          socket.on('message', async (data: RawData) => {
            // What comes behind our close frame would be executed, and never answered: clients send it again elsewhere.
            if (leaving || socket.readyState !== socket.OPEN) return
            if (!extra.identity && ++messages > MAX_MESSAGES_BEFORE_ACK) {
              return outlet.close(POLICY_VIOLATION, 'Too many messages before the acknowledgement')
            }
            handling++
            try {
              await receive(String(data))
            } catch (err) {
              if (isServerMessage(err)) return outlet.close(CloseCode.BadRequest, 'Only a server may send that')
              if (err instanceof UnauthenticatedError) return outlet.close(CloseCode.Forbidden, err.message)
              app.log.error({ err }, 'a WebSocket message could not be handled')
              outlet.close(CloseCode.InternalServerError, 'Internal server error')
            } finally {
              handling--
              leaveOnceAnswered()
            }
          }),
      },
      extra,
    )
    // ws closes by itself with the code that fits; the event only needs a listener.
    socket.on('error', (err) => app.log.debug({ err }, 'a WebSocket broke'))
    socket.once('close', async (code, reason) => {
      clearTimeout(ackTimer)
      clearInterval(pinger)
      stay()
      extra.unwatch?.()
      if (extra.identity) endTyping(app, extra.identity.viewer, extra.connection)
      try {
        await closed(code, String(reason))
        await Promise.all([...extra.operations.values()].map(endStream))
      } catch (err) {
        app.log.error({ err }, 'the subscriptions of a WebSocket could not be ended')
      }
    })
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
