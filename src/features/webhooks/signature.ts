import { createHmac, randomBytes } from 'node:crypto'

// Standard Webhooks 1.0: https://www.standardwebhooks.com

const PREFIX = 'whsec_'
const SECRET_BYTES = 32

/** A new secret, in the form in which receivers are given it. */
export function newSecret(): string {
  return PREFIX + randomBytes(SECRET_BYTES).toString('base64')
}

/** The signature header: one for each secret, so that a receiver may know either. */
export function signatureOf(secrets: readonly string[], id: string, timestamp: number, body: string): string {
  return secrets.map((secret) => `v1,${sign(secret, `${id}.${timestamp}.${body}`)}`).join(' ')
}

function sign(secret: string, content: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64')
  return createHmac('sha256', key).update(content).digest('base64')
}
