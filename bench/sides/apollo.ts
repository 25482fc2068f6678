import { createServer } from 'node:http'
import { ApolloServer } from '@apollo/server'
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer'
import { expressMiddleware } from '@as-integrations/express5'
import express from 'express'
import { buildSchema } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { benchArgs } from '../harness/protocol.ts'
import { listen } from './listen.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { createPubSub } from './pubsub.ts'
import { messageOf, roomId, SDL } from './room.ts'
import { subjectOf } from './token.ts'

// Apollo Server with subscriptions over graphql-ws, as Apollo's "Subscriptions in Apollo Server" says, with PubSub in
// memory and graphql-redis-subscriptions between nodes.

const { redisUrl, bodyBytes } = benchArgs<FanOutArgs>()
const pubsub = createPubSub(redisUrl)
let subscribed = 0
const schema = buildSchema(SDL)
schema.getSubscriptionType()!.getFields().messageAdded!.subscribe = (_root, { conversationId }) => {
  subscribed++
  return pubsub.asyncIterableIterator(`MESSAGE_ADDED_${conversationId}`)
}

const app = express()
const httpServer = createServer(app)
const wsServer = new WebSocketServer({ server: httpServer, path: '/graphql', perMessageDeflate: false })
const serverCleanup = useServer(
  {
    schema,
    onConnect: async (ctx) => {
      await subjectOf(ctx.connectionParams?.authorization)
      return true
    },
  },
  wsServer,
)
const server = new ApolloServer({
  schema,
  plugins: [
    ApolloServerPluginDrainHttpServer({ httpServer }),
    {
      async serverWillStart() {
        return {
          async drainServer() {
            await serverCleanup.dispose()
          },
        }
      },
    },
  ],
})
await server.start()
app.use('/graphql', express.json(), expressMiddleware(server))

answerFanOut(await listen(httpServer), {
  subscribed: () => subscribed,
  publish: (room, seq) =>
    void pubsub.publish(`MESSAGE_ADDED_${roomId(room)}`, { messageAdded: messageOf(room, seq, bodyBytes) }),
})
