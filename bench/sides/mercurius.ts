import fastifyJwt from '@fastify/jwt'
import fastify from 'fastify'
import mercurius from 'mercurius'
import mqemitterRedis from 'mqemitter-redis'
import { benchArgs } from '../harness/protocol.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { messageOf, roomId, SDL, SECRET } from './room.ts'

// Mercurius, as docs/subscriptions.md of it says, with mqemitter-redis between nodes. Its jit does not reach
// subscriptions; it is on.

const { redisUrl, bodyBytes } = benchArgs<FanOutArgs>()
let subscribed = 0
const app = fastify()
await app.register(fastifyJwt, { secret: SECRET })
await app.register(mercurius, {
  schema: SDL,
  jit: 1,
  subscription: {
    ...(redisUrl && { emitter: mqemitterRedis({ port: Number(new URL(redisUrl).port), host: '127.0.0.1' }) }),
    async onConnect({ payload }) {
      const token = String(payload.authorization).replace(/^Bearer /, '')
      return { user: app.jwt.verify<{ sub: string }>(token).sub }
    },
  },
  resolvers: {
    Subscription: {
      messageAdded: {
        subscribe: async (_root: unknown, { conversationId }: { conversationId: string }, { pubsub }) => {
          const iterator = await pubsub!.subscribe(`MESSAGE_ADDED_${conversationId}`)
          subscribed++
          return iterator
        },
      },
    },
  },
})
const origin = await app.listen({ port: 0, host: '127.0.0.1' })

answerFanOut(`${origin}/graphql`, {
  subscribed: () => subscribed,
  publish: (room, seq) =>
    void app.graphql.pubsub.publish({
      topic: `MESSAGE_ADDED_${roomId(room)}`,
      payload: { messageAdded: messageOf(room, seq, bodyBytes) },
    }),
})
