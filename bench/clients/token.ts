import { createHmac } from 'node:crypto'

/** An HS256 token for an hour; by hand, as there may be thousands. */
export function signToken(secret: string, sub: string): string {
  const iat = Math.floor(Date.now() / 1000)
  const input = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, iat, exp: iat + 3_600 })}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
