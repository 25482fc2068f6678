import type { LookupAddress, LookupAllOptions, LookupOptions } from 'node:dns'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { isPublicAddress, publicLookup, type Resolve } from '../../src/features/webhooks/addresses.ts'
import { createPoster, type Poster } from '../../src/features/webhooks/request.ts'
import { type Receiver, startReceiver } from './receiver.ts'

// Webhooks go to public addresses alone. A receiver on this machine stands for what nobody may reach.

let receiver: Receiver
/** Its port. */
let port: string
const posters: Poster[] = []

beforeAll(async () => {
  receiver = await startReceiver()
  port = new URL(receiver.url).port
})
afterAll(async () => {
  for (const poster of posters) poster.abort()
  await receiver.stop()
})
beforeEach(() => {
  receiver.received.length = 0
})

const REFUSED = { httpStatus: null, error: 'The address is not a public one.', retryAfter: null }
const body = '{}'
const headers = { 'webhook-id': 'x' }

/** Gives each answer once, the last one for ever: as a name server that changes its mind. */
function resolver(answers: LookupAddress[][]) {
  const asked: string[] = []
  const resolve = ((name: string, _options: LookupAllOptions, callback: (...args: unknown[]) => void) => {
    asked.push(name)
    const found = answers.length > 1 ? answers.shift()! : (answers[0] ?? [])
    setImmediate(() => callback(null, found))
  }) as unknown as Resolve
  return { resolve, asked }
}

function poster(answers: LookupAddress[][] = []) {
  const { resolve, asked } = resolver(answers)
  const made = createPoster({ allowPrivate: false, resolve })
  posters.push(made)
  return { post: (url: string) => made.post({ url, headers, body }), asked }
}

const PRIVATE = [
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '::ffff:a9fe:a9fe',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::808:808',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  '3fff::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  'localhost',
  '',
]
const PUBLIC = ['1.1.1.1', '8.8.8.8', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1', '2606:4700::1111']

test.each(PRIVATE)('%s is no public address', (address) => expect(isPublicAddress(address)).toBe(false))
test.each(PUBLIC)('%s is a public address', (address) => expect(isPublicAddress(address)).toBe(true))

test.each([
  '127.0.0.1',
  '2130706433',
  '0x7f000001',
  '0177.1',
  '127.1',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '169.254.169.254',
])('nothing is sent to the address %s, which no name stands for', async (host) => {
  expect(await poster().post(`https://${host}:${port}/`)).toEqual(REFUSED)
  expect(receiver.received).toEqual([])
})

test('nothing is sent over http, whatever the outbox says', async () => {
  expect(await poster().post(`http://receiver.example:${port}/`)).toEqual(REFUSED)
})

test.each([
  [[{ address: '127.0.0.1', family: 4 }]],
  [[{ address: '::1', family: 6 }]],
  [[{ address: '::ffff:127.0.0.1', family: 6 }]],
  [
    [
      { address: '1.1.1.1', family: 4 },
      { address: '127.0.0.1', family: 4 },
    ],
  ],
  [[]],
])('nothing is sent to a name of %j', async (addresses) => {
  const { post, asked } = poster([addresses])
  expect(await post(`https://receiver.example:${port}/`)).toEqual(REFUSED)
  expect(asked).toEqual(['receiver.example'])
  expect(receiver.received).toEqual([])
})

test('localhost, as this machine resolves it, is refused', async () => {
  const made = createPoster({ allowPrivate: false })
  posters.push(made)
  expect(await made.post({ url: `https://localhost:${port}/`, headers, body })).toEqual(REFUSED)
})

test('what is connected to is what was checked: a name that is another address’s a moment later gains nothing', async () => {
  const { resolve, asked } = resolver([[{ address: '1.1.1.1', family: 4 }], [{ address: '127.0.0.1', family: 4 }]])
  const lookup = (options: LookupOptions) =>
    new Promise((settle) => {
      publicLookup(resolve)('receiver.example', options, (error, ...found) => settle(error?.message ?? found))
    })
  // As node:net asks, once for each connection, and connects to what it is given.
  expect(await lookup({ all: true })).toEqual([[{ address: '1.1.1.1', family: 4 }]])
  expect(asked).toHaveLength(1)
  expect(await lookup({ all: true })).toBe(REFUSED.error)
  const one = resolver([[{ address: '1.1.1.1', family: 4 }]])
  expect(
    await new Promise((settle) => {
      publicLookup(one.resolve)('receiver.example', {}, (_error, ...found) => settle(found))
    }),
  ).toEqual(['1.1.1.1', 4])
})

test('the setting for development opens them', async () => {
  const made = createPoster({ allowPrivate: true })
  posters.push(made)
  expect(await made.post({ url: `http://localhost:${port}/`, headers, body })).toMatchObject({ httpStatus: 204 })
  expect(receiver.received).toHaveLength(1)
})
