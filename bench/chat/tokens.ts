import { createHmac, timingSafeEqual } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Viewer } from './messages.ts'

/** What all sides check tokens by. */
export const SECRET = 'the secret of the bench, of at least 32 bytes'

/** A token of the user that `fill` makes under this number. */
export function tokenOf({ id, displayName, avatarUrl }: Viewer): Promise<string> {
  return new SignJWT({ sub: id, name: displayName, picture: avatarUrl ?? undefined })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime('1 day')
    .sign(new TextEncoder().encode(SECRET))
}

export interface Claims {
  sub: string
  name: string
  picture?: string
  exp: number
}

/**
 * The user of `Bearer <token>`, for the sides whose own documentation names no library: by node:crypto alone, which is
 * faster than those that there are.
 * @throws Error for a token that is malformed, signed otherwise or expired.
 */
export function viewerOf(authorization: unknown): Viewer {
  const [, header, payload, signature] = /^Bearer ([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(String(authorization)) ?? []
  if (!header || !payload || !signature || read<{ alg: string }>(header).alg !== 'HS256') throw new Error('No token')
  const right = createHmac('sha256', SECRET).update(`${header}.${payload}`).digest()
  const given = Buffer.from(signature, 'base64url')
  if (given.length !== right.length || !timingSafeEqual(given, right)) throw new Error('Wrong signature')
  const claims = read<Claims>(payload)
  if (claims.exp * 1000 < Date.now()) throw new Error('Expired')
  return viewerOfClaims(claims)
}

/** Whose token it is, in the tokens of the bench, by the claims alone: no peer reads its users. */
export function viewerOfClaims({ sub, name, picture }: Claims): Viewer {
  return { id: sub, displayName: name, avatarUrl: picture ?? null }
}

function read<Part>(text: string): Part {
  return JSON.parse(Buffer.from(text, 'base64url').toString())
}
