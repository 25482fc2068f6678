import type { OutgoingHttpHeaders } from 'node:http'
import type { ExecutionResult, GraphQLError } from 'graphql'
import type { FetchAPI } from 'graphql-yoga'
import { BadUserInputError, PayloadTooLargeError } from '../../lib/errors.ts'
import { domainError, type ErrorPolicy, isClientError, toClientError } from '../errors.ts'
import { MAX_REQUEST_BYTES } from '../guard/guard.ts'

// How a refusal looks over HTTP. Yoga takes status and headers from `extensions.http` of the errors, which it doesn't send.

interface HttpExtension {
  status: number
  headers?: Record<string, string> | undefined
  /** Whether those who accept only application/json get 200 all the same, as the specification wants it. */
  spec?: true
}

function withHttp(error: GraphQLError, http: HttpExtension): GraphQLError {
  error.extensions.http = http
  return error
}

/** Statuses of what was refused as a whole; what is wrong with the request itself is 400. */
const STATUS: Partial<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  RATE_LIMITED: 429,
  INTERNAL_SERVER_ERROR: 500,
  UNAVAILABLE: 503,
}

/** An error with the status that its code has where nothing was executed. */
export function withStatus(error: GraphQLError): GraphQLError {
  const status = STATUS[String(error.extensions.code)]
  if (!status) return withHttp(error, { status: 400, spec: true })
  return withHttp(error, { status, ...(status === 401 && { headers: { 'www-authenticate': 'Bearer' } }) })
}

/** A result with its status: 200 where it was executed, even if fields failed. */
export function resultWithStatus(result: ExecutionResult): ExecutionResult {
  return 'data' in result || !result.errors ? result : { ...result, errors: result.errors.map(withStatus) }
}

/** An error of the request as HTTP. */
export function badRequest(status: number, message: string, field?: string, headers?: Record<string, string>) {
  return withHttp(domainError(new BadUserInputError(message, field)), { status, headers })
}

/** What Yoga says of a request, with our codes; our own errors as they are, and all else masked. */
export function ownError(error: GraphQLError, policy: ErrorPolicy): GraphQLError {
  if (isClientError(error)) return error
  const http = error.extensions.http as HttpExtension | undefined
  if (!http) return withStatus(toClientError(error, policy))
  if (http.status !== 413) return badRequest(http.status, error.message, undefined, http.headers)
  return withHttp(domainError(new PayloadTooLargeError(`The request has over ${MAX_REQUEST_BYTES / 1024} KiB.`)), http)
}

/** A result as JSON, with the status of its first error. */
export function asJson(result: unknown, fetchAPI: FetchAPI): Response {
  const { data, errors = [] } = result as ExecutionResult
  const http = errors[0]?.extensions.http as HttpExtension | undefined
  for (const error of errors) delete error.extensions.http
  return new fetchAPI.Response(JSON.stringify({ data, ...(errors.length > 0 && { errors }) }), {
    status: http?.status ?? 200,
    headers: { 'content-type': 'application/json; charset=utf-8', ...http?.headers },
  })
}

/** What a client may accept results as; the first where it accepts both alike. */
const RESULT_TYPES = ['application/json', 'application/graphql-response+json']

/** What a result is sent as to a client that accepts this, in the way that Yoga finds it out; null for neither type. */
export function acceptedJson(accept: string | undefined): string | null {
  for (const accepted of (accept || '*/*').replace(/\s/g, '').toLowerCase().split(',')) {
    const [mediaType = '', ...parameters] = accepted.split(';')
    const charset = parameters.find((parameter) => parameter.includes('charset=')) ?? 'charset=utf-8'
    const [type, subtype] = mediaType.split('/')
    const fits = (one: string, other: string | undefined) => other === '*' || other === one
    const found = RESULT_TYPES.find((each) => fits(each.split('/')[0]!, type) && fits(each.split('/')[1]!, subtype))
    if (found && charset === 'charset=utf-8') return found
  }
  return null
}

/**
 * A result as Node sends it, like Yoga: with the highest status of its errors, whatever they say of headers, and 200 for
 * bad documents where application/json was accepted. Without a type it is JSON, and those keep their status.
 */
export function replyOf(result: ExecutionResult, mediaType?: string) {
  const headers: OutgoingHttpHeaders = { 'content-type': `${mediaType ?? RESULT_TYPES[0]}; charset=utf-8` }
  let status = 0
  for (const { extensions } of result.errors ?? []) {
    const http = extensions.http as HttpExtension | undefined
    delete extensions.http
    Object.assign(headers, http?.headers)
    if (http && !(http.spec && mediaType === RESULT_TYPES[0])) status = Math.max(status, http.status)
  }
  const body = JSON.stringify(result)
  headers['content-length'] = Buffer.byteLength(body)
  return { status: status || 200, headers, body }
}
