import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type ExecutionResult, type GraphQLError, OperationTypeNode } from 'graphql'
import { createYoga, type Plugin } from 'graphql-yoga'
import type { AppContext } from '../../context.ts'
import { UnavailableError } from '../../lib/errors.ts'
import type { Drain } from '../drain.ts'
import { asGraphQLError, domainError, type ErrorPolicy, toClientError } from '../errors.ts'
import type { Executor } from '../execute.ts'
import { type Guard, MAX_REQUEST_BYTES } from '../guard/guard.ts'
import { answerHealth } from '../health.ts'
import type { Identify, Identity } from '../identity/identify.ts'
import { isAllowedOrigin } from '../origins.ts'
import { type GraphiqlPage, wantsPage } from './graphiql.ts'
import { createPostHandler } from './post.ts'
import { asJson, badRequest, ownError, resultWithStatus, withStatus } from './reply.ts'
import { isHost, isJson, readBody, readQuery } from './request.ts'
import { untilRefused } from './stream.ts'

export const GRAPHQL_PATH = '/graphql'

// Without a client in sight for these times a connection is given up.
const HEADERS_TIMEOUT_MS = 10_000
const REQUEST_TIMEOUT_MS = 30_000
/** How often connections are looked at for that; Node's default of 30 s would put it on top. */
const TIMEOUT_CHECK_MS = 1_000

export interface HttpDeps {
  app: AppContext
  guard: Guard
  executor: Executor
  identify: Identify
  policy: ErrorPolicy
  /** Null where the page is switched off. */
  graphiql: GraphiqlPage | null
  drain: Drain
}

/**
 * The HTTP server: GraphQL by POST, GET and event stream, GraphiQL, and the health endpoints. Yoga speaks the protocol;
 * who may ask, what may be asked and how it is executed is decided by the same guard as for sockets.
 */
export function createHttpServer(deps: HttpDeps): Server {
  const { app, graphiql, drain } = deps
  const yoga = createYoga<ServerContext>({
    graphqlEndpoint: GRAPHQL_PATH,
    plugins: [useOwnPipeline(deps)],
    cors: (request) => {
      const origin = request.headers.get('origin') ?? undefined
      const allowed =
        origin !== undefined && isAllowedOrigin(app.config, origin, request.headers.get('host') ?? undefined)
      return allowed ? { origin: [origin], credentials: false, methods: ['GET', 'POST'] } : false
    },
    // What of Yoga's own would run beside the guard.
    graphiql: false,
    batching: false,
    multipart: false,
    landingPage: false,
    parserAndValidationCache: false,
    maskedErrors: false,
    maxRequestBodySize: MAX_REQUEST_BYTES,
    // It can't be switched off; no URL ends with a blank.
    healthCheckEndpoint: ' ',
    logging: false,
  })

  const post = createPostHandler(deps, yoga)

  function route(request: IncomingMessage, response: ServerResponse) {
    const path = request.url?.split('?', 1)[0]
    // The next request finds another node.
    if (drain.isUnderWay()) response.setHeader('connection', 'close')
    if (path === '/healthz' || path === '/readyz') return answerHealth(path, app, drain.isUnderWay(), response)
    if (!isHost(request.headers.host)) return answerText(response, 400, 'The Host header is not a host.')
    if (path === GRAPHQL_PATH && graphiql && wantsPage(request)) return graphiql(request, response)
    if (request.url === GRAPHQL_PATH && request.method === 'POST') return post(request, response)
    if (path === GRAPHQL_PATH) return yoga(request, response)
    if (path === '/' && graphiql) return response.writeHead(302, { location: GRAPHQL_PATH }).end()
    return answerText(response, 404, `Not found. GraphQL is at ${GRAPHQL_PATH}.`)
  }

  const timeouts = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  }
  return createServer(timeouts, route)
}

/** What Yoga is given with each request. */
interface ServerContext {
  res: ServerResponse
}

/** Puts identity first, then takes over from the parsed request to the result. */
function useOwnPipeline(deps: HttpDeps): Plugin<object, ServerContext> {
  const { guard, executor, identify, policy, drain } = deps
  const identities = new WeakMap<Request, Identity>()

  /** A stream only for a client that takes one, and errors only in our own terms. */
  function answerable(result: ExecutionResult | AsyncIterable<ExecutionResult>, canStream: boolean) {
    if (Symbol.asyncIterator in result) {
      if (canStream) return result
      void result[Symbol.asyncIterator]().return?.()
      return { errors: [badRequest(406, 'A subscription is sent as text/event-stream.', 'accept')] }
    }
    if ('data' in result || !result.errors) return result
    return { ...result, errors: result.errors.map((error) => ownError(error, policy)) }
  }

  return {
    async onRequest({ request, endResponse, fetchAPI }) {
      const { headers } = request
      const refuse = (error: GraphQLError) => endResponse(asJson({ errors: [error] }, fetchAPI))
      if (request.method === 'POST' && !isJson(headers.get('content-type'))) {
        return refuse(badRequest(415, 'Send application/json in UTF-8.', 'content-type'))
      }
      if (headers.has('content-encoding')) {
        return refuse(badRequest(415, 'Send the body as it is.', 'content-encoding'))
      }
      try {
        identities.set(request, await identify.first(headers.get('authorization'), headers.get('x-parley-act-as')))
      } catch (cause) {
        return refuse(withStatus(toClientError(asGraphQLError(cause), policy)))
      }
    },
    onRequestParse({ request, setRequestParser }) {
      if (request.method === 'POST') setRequestParser(readBody)
      if (request.method === 'GET') setRequestParser(readQuery)
    },
    onParams({ request, setParamsHandler }) {
      setParamsHandler(async ({ params, context }) => {
        const { prepared, errors } = guard(params)
        if (errors) return resultWithStatus({ errors })
        if (request.method === 'GET' && prepared.operation.operation === OperationTypeNode.MUTATION) {
          return { errors: [badRequest(405, 'A mutation must be sent by POST.', undefined, { allow: 'POST' })] }
        }
        if (prepared.operation.operation === OperationTypeNode.SUBSCRIPTION && drain.isUnderWay()) {
          return { errors: [withStatus(domainError(new UnavailableError('This server is about to stop. Try again.')))] }
        }
        let identity = identities.get(request)!
        try {
          // The body may have come long after the head.
          identity = await identify.again(identity)
        } catch (cause) {
          return { errors: [withStatus(toClientError(asGraphQLError(cause), policy))] }
        }
        const result = await executor.run(prepared, identity.viewer)
        return Symbol.asyncIterator in result
          ? untilRefused(deps, result, identity, request.signal, context.res)
          : resultWithStatus(result)
      })
    },
    onResultProcess({ result, setResult, resultProcessor, setResultProcessor }) {
      if (!Array.isArray(result)) setResult(answerable(result, resultProcessor !== undefined))
      // For a client that accepts nothing of what there is.
      if (!resultProcessor) setResultProcessor(asJson, 'application/json')
    },
    onResponse({ response }) {
      // Whether it may be read depends on the origin, allowed or not.
      response.headers.append('vary', 'Origin')
      // For requests that were under way already.
      if (drain.isUnderWay()) response.headers.set('connection', 'close')
    },
  }
}

function answerText(response: ServerResponse, status: number, message: string) {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${message}\n`)
}
