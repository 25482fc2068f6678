import http from 'node:http'
import { ApolloServer } from '@apollo/server'
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer'
import { expressMiddleware } from '@as-integrations/express5'
import express from 'express'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { openPrisma } from '../chat/prisma.ts'
import { type ChatContext, createResolvers } from '../chat/resolvers.ts'
import { viewerOf } from '../chat/tokens.ts'
import { typeDefs } from '../chat/type-defs.ts'
import { answerBench } from '../harness/protocol.ts'
import { listen } from './listen.ts'

// Apollo Server on Express, with graphql-ws beside it for sockets: as its documentation says.

const app = express()
const server = http.createServer(app)
const schema = createSchema<ChatContext>({ typeDefs, resolvers: createResolvers(await openPrisma()) })

const sockets = new WebSocketServer({ server, path: '/graphql' })
useServer<{ authorization?: string }, { context: ChatContext }>(
  {
    schema,
    onConnect: ({ connectionParams, extra }) => {
      extra.context = { viewer: viewerOf(connectionParams?.authorization) }
    },
    context: ({ extra }) => extra.context,
  },
  sockets,
)

const apollo = new ApolloServer<ChatContext>({
  schema,
  plugins: [ApolloServerPluginDrainHttpServer({ httpServer: server })],
})
await apollo.start()
app.use(
  '/graphql',
  express.json(),
  expressMiddleware(apollo, { context: async ({ req }) => ({ viewer: viewerOf(req.headers.authorization) }) }),
)
answerBench(await listen(server))
