import { connect } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Caller, exchange, openAcknowledged, openSocket } from '../security/ways.ts'
import { adaWithTwo, sendTo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'

let app: TestApp
let ada: Caller & { withBob: string }

/** How many subscriptions have come into effect. */
let subscriptions = 0

beforeAll(async () => {
  app = await startApp({ env: { RATE_LIMIT: '0' }, overrides: { onSubscribed: () => void subscriptions++ } })
  ada = await adaWithTwo(app)
})
afterAll(() => app.close())

const ask = (id: string, query = '{ __typename }') => ({ type: 'subscribe', id, payload: { query } })
const listen = (id: string) => ask(id, `subscription { messageAdded(conversationId: "${ada.withBob}") { body } }`)
const complete = (id: string) => ({ type: 'complete', id })
const conflict = (id: string) => ({ type: 'error', id, payload: [{ extensions: { code: 'CONFLICT' } }] })
const came = (id: string, body: string) => ({ type: 'next', id, payload: { data: { messageAdded: { body } } } })

describe('a socket', () => {
  it('takes any number of messages once it is acknowledged', async () => {
    const socket = await openAcknowledged(ada)
    for (let i = 0; i < 500; i++) {
      socket.send(ask(`q${i}`))
      expect(await socket.next()).toMatchObject({ type: 'next', id: `q${i}` })
      expect(await socket.next()).toEqual({ type: 'complete', id: `q${i}` })
    }
    socket.end()
  })

  it('answers a ping', async () => {
    const socket = await openAcknowledged(ada)
    socket.send({ type: 'ping', payload: { a: 1 } })
    expect(await socket.next()).toEqual({ type: 'pong' })
    socket.send({ type: 'pong' })
    socket.send(ask('1'))
    expect(await socket.next()).toMatchObject({ type: 'next', id: '1' })
    socket.end()
  })

  it('carries queries, mutations and subscriptions side by side', async () => {
    const socket = await openAcknowledged(ada)
    const begun = subscriptions
    socket.send(listen('s'))
    socket.send(ask('m', `mutation { sendMessage(input: {conversationId: "x", body: "x"}) { deduplicated } }`))
    socket.send(ask('q'))
    const ids = [await socket.next(), await socket.next(), await socket.next(), await socket.next()].map((m) => m?.id)
    expect(ids.sort()).toEqual(['m', 'm', 'q', 'q'])
    // Or it would begin under the tests that count.
    await vi.waitFor(() => expect(subscriptions).toBe(begun + 1), { timeout: 30_000 })
    socket.end()
  })

  it('may use an id again once the operation has ended', async () => {
    const socket = await openAcknowledged(ada)
    for (let i = 0; i < 3; i++) {
      socket.send(ask('1'))
      expect(await socket.next()).toMatchObject({ type: 'next' })
      expect(await socket.next()).toEqual({ type: 'complete', id: '1' })
    }
    socket.end()
  })

  it('never has two streams of one id, one of which it could not end', async () => {
    const socket = await openAcknowledged(ada)
    const begun = subscriptions
    for (const message of [listen('1'), complete('1'), listen('1')]) socket.send(message)
    expect(await socket.next()).toMatchObject(conflict('1'))
    await vi.waitFor(() => expect(subscriptions).toBe(begun + 1), { timeout: 30_000 })

    socket.send(listen('2'))
    await vi.waitFor(() => expect(subscriptions).toBe(begun + 2), { timeout: 30_000 })
    for (const body of ['one', 'two']) {
      await sendTo(app.as('ada'), ada.withBob, body)
      expect(await socket.next()).toEqual(came('2', body))
    }
    socket.end()
  })

  it('has at most 100 operations at once, those included that it completed before they had begun', async () => {
    const database = new pg.Client(app.databaseUrl)
    await database.connect()
    await database.query('BEGIN')
    await database.query('LOCK TABLE participants')
    const socket = await openAcknowledged(ada)
    for (let i = 1; i <= 100; i++) {
      socket.send(listen(`s${i}`))
      socket.send(complete(`s${i}`))
    }
    socket.send(listen('s101'))
    expect(await socket.next()).toMatchObject(conflict('s101'))
    await database.end()
    await vi.waitFor(
      async () => {
        socket.send(ask('1'))
        expect(await socket.next()).toMatchObject({ type: 'next', id: '1' })
      },
      { timeout: 30_000 },
    )
    socket.end()
  })

  it('that is not read is closed, with a code that clients come back from', async () => {
    const socket = await openAcknowledged(ada)
    socket.ws.pause()
    // Each is answered by more than its own length.
    for (let i = 0; i < 400; i++) socket.send(ask(`${i}`, `{ ${'x'.repeat(100_000)} }`))
    await vi.waitFor(() => expect(socket.ws.bufferedAmount).toBe(0), { timeout: 10_000 })
    socket.ws.resume()
    expect((await socket.closed).code).toBe(1013)
  })
})

describe('58 sockets of one address that show no token', () => {
  const open = (url: string, forwarded?: string) =>
    openSocket(url, forwarded ? { headers: { 'x-forwarded-for': forwarded } } : {})

  it('are capped; one that shows a token, or goes, makes room', async () => {
    const app = await startApp({ env: { MAX_UNAUTHENTICATED_SOCKETS: '3' } })
    const token = await app.as('ada').token
    const sockets = await Promise.all([open(app.url), open(app.url), open(app.url)])
    await expect(open(app.url)).rejects.toThrow('429')
    // Nobody is taken in by an address that the client makes up.
    await expect(open(app.url, '192.0.2.1')).rejects.toThrow('429')

    sockets[0].send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    expect(await sockets[0].next()).toEqual({ type: 'connection_ack' })
    sockets.push(await open(app.url))
    await expect(open(app.url)).rejects.toThrow('429')

    sockets[1].end()
    sockets[2].send({ type: 'connection_init', payload: { authorization: 'Bearer x' } })
    expect((await sockets[2].closed).code).toBe(4403)
    await vi.waitFor(async () => sockets.push(await open(app.url), await open(app.url)), { timeout: 30_000 })
    await expect(open(app.url)).rejects.toThrow('429')
    // Refused upgrades and the end of an acknowledged socket count for nothing.
    sockets[0].end()
    await sockets[0].closed
    await expect(open(app.url)).rejects.toThrow('429')
    for (const socket of sockets) socket.end()
    await app.close()
  })

  it('are counted by the address that TRUST_PROXY lets one believe', async () => {
    const app = await startApp({ env: { MAX_UNAUTHENTICATED_SOCKETS: '1', TRUST_PROXY: '2' } })
    // The last but one was written by the outermost proxy of one's own; what stands before it, by anybody.
    const first = await open(app.url, 'made up, 192.0.2.1, 10.0.0.1')
    await expect(open(app.url, 'made up anew, 192.0.2.1, 10.0.0.9')).rejects.toThrow('429')
    await expect(open(app.url, '192.0.2.1,10.0.0.1')).rejects.toThrow('429')
    const other = await open(app.url, '192.0.2.1, 192.0.2.2, 10.0.0.1')
    // Not by way of the proxies: the address of the connection.
    const direct = await open(app.url)
    await expect(open(app.url, '10.0.0.1')).rejects.toThrow('429')
    for (const socket of [first, other, direct]) socket.end()
    await app.close()
  })
})

describe('58 connections that do nothing, or hardly anything', () => {
  const upgrade =
    'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n'
  const connections = {
    'say nothing': { says: '' },
    'send their headers byte by byte': { says: 'GET /graphql HTTP/1.1\r\nX: ', drips: true },
    'were refused and stay': { says: `${upgrade}Origin: https://evil.example\r\n\r\n` },
    'were upgraded and answer no close': { says: `${upgrade}\r\n` },
  }
  for (const [what, { says, ...rest }] of Object.entries(connections)) {
    it.concurrent(`that ${what} are gone in the end`, { timeout: 60_000 }, async () => {
      const { hostname: host, port } = new URL(app.url)
      const connection = connect({ host, port: Number(port), allowHalfOpen: true })
      const closed = new Promise((resolve) => connection.on('error', () => {}).on('close', resolve))
      connection.resume()
      connection.write(says)
      // This side stays open; that there is nobody on the other any more is told to those who go on writing.
      let drips = 'drips' in rest
      connection.on('end', () => {
        drips = true
      })
      const dripping = setInterval(() => drips && connection.writable && connection.write('x'), 100)
      await closed
      clearInterval(dripping)
    })
  }
})

describe('when the server stops', () => {
  it('sockets are told to come back elsewhere, and nobody can hold it up', { timeout: 40_000 }, async () => {
    let begin = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const app = await startApp({ overrides: { onSubscribed: () => begin() } })
    const ada = await adaWithTwo(app)
    const socket = await openAcknowledged(ada)
    const stubborn = await openAcknowledged(ada)
    stubborn.ws.pause()
    const stream = exchange(app.url, {
      headers: { 'content-type': 'application/json', authorization: ada.authorization, accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { messageAdded { id } }' }),
    }).catch((error: Error) => error)
    await begun
    await app.close()
    expect((await socket.closed).code).toBe(1012)
    expect(await stream).toBeInstanceOf(Error)
    stubborn.end()
  })
})
