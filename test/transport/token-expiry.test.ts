import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { mintToken } from '../../src/lib/token.ts'
import { SECRET, startApp, type TestApp } from '../support/app.ts'

// Tokens grow old on open sockets too. A server accepts one for 5 s more than it says, so one that ended 4 s ago is
// accepted for a second.

let app: TestApp

beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app.close())

const tokenOf = (sub: string, expiresInSeconds: number, scope = '') =>
  mintToken({ secret: SECRET, sub, scope, expiresInSeconds, now: Date.now() })

interface Message {
  id?: string
  type: string
  payload?: unknown
}

/** A socket that speaks the protocol by hand, acknowledged. */
async function connect(token: string, actAs?: string) {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const closed = once(socket, 'close').then(([code]) => code as number)
  const received: Message[] = []
  socket.on('message', (data) => received.push(JSON.parse(String(data))))
  const send = (message: Message) => socket.send(JSON.stringify(message))
  /** The next message of a type, waited for. */
  async function next(type: string): Promise<Message> {
    for (;;) {
      const index = received.findIndex((message) => message.type === type)
      if (index >= 0) return received.splice(index, 1)[0]!
      await once(socket, 'message')
    }
  }
  await once(socket, 'open')
  send({ type: 'connection_init', payload: { authorization: `Bearer ${token}`, actAs } })
  await next('connection_ack')
  return { socket, closed, send, next }
}

const viewer = { type: 'subscribe', id: '1', payload: { query: '{ viewer { externalId } }' } }

test('a socket is closed with 4403 when its token has expired', async () => {
  const { closed } = await connect(await tokenOf('ada', -4))
  expect(await closed).toBe(4403)
})

test('a service’s socket too', async () => {
  const { closed } = await connect(await tokenOf('host', -4, 'service'))
  expect(await closed).toBe(4403)
})

test('an event stream ends when its token has expired', async () => {
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenOf('ada', -4)}`,
      accept: 'text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ query: 'subscription { messageAdded { id } }' }),
  })
  expect(await response.text()).toContain('event: complete')
})

test('a fresh token is handed over on the open socket, which outlives the old one', async () => {
  const first = await connect(await tokenOf('ada', -4))
  const second = await connect(await tokenOf('ada', -4))
  const fresh = await tokenOf('ada', 3600)
  const expiresAt = JSON.parse(Buffer.from(fresh.split('.')[1]!, 'base64url').toString()).exp * 1000
  first.send({ type: 'ping', payload: { authorization: `Bearer ${fresh}` } })
  expect(await first.next('pong')).toEqual({
    type: 'pong',
    payload: { expiresAt: new Date(expiresAt).toISOString() },
  })
  expect(await second.closed).toBe(4403)
  first.send(viewer)
  expect(await first.next('next')).toMatchObject({ payload: { data: { viewer: { externalId: 'ada' } } } })
  first.socket.close()
})

test('operations beside the renewal do not bring the old token back', async () => {
  const old = await connect(await tokenOf('ada', -4))
  const fresh = await tokenOf('ada', 3600)
  const sockets = await Promise.all(Array.from({ length: 6 }, async () => connect(await tokenOf('ada', -4))))
  const renewed = sockets.map(async ({ send, next }) => {
    for (let id = 2; id < 6; id++) send({ ...viewer, id: `${id}` })
    send({ type: 'ping', payload: { authorization: `Bearer ${fresh}` } })
    // Some begin before the renewal is done, and end after it.
    for (let id = 6; id < 26; id++) {
      send({ ...viewer, id: `${id}` })
      await setImmediate()
    }
    for (let id = 2; id < 26; id++) await next('next')
    return next('pong')
  })
  await Promise.all(renewed)
  expect(await old.closed).toBe(4403)
  for (const { socket, send, next } of sockets) {
    send(viewer)
    expect(await next('next')).toMatchObject({ id: '1', payload: { data: { viewer: { externalId: 'ada' } } } })
    socket.close()
  }
})

test('a service that acts for a user goes on doing so with a fresh token', async () => {
  const bo = await connect(await tokenOf('bo', 60))
  bo.send(viewer)
  await bo.next('next')
  bo.socket.close()
  const { socket, send, next } = await connect(await tokenOf('host', 60, 'service'), 'bo')
  send({ type: 'ping', payload: { authorization: `Bearer ${await tokenOf('host', 3600, 'service')}` } })
  await next('pong')
  send(viewer)
  expect(await next('next')).toMatchObject({ payload: { data: { viewer: { externalId: 'bo' } } } })
  socket.close()
})

test.each([
  ['that is refused', async () => 'x.y.z'],
  ['of somebody else', () => tokenOf('cy', 3600)],
  ['of a service', () => tokenOf('host', 3600, 'service')],
])('a fresh token %s closes the socket with 4403', async (_, token) => {
  const { closed, send } = await connect(await tokenOf('ada', 3600))
  send({ type: 'ping', payload: { authorization: `Bearer ${await token()}` } })
  expect(await closed).toBe(4403)
})

test('any other ping is answered without its payload', async () => {
  const { socket, send, next } = await connect(await tokenOf('ada', 3600))
  for (const payload of [undefined, {}, { x: 'y'.repeat(10_000) }]) {
    send({ type: 'ping', ...(payload && { payload }) })
    expect(await next('pong')).toEqual({ type: 'pong' })
  }
  socket.close()
})
