import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { Dialect } from './dialects.ts'
import { CLOSE, createFrameReader, frameOf, PING, PONG, TEXT } from './frames.ts'

export interface ClientSocketOptions {
  url: string
  dialect: Dialect
  token: string
  room: number
  /** Of its subscription. */
  id: string
  /** Each text message once it has subscribed. */
  onMessage(payload: Buffer): void
  /** It ended, though nobody asked for that. */
  onEnd(reason: string): void
}

export interface ClientSocket {
  send(text: string): void
  /** Stops reading, as a client does that has hung. */
  stall(): void
  /** Breaks it off. */
  destroy(): void
}

/** Opens a WebSocket on a bare TCP connection; resolves once it has asked for its subscription. */
export function openSocket(options: ClientSocketOptions): Promise<ClientSocket> {
  const { url, dialect, token, room, id, onMessage, onEnd } = options
  const { hostname, port, pathname, search } = new URL(url)
  const host = hostname === 'localhost' ? '127.0.0.1' : hostname
  const socket = connect({ host, port: Number(port), noDelay: true })
  const send = (text: string) => void socket.write(frameOf(TEXT, text))
  let over = false

  return new Promise((resolve, reject) => {
    let subscribed = false
    const fail = (reason: string) => {
      if (over) return
      over = true
      socket.destroy()
      if (subscribed) onEnd(reason)
      else reject(new Error(`a socket did not open: ${reason}`))
    }
    const read = createFrameReader((opcode, payload) => {
      if (opcode === PING) return void socket.write(frameOf(PONG, payload))
      if (opcode === CLOSE) return fail(`the server closed it: ${payload.subarray(2)}`)
      if (subscribed) return onMessage(payload)
      const next = dialect.answer(payload.toString(), token, room, id)
      if (!next) return
      send(next.text)
      if (!next.subscribed) return
      subscribed = true
      resolve({ send, stall: () => void socket.pause(), destroy: () => endSocket(socket) })
    })
    socket.on('connect', () => socket.write(upgradeOf(`${pathname}${search}`, dialect.headers)))
    readUpgrade(socket, (rest) => {
      const first = dialect.first(token)
      if (first !== null) send(first)
      socket.on('data', read)
      if (rest.length > 0) read(rest)
    })
    socket.on('error', (error) => fail(error.message))
    socket.on('close', () => fail('the connection ended'))
    function endSocket(it: Socket) {
      over = true
      it.resetAndDestroy()
    }
  })
}

function upgradeOf(path: string, headers: string[]): string {
  return [
    `GET ${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    ...headers,
    '\r\n',
  ].join('\r\n')
}

/** Calls back with what came behind the answer to the upgrade. */
function readUpgrade(socket: Socket, opened: (rest: Buffer) => void): void {
  let head = Buffer.alloc(0)
  socket.on('data', function receive(chunk) {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    socket.off('data', receive)
    if (head.toString('latin1', 9, 12) === '101') opened(head.subarray(end + 4))
    else socket.destroy(new Error(head.toString('latin1', 0, head.indexOf('\r\n'))))
  })
}
