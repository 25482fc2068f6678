import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../../lib/clock.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { codePoints, isHttpUrl, isStorable } from '../../lib/text.ts'
import { createKeySet } from './jwks.ts'
import { createTokenCache } from './token-cache.ts'

/** How far clocks may be apart: a token is accepted for so much longer. */
export const LEEWAY_SECONDS = 5
/** A token from further ahead would outlive a revocation of all that were issued until then. */
const MAX_AHEAD_SECONDS = 60
const MAX_TOKEN_LENGTH = 16 * 1024
/** What a Date can hold. JSON's 1e400 is Infinity, which would never expire. */
const MAX_SECONDS = 8.64e12

/** What may be verified by a key of the JWKS: signatures only, so that a public key is never taken for a secret. */
const JWKS_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]

export interface TokenSettings {
  /** The HS256 key, its UTF-8 bytes as they are; undefined when only a JWKS is used. */
  secret: string | undefined
  /** Where the keys for RS, PS, ES and EdDSA are. With both, the token's alg decides which applies. */
  jwksUrl: string | undefined
  /** What `iss` must be; undefined: not checked. */
  issuer: string | undefined
  /** What `aud` must be or contain; undefined: not checked. */
  audience: string | undefined
}

/**
 * What a verified token says. The profile claims are undefined when absent, and also when they can't be used: not a
 * string, blank, too long, with a NUL or a lone surrogate, or a picture that isn't an http(s) URL. A login must not
 * fail because of a bad avatar.
 */
export interface TokenClaims {
  /** 1 to 255 characters. */
  sub: string
  /** `iat`, in seconds since the epoch. */
  issuedAt: number | null
  /** `exp`, in seconds since the epoch. A token is accepted for 5 seconds more. */
  expiresAt: number
  /** Whether `scope` contains `service`. */
  isService: boolean
  /** Up to 255 characters. */
  name?: string
  /** Up to 255 characters. */
  username?: string
  /** An http(s) URL of up to 2,048 characters. */
  picture?: string
  /** Up to 320 characters. */
  email?: string
  /** Up to 255 characters. */
  role?: string
}

export interface TokenVerifier {
  /** The claims of a token that may be trusted. Throws UnauthenticatedError with the reason, never with the token. */
  verify(token: string): Promise<TokenClaims>
}

/**
 * Checks tokens by the keys that the settings name, never by one that a token brings along or points to: its header only
 * chooses among ours, by alg and kid. Throws on settings that can't work.
 */
export function createTokenVerifier(settings: TokenSettings, deps: { clock: Clock; log: Logger }): TokenVerifier {
  const { jwksUrl, issuer, audience } = settings
  const secret = settings.secret === undefined ? undefined : secretKey(settings.secret)
  const keySet = jwksUrl === undefined ? undefined : createKeySet(jwksUrl, deps)
  if (!secret && !keySet) throw new Error('Tokens need a shared secret, a JWKS URL, or both')

  const algorithms = [...(secret ? ['HS256'] : []), ...(keySet ? JWKS_ALGORITHMS : [])]
  // jose asks for a key only after it has found alg among `algorithms`: each of the two exists when it is used.
  const keyOf: JWTVerifyGetKey = (header, token) => (header.alg === 'HS256' ? secret! : keySet!(header, token))
  const verified = createTokenCache(deps.clock)

  return {
    async verify(token) {
      if (token.length > MAX_TOKEN_LENGTH) throw new UnauthenticatedError('The token is too long')
      const known = verified.get(token)
      if (known) return known
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keyOf, {
          algorithms,
          issuer,
          audience,
          requiredClaims: ['sub', 'exp'],
          clockTolerance: LEEWAY_SECONDS,
          currentDate: new Date(deps.clock.now()),
        })
        const claims = readClaims(payload, deps.clock.now() / 1000)
        if (protectedHeader.alg === 'HS256') verified.set(token, claims, lifetimeOf(claims, payload.nbf))
        return claims
      } catch (error) {
        throw refusal(error, deps.log)
      }
    },
  }
}

/** The token of `Bearer <token>`. Throws UnauthenticatedError on anything else. */
export function bearerToken(header: unknown): string {
  if (typeof header !== 'string' || header === '')
    throw new UnauthenticatedError('No token. Send it as authorization: Bearer <token>')
  const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1]
  if (!token) throw new UnauthenticatedError('The authorization must be Bearer <token>')
  return token
}

/** A public key in the secret's place would let everyone sign tokens, since everyone may know it. */
function secretKey(secret: string): Uint8Array {
  if (secret === '') throw new Error('The shared secret for tokens is empty')
  if (/-----BEGIN |"kty"\s*:/.test(secret)) {
    throw new Error('The shared secret for tokens is a PEM or JWK key; serve public keys by a JWKS URL instead')
  }
  return new TextEncoder().encode(secret)
}

function readClaims(payload: JWTPayload, nowSeconds: number): TokenClaims {
  const { sub, exp, iat = null, scope } = payload
  if (!isText(sub, 255)) throw new UnauthenticatedError("The token's sub must be a string of 1 to 255 characters")
  if (!isTime(exp)) throw new UnauthenticatedError("The token's exp is out of range")
  if (iat !== null && (!isTime(iat) || iat < 0)) throw new UnauthenticatedError("The token's iat is out of range")
  if (iat !== null && iat > nowSeconds + MAX_AHEAD_SECONDS)
    throw new UnauthenticatedError("The token's iat is in the future")
  return {
    sub,
    issuedAt: iat,
    expiresAt: exp,
    isService: typeof scope === 'string' && scope.split(' ').includes('service'),
    name: profileText(payload.name, 255),
    username: profileText(payload.username, 255),
    picture: profileText(payload.picture, 2048, isHttpUrl),
    email: profileText(payload.email, 320),
    role: profileText(payload.role, 255),
  }
}

/** The times in which neither jose nor readClaims refuses a token. */
function lifetimeOf({ issuedAt, expiresAt }: TokenClaims, notBefore = Number.NEGATIVE_INFINITY) {
  const issuable = issuedAt === null ? Number.NEGATIVE_INFINITY : issuedAt - MAX_AHEAD_SECONDS
  return { from: Math.max(notBefore - LEEWAY_SECONDS, issuable), until: expiresAt + LEEWAY_SECONDS }
}

/** Whether it is a string of 1 to `max` code points that PostgreSQL can store: no NUL, no lone surrogate. */
function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && codePoints(value) <= max && isStorable(value)
}

function isTime(value: number | undefined): value is number {
  return value !== undefined && Math.abs(value) <= MAX_SECONDS
}

function profileText(value: unknown, max: number, fits = (text: string) => text.trim() !== ''): string | undefined {
  return isText(value, max) && fits(value) ? value : undefined
}

/** jose's errors carry the payload, so none of them is passed on, not even as a cause. */
function refusal(error: unknown, log: Logger): UnauthenticatedError {
  if (error instanceof UnauthenticatedError) return error
  if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSInvalid)) {
    return new UnauthenticatedError(reason(error))
  }
  // The token names a key that can't be used: the fault is in the JWKS.
  log.error({ err: error }, 'a key of the JSON Web Key Set cannot be used')
  return new UnauthenticatedError('The token cannot be checked: its key cannot be used')
}

function reason(error: errors.JOSEError): string {
  if (error instanceof errors.JWTClaimValidationFailed) return claimReason(error)
  switch (error.code) {
    case 'ERR_JWT_EXPIRED':
      return 'The token has expired'
    case 'ERR_JOSE_ALG_NOT_ALLOWED':
      return "The token's algorithm (alg) is not accepted here"
    case 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED':
      return "The token's signature is wrong"
    case 'ERR_JWKS_NO_MATCHING_KEY':
      return "The token's key is unknown"
    case 'ERR_JWKS_MULTIPLE_MATCHING_KEYS':
      return 'The token must say by which key it is signed (kid)'
    default:
      return 'The token is malformed'
  }
}

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): string {
  if (reason === 'missing') return `The token has no ${claim}`
  if (reason === 'invalid') return `The token's ${claim} is not a number`
  if (claim === 'nbf') return 'The token is not valid yet'
  if (claim === 'iss') return 'The token is from another issuer'
  return 'The token is for another audience'
}
