import { createHmac, timingSafeEqual } from 'node:crypto'

/** Requests that are older or newer than this are refused, so that a stolen one can't be sent again later. */
const TOLERANCE_SECONDS = 5 * 60

/** The headers of a webhook, as node:http and express have them: by lower-case names. */
export type WebhookHeaders = Record<string, string | string[] | undefined>

/**
 * Whether a request came from Parley, unchanged and just now. `body` is the body as it came, before JSON.parse; `secret`
 * is what createWebhookEndpoint gave, with its whsec_.
 */
export function isFromParley(secret: string, headers: WebhookHeaders, body: string, now = Date.now()): boolean {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const signatures = headers['webhook-signature']
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest()
  // One for each secret that is in use; versions that aren't known here are passed over.
  return signatures.split(' ').some((each) => {
    const [version, signature = ''] = each.split(',')
    const given = Buffer.from(signature, 'base64')
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
  })
}
