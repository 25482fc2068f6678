import { createServer } from 'node:http'
import { Redis } from 'ioredis'
import { type WebSocket, WebSocketServer } from 'ws'
import { benchArgs } from '../harness/protocol.ts'
import { listen } from './listen.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { messageOf, roomId } from './room.ts'
import { subjectOf } from './token.ts'

// The limit: ws, a set of sockets for each room and a loop over it. It takes the protocol's messages without looking
// into the query, and sends all of them the same bytes, under an id that is nobody's.

interface RawArgs extends FanOutArgs {
  /** Whether what is sent in one tick goes out in one write. */
  corks?: boolean
}

const { redisUrl, bodyBytes, corks = false } = benchArgs<RawArgs>()
const rooms = new Map<string, Set<WebSocket>>()
const streams = new Map<WebSocket, { cork(): void; uncork(): void }>()
const httpServer = createServer()
const sockets = new WebSocketServer({
  server: httpServer,
  perMessageDeflate: false,
  handleProtocols: () => 'graphql-transport-ws',
})
let subscribed = 0
let corked = new Set<WebSocket>()

sockets.on('connection', (socket, request) => {
  streams.set(socket, request.socket)
  socket.once('close', () => streams.delete(socket))
  socket.on('message', async (data) => {
    const message = JSON.parse(String(data))
    if (message.type === 'connection_init') {
      await subjectOf(message.payload.authorization)
      socket.send('{"type":"connection_ack"}')
    } else if (message.type === 'subscribe') {
      const room = message.payload.variables.conversationId
      const members = rooms.get(room) ?? new Set()
      rooms.set(room, members.add(socket))
      socket.once('close', () => members.delete(socket))
      subscribed++
    }
  })
})

function deliver(room: string, frame: string): void {
  const members = rooms.get(room)
  if (!members) return
  const data = Buffer.from(frame)
  for (const socket of members) {
    if (corks && !corked.has(socket)) {
      if (corked.size === 0) setImmediate(uncork)
      corked.add(socket)
      streams.get(socket)!.cork()
    }
    socket.send(data, { binary: false })
  }
}

function uncork(): void {
  const due = corked
  corked = new Set()
  for (const socket of due) streams.get(socket)?.uncork()
}

function frameOf(room: number, seq: number): string {
  const payload = { data: { messageAdded: messageOf(room, seq, bodyBytes) } }
  return JSON.stringify({ id: '00000000-0000-4000-8000-000000000000', type: 'next', payload })
}

const publisher = redisUrl ? new Redis(redisUrl) : null
if (redisUrl) {
  const subscriber = new Redis(redisUrl)
  subscriber.on('message', (_channel, text: string) => {
    const end = text.indexOf('\n')
    deliver(text.slice(0, end), text.slice(end + 1))
  })
  await subscriber.subscribe('rooms')
}

answerFanOut(await listen(httpServer), {
  subscribed: () => subscribed,
  publish(room, seq) {
    if (publisher) void publisher.publish('rooms', `${roomId(room)}\n${frameOf(room, seq)}`)
    else deliver(roomId(room), frameOf(room, seq))
  },
})
