// What a service may throw. Each class has one code; transport/errors.ts maps them to what a client sees, and
// anything else is a bug: it is masked and logged.

/** The codes of a DomainError, as clients see them in `extensions.code`. */
export type ErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'BAD_USER_INPUT'
  | 'CONFLICT'
  | 'RATE_LIMITED'
  | 'PAYLOAD_TOO_LARGE'
  | 'RESET_REQUIRED'
  | 'UNAVAILABLE'

/** An error whose message and code are meant for the client. `field` names the argument at fault. */
export abstract class DomainError extends Error {
  abstract readonly code: ErrorCode
  readonly field: string | undefined

  constructor(message: string, field?: string, options?: ErrorOptions) {
    super(message, options)
    this.name = new.target.name
    this.field = field
  }
}

export class UnauthenticatedError extends DomainError {
  readonly code = 'UNAUTHENTICATED'
}

export class ForbiddenError extends DomainError {
  readonly code = 'FORBIDDEN'
}

export class NotFoundError extends DomainError {
  readonly code = 'NOT_FOUND'
}

export class BadUserInputError extends DomainError {
  readonly code = 'BAD_USER_INPUT'
}

export class ConflictError extends DomainError {
  readonly code = 'CONFLICT'
}

/** `retryAfter`: seconds until the same request would be let through. */
export class RateLimitedError extends DomainError {
  readonly code = 'RATE_LIMITED'
  readonly retryAfter: number

  constructor(message: string, retryAfter: number) {
    super(message)
    this.retryAfter = retryAfter
  }
}

export class PayloadTooLargeError extends DomainError {
  readonly code = 'PAYLOAD_TOO_LARGE'
}

/** A subscription can't go on from its cursor: what is held is to be fetched anew. */
export class ResetRequiredError extends DomainError {
  readonly code = 'RESET_REQUIRED'
}

/** Something that Parley stands on is away or overloaded; the same request may be sent again. */
export class UnavailableError extends DomainError {
  readonly code = 'UNAVAILABLE'
}
