import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { type ExecutionResult, OperationTypeNode } from 'graphql'
import { asGraphQLError, toClientError } from '../errors.ts'
import { MAX_REQUEST_BYTES, type OperationRequest } from '../guard/guard.ts'
import type { Identity } from '../identity/identify.ts'
import { isAllowedOrigin } from '../origins.ts'
import type { HttpDeps } from './http.ts'
import { acceptedJson, replyOf, resultWithStatus, withStatus } from './reply.ts'
import { isJson, readBytes } from './request.ts'

// The short way for what clients send all the time: a query or mutation by POST as JSON. Yoga makes objects of the Fetch
// API, streams and dozens of promises of each request, and they cost more than all the rest of it. Here Node's own
// request is read and answered, by the same guard, identity, executor and errors. Only what is plain in every respect is
// taken; all else, and what is refused for its form, is for Yoga, so that there is one place that knows those rules.

/** Answers a request that Yoga could answer too. */
type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

/** Answers plain requests to POST; all others are handed over as they came, with the body where it has been read. */
export function createPostHandler(
  { app, guard, executor, identify, policy, drain }: HttpDeps,
  handOver: Answer,
): Answer {
  const failed = (cause: unknown): ExecutionResult => ({
    errors: [withStatus(toClientError(asGraphQLError(cause), policy))],
  })

  async function answer(request: IncomingMessage, response: ServerResponse, mediaType: string) {
    const { headers } = request
    let identity: Identity
    try {
      identity = await identify.first(headers.authorization, headers['x-parley-act-as'])
    } catch (cause) {
      // Before the body is read, and in JSON whatever is accepted.
      return send(failed(cause), request, response)
    }
    const bytes = await readBytes(request)
    // The client has gone.
    if (!bytes) return
    try {
      // The body may have come long after the head.
      identity = await identify.again(identity)
    } catch (cause) {
      return send(failed(cause), request, response)
    }
    const parameters = parametersOf(bytes)
    const { prepared, errors } = parameters ? guard(parameters) : {}
    if (errors) return send(resultWithStatus({ errors }), request, response, mediaType)
    if (!prepared || prepared.operation.operation === OperationTypeNode.SUBSCRIPTION) {
      // Yoga takes the body from here where it can't be read again.
      return handOver(Object.assign(request, { body: Readable.from([bytes]) }), response)
    }
    const result = (await executor.run(prepared, identity.viewer)) as ExecutionResult
    return send(resultWithStatus(result), request, response, mediaType)
  }

  function send(result: ExecutionResult, request: IncomingMessage, response: ServerResponse, mediaType?: string) {
    const { origin, host } = request.headers
    const { status, headers, body } = replyOf(result, mediaType)
    // For requests that were under way already.
    if (drain.isUnderWay()) headers.connection = 'close'
    // Whether it may be read depends on the origin, allowed or not.
    headers.vary = 'Origin'
    if (origin !== undefined && isAllowedOrigin(app.config, origin, host)) {
      headers['access-control-allow-origin'] = origin
      headers['access-control-allow-methods'] = 'GET, POST'
    }
    // As many bytes as characters: ASCII, which Node copies as it is instead of encoding it into three times the room.
    const encoding = headers['content-length'] === body.length ? 'latin1' : 'utf8'
    response.writeHead(status, headers).end(body, encoding)
  }

  return (request, response) => {
    const mediaType = isPlain(request) ? acceptedJson(request.headers.accept) : null
    if (mediaType === null) return handOver(request, response)
    return answer(request, response, mediaType).catch((cause) => send(failed(cause), request, response, mediaType))
  }
}

/** Whether a request holds JSON, as it is and of a size that is known and allowed, and no question of a browser's. */
function isPlain({ headers }: IncomingMessage): boolean {
  const length = Number(headers['content-length'])
  return (
    length > 0 &&
    length <= MAX_REQUEST_BYTES &&
    isJson(headers['content-type'] ?? null) &&
    headers['content-encoding'] === undefined &&
    headers['access-control-request-headers'] === undefined
  )
}

const PARAMETERS = new Set(['query', 'variables', 'operationName', 'extensions'])

/** The GraphQL request that a body is; null for anything else. */
function parametersOf(body: Buffer): OperationRequest | null {
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    return null
  }
  if (!isObject(value)) return null
  for (const name in value) if (!PARAMETERS.has(name)) return null
  const { query, variables, extensions } = value as OperationRequest
  return typeof query === 'string' && isObjectOrNone(variables) && isObjectOrNone(extensions) ? value : null
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isObjectOrNone(value: unknown): boolean {
  return value == null || isObject(value)
}
