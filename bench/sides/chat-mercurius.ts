import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { openPrisma } from '../chat/prisma.ts'
import { createResolvers } from '../chat/resolvers.ts'
import { type Claims, SECRET, viewerOfClaims } from '../chat/tokens.ts'
import { typeDefs } from '../chat/type-defs.ts'
import { answerBench } from '../harness/protocol.ts'

// Mercurius with its jit, which serves sockets too: as its documentation says, tokens by @fastify/jwt.

const app = Fastify()
app.register(fastifyJwt, { secret: SECRET })
app.register(mercurius, {
  schema: typeDefs,
  resolvers: createResolvers(await openPrisma()) as never,
  jit: 1,
  context: async (request) => ({ viewer: viewerOfClaims(await request.jwtVerify<Claims>()) }),
  subscription: {
    fullWsTransport: true,
    onConnect: ({ payload }) => {
      const token = String(payload.authorization).replace(/^Bearer /, '')
      return { viewer: viewerOfClaims(app.jwt.verify<Claims>(token)) }
    },
  },
})
answerBench(`${await app.listen({ host: '127.0.0.1', port: 0 })}/graphql`)
