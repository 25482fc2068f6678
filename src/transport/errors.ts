import { GraphQLError, Kind } from 'graphql'
import { isDatabaseUnavailable } from '../db/errors.ts'
import { DomainError, RateLimitedError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'

// The one place where what went wrong becomes what a client sees.

/** Codes that GraphQL itself brings, beside those of a DomainError. */
export type LanguageCode = 'GRAPHQL_PARSE_FAILED' | 'GRAPHQL_VALIDATION_FAILED' | 'BAD_USER_INPUT'

export interface ErrorPolicy {
  log: Logger
  /** Whether a typo may be answered with names of the schema. */
  suggestions: boolean
}

/**
 * What the client is told of an error that execution reported. Domain errors pass with their code and field; what
 * GraphQL says of variables is bad input; all else is masked, with an id that the log has too.
 */
export function toClientError(error: GraphQLError, policy: ErrorPolicy): GraphQLError {
  const cause = rootCause(error)
  if (cause instanceof DomainError) return domainError(cause, error)
  if (cause instanceof GraphQLError && isAboutInput(cause)) return languageError(cause, 'BAD_USER_INPUT', policy)
  if (isDatabaseUnavailable(cause)) {
    policy.log.warn({ err: cause, path: error.path?.join('.') }, 'the database is away or overloaded')
    return withExtensions('The database is away or overloaded. Try again.', error, { code: 'UNAVAILABLE' })
  }
  const id = crypto.randomUUID()
  policy.log.error({ err: cause, errorId: id, path: error.path?.join('.') }, 'a request failed')
  return withExtensions('Something went wrong on our side.', error, { code: 'INTERNAL_SERVER_ERROR', id })
}

/** An error of the language itself: what is said of the document or its variables. */
export function languageError(error: GraphQLError, code: LanguageCode, { suggestions }: ErrorPolicy): GraphQLError {
  const message = suggestions ? error.message : error.message.replace(/ Did you mean .*$/s, '')
  const field = code === 'BAD_USER_INPUT' ? fieldOf(error.message) : undefined
  return withExtensions(message, error, { code, ...(field && { field }) })
}

/** A domain error as the client sees it; `at` says where in the document it came up, if in one. */
export function domainError(error: DomainError, at?: GraphQLError): GraphQLError {
  return withExtensions(error.message, at, {
    code: error.code,
    ...(error.field !== undefined && { field: error.field }),
    ...(error instanceof RateLimitedError && { retryAfter: error.retryAfter }),
  })
}

/** What this file has made: such an error may be shown as it is. */
const made = new WeakSet<GraphQLError>()

/** Whether an error is already in the form that clients see. */
export function isClientError(error: GraphQLError): boolean {
  return made.has(error)
}

function withExtensions(message: string, at: GraphQLError | undefined, extensions: Record<string, unknown>) {
  const { nodes, source, positions, path } = at ?? {}
  const error = new GraphQLError(message, { nodes, source, positions, path, extensions })
  made.add(error)
  return error
}

/** Anything thrown, as what toClientError takes. */
export function asGraphQLError(cause: unknown): GraphQLError {
  if (cause instanceof GraphQLError) return cause
  const originalError = cause instanceof Error ? cause : new Error(String(cause))
  return new GraphQLError(originalError.message, { originalError })
}

export function rootCause(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? rootCause(error.originalError) : error
}

/** Whether GraphQL complains of an argument or a variable, and not of what a resolver gave back for a field. */
function isAboutInput({ nodes }: GraphQLError): boolean {
  return nodes?.every(({ kind }) => kind !== Kind.FIELD) ?? false
}

/** The argument that graphql-js complains of: `at "input.body"`, else `"$name"`; it tells it in the message alone. */
function fieldOf(message: string): string | undefined {
  const at = / at "([\w.[\]]+)"/.exec(message)?.[1] ?? /(?:Variable "\$|Argument ")(\w+)"/.exec(message)?.[1]
  // Without the variable's own name, which is the client's to choose.
  return at?.replace(/^\w+\./, '')
}
