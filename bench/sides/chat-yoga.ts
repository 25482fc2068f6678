import http from 'node:http'
import type { ExecutionArgs } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { createSchema, createYoga } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { openPrisma } from '../chat/prisma.ts'
import { type ChatContext, createResolvers } from '../chat/resolvers.ts'
import { viewerOf } from '../chat/tokens.ts'
import { typeDefs } from '../chat/type-defs.ts'
import { answerBench } from '../harness/protocol.ts'
import { listen } from './listen.ts'

// Yoga, with graphql-ws in front of its engine for sockets: as its documentation says.

/** What Yoga is given by graphql-ws: who connected. Over HTTP it looks at the header itself. */
interface ServerContext {
  viewer?: ChatContext['viewer']
}

const yoga = createYoga<ServerContext, ChatContext>({
  schema: createSchema<ServerContext & ChatContext>({ typeDefs, resolvers: createResolvers(await openPrisma()) }),
  context: ({ viewer, request }) => ({ viewer: viewer ?? viewerOf(request.headers.get('authorization')) }),
  graphiql: false,
  logging: false,
})
const server = http.createServer(yoga)
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint })

type Enveloped = ReturnType<typeof yoga.getEnveloped>
type Args = ExecutionArgs & { rootValue: Pick<Enveloped, 'execute' | 'subscribe'> }

useServer<{ authorization?: string }, Partial<ServerContext>>(
  {
    execute: (args) => (args as Args).rootValue.execute(args),
    subscribe: (args) => (args as Args).rootValue.subscribe(args),
    onConnect: ({ connectionParams, extra }) => {
      extra.viewer = viewerOf(connectionParams?.authorization)
    },
    onSubscribe: async ({ extra }, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        viewer: extra.viewer,
        req: extra.request,
        socket: extra.socket,
        params,
      })
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      }
      const errors = validate(args.schema, args.document)
      return errors.length > 0 ? errors : args
    },
  },
  sockets,
)
answerBench(await listen(server))
