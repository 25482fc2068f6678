import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { isFromParley } from '../../examples/webhook-receiver.ts'
import { newSecret, signatureOf } from '../../src/features/webhooks/signature.ts'

// The official library on one side, ours on the other: what we sign it verifies, what it signs our example verifies.

const secret = newSecret()
const other = newSecret()
const id = 'V2ViaG9va0RlbGl2ZXJ5'
const body = '{"type":"message.added","text":"grüße 💥"}'
const now = Date.now()
const timestamp = Math.floor(now / 1_000)

const headersFor = (secrets: string[], at = timestamp) => ({
  'webhook-id': id,
  'webhook-timestamp': String(at),
  'webhook-signature': signatureOf(secrets, id, at, body),
})

test('what is signed here the official library verifies, during an overlap with either secret', () => {
  expect(new Webhook(secret).verify(body, headersFor([secret]))).toEqual(JSON.parse(body))
  expect(new Webhook(secret).verify(body, headersFor([other, secret]))).toEqual(JSON.parse(body))
  expect(new Webhook(other).verify(body, headersFor([other, secret]))).toEqual(JSON.parse(body))
  expect(() => new Webhook(other).verify(body, headersFor([secret]))).toThrow()
})

test('what the official library signs the example verifies', () => {
  const signature = new Webhook(secret).sign(id, new Date(now), body)
  const headers = { ...headersFor([]), 'webhook-signature': signature }
  expect(isFromParley(secret, headers, body, now)).toBe(true)
  expect(isFromParley(other, headers, body, now)).toBe(false)
})

test('the example takes any of several signatures', () => {
  const headers = headersFor([other, secret])
  expect(isFromParley(secret, headers, body, now)).toBe(true)
  expect(isFromParley(other, headers, body, now)).toBe(true)
  const unknown = { ...headers, 'webhook-signature': `v1a,AAAA ${headers['webhook-signature']} v2,BBBB` }
  expect(isFromParley(secret, unknown, body, now)).toBe(true)
})

test('the example refuses what is replayed after five minutes, and what comes from the future', () => {
  const headers = headersFor([secret])
  const at = (seconds: number) => isFromParley(secret, headers, body, (timestamp + seconds) * 1_000)
  expect([0, 299, -299].map(at)).toEqual([true, true, true])
  expect([301, -301, 86_400].map(at)).toEqual([false, false, false])
})

test.each<[string, Record<string, string | string[] | undefined>, string?]>([
  ['another body', {}, body.replace('added', 'edited')],
  ['a body with another end', {}, `${body} `],
  ['another id', { 'webhook-id': 'x' }],
  ['another time', { 'webhook-timestamp': String(timestamp - 1) }],
  ['a time that is none', { 'webhook-timestamp': 'NaN' }],
  ['no time', { 'webhook-timestamp': undefined }],
  ['no id', { 'webhook-id': undefined }],
  ['no signature', { 'webhook-signature': undefined }],
  ['an empty signature', { 'webhook-signature': '' }],
  ['a signature without its version', { 'webhook-signature': headersFor([secret])['webhook-signature'].slice(3) }],
  ['another version', { 'webhook-signature': headersFor([secret])['webhook-signature'].replace('v1,', 'v2,') }],
  ['a signature cut short', { 'webhook-signature': headersFor([secret])['webhook-signature'].slice(0, 20) }],
  ['two headers', { 'webhook-signature': [headersFor([secret])['webhook-signature'], 'v1,x'] }],
])('the example refuses %s', (_what, headers, text = body) => {
  expect(isFromParley(secret, { ...headersFor([secret]), ...headers }, text, now)).toBe(false)
})

test('secrets are of the standard’s form, each another', () => {
  expect(secret).toMatch(/^whsec_/)
  expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32)
  expect(secret).not.toBe(other)
})
