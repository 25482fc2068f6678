import { createServer } from 'node:http'
import { buildSchema, type ExecutionArgs } from 'graphql'
import { useServer } from 'graphql-ws/use/ws'
import { createYoga, createPubSub as createYogaPubSub } from 'graphql-yoga'
import { WebSocketServer } from 'ws'
import { benchArgs } from '../harness/protocol.ts'
import { listen } from './listen.ts'
import { answerFanOut, type FanOutArgs } from './publisher.ts'
import { createPubSub } from './pubsub.ts'
import { messageOf, roomId, SDL, type SentMessage } from './room.ts'
import { subjectOf } from './token.ts'

// Yoga with graphql-ws, as "GraphQL over WebSocket" of its documentation says; its own PubSub in memory, and
// graphql-redis-subscriptions between nodes.

type Topics = Record<string, [{ messageAdded: SentMessage }]>
/** What the documentation hands from onSubscribe to execute and subscribe. */
type Enveloped = { rootValue: Pick<ReturnType<ReturnType<typeof createYoga>['getEnveloped']>, 'execute' | 'subscribe'> }

const { redisUrl, bodyBytes } = benchArgs<FanOutArgs>()
const overRedis = redisUrl ? createPubSub(redisUrl) : null
const inMemory = createYogaPubSub<Topics>()
let subscribed = 0
const schema = buildSchema(SDL)
schema.getSubscriptionType()!.getFields().messageAdded!.subscribe = (_root, { conversationId }) => {
  subscribed++
  const topic = `MESSAGE_ADDED_${conversationId}`
  return overRedis ? overRedis.asyncIterableIterator(topic) : inMemory.subscribe(topic)
}

const yoga = createYoga({ schema, logging: false, graphiql: false })
const httpServer = createServer(yoga)
const wsServer = new WebSocketServer({ server: httpServer, path: yoga.graphqlEndpoint, perMessageDeflate: false })
useServer(
  {
    execute: (args: ExecutionArgs) => (args as ExecutionArgs & Enveloped).rootValue.execute(args),
    subscribe: (args: ExecutionArgs) => (args as ExecutionArgs & Enveloped).rootValue.subscribe(args),
    onConnect: async (ctx) => {
      await subjectOf(ctx.connectionParams?.authorization)
      return true
    },
    onSubscribe: async (ctx, _id, params) => {
      const enveloped = yoga.getEnveloped({
        ...ctx,
        req: ctx.extra.request,
        socket: ctx.extra.socket,
        params,
      })
      const args = {
        schema: enveloped.schema,
        operationName: params.operationName,
        document: enveloped.parse(params.query),
        variableValues: params.variables,
        contextValue: await enveloped.contextFactory(),
        rootValue: { execute: enveloped.execute, subscribe: enveloped.subscribe },
      }
      const errors = enveloped.validate(args.schema, args.document)
      return errors.length > 0 ? errors : args
    },
  },
  wsServer,
)

answerFanOut(await listen(httpServer), {
  subscribed: () => subscribed,
  publish(room, seq) {
    const topic = `MESSAGE_ADDED_${roomId(room)}`
    const payload = { messageAdded: messageOf(room, seq, bodyBytes) }
    if (overRedis) void overRedis.publish(topic, payload)
    else inMemory.publish(topic, payload)
  },
})
