import { SignJWT } from 'jose'

export interface TokenToMint {
  /** The HS256 key: the same text as the server's secret. */
  secret: string
  sub: string
  name?: string
  username?: string
  /** Space-separated; `service` for the host's back end. */
  scope?: string
  issuer?: string
  audience?: string
  expiresInSeconds: number
  /** Milliseconds since the epoch: the token is issued then. */
  now: number
}

/** A token signed with the shared secret, as a host would make it; for development. */
export function mintToken(token: TokenToMint): Promise<string> {
  const { sub, name, username, scope, issuer, audience } = token
  const iat = Math.floor(token.now / 1000)
  const exp = iat + token.expiresInSeconds
  return new SignJWT({ iss: issuer, aud: audience, sub, name, username, scope, iat, exp })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(new TextEncoder().encode(token.secret))
}
