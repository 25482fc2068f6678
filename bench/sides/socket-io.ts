import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'
import { benchArgs } from '../harness/protocol.ts'
import { listen } from './listen.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { messageOf, roomId } from './room.ts'
import { subjectOf } from './token.ts'

// Socket.IO with rooms, and its Redis adapter between nodes. No GraphQL: it sends the message as it is.

const { redisUrl, bodyBytes } = benchArgs<FanOutArgs>()
const httpServer = createServer()
const io = new Server(httpServer, {
  transports: ['websocket'],
  ...(redisUrl && { adapter: createAdapter(new Redis(redisUrl), new Redis(redisUrl)) }),
})
let subscribed = 0
io.use((socket, next) => {
  subjectOf(socket.handshake.auth.authorization).then(() => next(), next)
})
io.on('connection', (socket) => {
  socket.on('subscribe', async (conversationId: string) => {
    await socket.join(conversationId)
    subscribed++
  })
})

answerFanOut(await listen(httpServer, '/socket.io/?EIO=4&transport=websocket'), {
  subscribed: () => subscribed,
  publish: (room, seq) => void io.to(roomId(room)).emit('messageAdded', messageOf(room, seq, bodyBytes)),
})
