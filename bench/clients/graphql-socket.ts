import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'

// A client of graphql-transport-ws that costs little, as it shares its core with the database: frames go out under a mask
// of zeros, which leaves them as they are, and those of one tick go out together.

export interface GraphQLClient {
  /** The result of an operation. Throws where it has errors. */
  request<Data>(query: string, variables?: object): Promise<Data>
  close(): void
}

interface Message {
  id?: string
  type: string
  payload?: { data?: unknown; errors?: unknown }
}

/** A connection that was let in. @throws Error where it is not. */
export async function openGraphQLSocket(url: string, token: string): Promise<GraphQLClient> {
  const { hostname, port } = new URL(url)
  const socket = net.connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  // What broke shows in the requests that are not answered.
  socket.on('error', () => {})
  const waiting = new Map<string, { resolve(data: never): void; reject(error: Error): void }>()
  const outgoing: Buffer[] = []
  let operations = 0
  let acknowledge = () => {}
  const acknowledged = new Promise<void>((resolve, reject) => {
    acknowledge = resolve
    socket.once('close', () => reject(new Error('The connection was closed.')))
  })
  socket.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('The connection was closed.'))
  })

  function write(frame: Buffer) {
    if (outgoing.length === 0) setImmediate(flush)
    outgoing.push(frame)
  }

  const send = (message: object) => write(frameOf(TEXT, Buffer.from(JSON.stringify(message))))

  function flush() {
    socket.write(Buffer.concat(outgoing.splice(0)))
  }

  function receive(text: string) {
    const { id = '', type, payload } = JSON.parse(text) as Message
    if (type === 'connection_ack') acknowledge()
    if (type === 'ping') send({ type: 'pong' })
    if (type !== 'next' && type !== 'error') return
    const request = waiting.get(id)
    waiting.delete(id)
    if (type === 'next' && payload && !payload.errors) request?.resolve(payload.data as never)
    else request?.reject(new Error(text))
  }

  // Where the upgrade fails already, nobody waits for this.
  acknowledged.catch(() => {})
  await upgrade(socket, hostname)
  readFrames(socket, (opcode, payload) => {
    if (opcode === TEXT) receive(payload.toString())
    else if (opcode === PING) write(frameOf(PONG, payload))
  })
  send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
  await acknowledged
  return {
    request(query, variables) {
      if (socket.destroyed) return Promise.reject(new Error('The connection was closed.'))
      const id = String(++operations)
      send({ id, type: 'subscribe', payload: { query, variables } })
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
    },
    close: () => void socket.destroy(),
  }
}

async function upgrade(socket: net.Socket, host: string): Promise<void> {
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /graphql HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
  )
  const [answer] = (await once(socket, 'data')) as [Buffer]
  const end = answer.indexOf('\r\n\r\n') + 4
  if (end < 4 || !answer.includes(' 101 ')) throw new Error(`No WebSocket: ${answer.toString('latin1')}`)
  if (end < answer.length) socket.unshift(answer.subarray(end))
}

const TEXT = 1
const PING = 9
const PONG = 10

/** Frames of a server, none of them fragmented, as those of all sides are. */
function readFrames(socket: net.Socket, receive: (opcode: number, payload: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    let data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    for (let frame = firstFrame(data); frame; frame = firstFrame(data)) {
      receive(frame.opcode, data.subarray(frame.start, frame.end))
      data = data.subarray(frame.end)
    }
    rest = data
  })
}

function firstFrame(data: Buffer): { opcode: number; start: number; end: number } | null {
  if (data.length < 2) return null
  const short = data[1]! & 0x7f
  const start = short < 126 ? 2 : short === 126 ? 4 : 10
  if (data.length < start) return null
  const length = short < 126 ? short : short === 126 ? data.readUInt16BE(2) : Number(data.readBigUInt64BE(2))
  return data.length < start + length ? null : { opcode: data[0]! & 0x0f, start, end: start + length }
}

/** Of less than 64 KiB. */
function frameOf(opcode: number, payload: Buffer): Buffer {
  const { length } = payload
  const header = Buffer.alloc(length < 126 ? 6 : 8)
  header[0] = 0x80 | opcode
  header[1] = 0x80 | (length < 126 ? length : 126)
  if (length >= 126) header.writeUInt16BE(length, 2)
  return Buffer.concat([header, payload])
}
