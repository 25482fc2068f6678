import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto'

// Tokens are put together by hand, not by the library that checks them, so that each can be wrong in any way.

/** The shared secret of the tests' servers. */
export const tokenSecret = 'a shared secret of the tests, long enough for HS256'

export type Signer = (input: string) => Buffer

export const signHs256 =
  (key: string | Buffer): Signer =>
  (input) =>
    createHmac('sha256', key).update(input).digest()

/** No signature at all, as with alg none. */
export const unsigned: Signer = () => Buffer.alloc(0)

const encode = (part: unknown) =>
  (Buffer.isBuffer(part) ? part : Buffer.from(typeof part === 'string' ? part : JSON.stringify(part))).toString(
    'base64url',
  )

/** header.payload.signature; a header or payload given as a string or Buffer goes in as it is, as JSON otherwise. */
export function rawToken(header: unknown, payload: unknown, signer: Signer): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${signer(input).toString('base64url')}`
}

/** Claims of a valid token: sub ada, issued at `now` (milliseconds), for an hour. An override with undefined removes. */
export function claims(overrides: Record<string, unknown> = {}, now = Date.now()): Record<string, unknown> {
  const iat = Math.floor(now / 1000)
  return { sub: 'ada', iat, exp: iat + 3600, ...overrides }
}

/** A token signed with the shared secret, valid unless the overrides make it otherwise. */
export function token(overrides: Record<string, unknown> = {}, now = Date.now()): string {
  return rawToken({ alg: 'HS256', typ: 'JWT' }, claims(overrides, now), signHs256(tokenSecret))
}

export interface KeyPair {
  alg: string
  kid: string
  privateKey: KeyObject
  publicKey: KeyObject
  /** The public key as it stands in a JSON Web Key Set. */
  jwk: JsonWebKey & { kid: string }
}

/** A new key pair: `alg` is RS256, PS256, ES256 or the like, or EdDSA. */
export function keyPair(alg: string, kid: string): KeyPair {
  const { privateKey } = newKey(alg)
  const publicKey = createPublicKey(privateKey)
  return { alg, kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

function newKey(alg: string): { privateKey: KeyObject } {
  const curves: Record<string, string> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }
  const namedCurve = curves[alg]
  if (namedCurve) return generateKeyPairSync('ec', { namedCurve })
  if (alg === 'EdDSA' || alg === 'Ed25519') return generateKeyPairSync('ed25519')
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

/** Signs as the pair's alg says. */
export function signWith({ alg, privateKey }: KeyPair): Signer {
  const hash = /^(?:RS|PS|ES)(256|384|512)$/.exec(alg)?.[1]
  // 6 is RSA_PKCS1_PSS_PADDING; the salt is as long as the hash, as RFC 7518 wants it.
  const pss = alg.startsWith('PS') ? { padding: 6, saltLength: Number(hash) / 8 } : {}
  return (input) =>
    sign(hash ? `sha${hash}` : null, Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363', ...pss })
}

/** A token signed with the pair's private key, valid unless the overrides make it otherwise. */
export function tokenOf(
  pair: KeyPair,
  overrides: Record<string, unknown> = {},
  { header = {}, now = Date.now() }: { header?: Record<string, unknown>; now?: number } = {},
): string {
  return rawToken({ alg: pair.alg, kid: pair.kid, ...header }, claims(overrides, now), signWith(pair))
}

/** Tokens that say in some spelling that they need no signature, each with and without one. */
export function unsignedTokens(overrides: Record<string, unknown> = {}, now = Date.now()): Record<string, string> {
  const payload = claims(overrides, now)
  const [header, body] = token(overrides, now).split('.')
  const spellings = ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, undefined, ['none'], {}, 0, true]
  return Object.fromEntries([
    ...spellings.flatMap((alg) => {
      const name = `alg ${JSON.stringify(alg) ?? 'missing'}`
      return [
        [`${name}, no signature`, rawToken({ alg }, payload, unsigned)],
        [`${name}, signed all the same`, rawToken({ alg }, payload, signHs256(tokenSecret))],
      ]
    }),
    ['alg none, no third part', rawToken({ alg: 'none' }, payload, unsigned).slice(0, -1)],
    ['alg HS256, signature cut off', `${header}.${body}.`],
    ['alg HS256, no third part', `${header}.${body}`],
  ])
}

/** HS256 tokens made by somebody who knows nothing but a public key, and takes it for the shared secret. */
export function publicKeyForgeries(
  pair: KeyPair,
  overrides: Record<string, unknown> = {},
  now = Date.now(),
): Record<string, string> {
  const { publicKey, jwk, kid } = pair
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const bare = publicKey.export({ format: 'jwk' })
  const secrets: Record<string, string | Buffer> = {
    PEM: pem,
    'PEM without its last newline': pem.trimEnd(),
    'PEM padded with blanks': `\n  ${pem}  \n`,
    'PEM with CR LF': pem.replaceAll('\n', '\r\n'),
    DER: publicKey.export({ type: 'spki', format: 'der' }),
    'JWK as served': JSON.stringify(jwk),
    'JWK without kid, alg, use': JSON.stringify(bare),
    'the number in the JWK': Buffer.from(bare.n ?? bare.x ?? '', 'base64url'),
    ...(publicKey.asymmetricKeyType === 'rsa' && {
      'PKCS #1 PEM': publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    }),
  }
  return Object.fromEntries(
    Object.entries(secrets).flatMap(([name, secret]) => [
      [name, rawToken({ alg: 'HS256' }, claims(overrides, now), signHs256(secret))],
      [`${name}, with its kid`, rawToken({ alg: 'HS256', kid }, claims(overrides, now), signHs256(secret))],
    ]),
  )
}
