import { connect } from 'node:net'
import { print } from 'graphql'
import { createClient as createSseClient } from 'graphql-sse'
import { createClient } from 'graphql-ws'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import WebSocket from 'ws'
import { parseConfig } from '../../src/config.ts'
import { uuidOf } from '../features/support.ts'
import { MessageAddedDocument, type MessageAddedSubscription } from '../generated/graphql.ts'
import { exchange, openAcknowledged, openSocket, type RawSocket } from '../security/ways.ts'
import { adaWithTwo, sendTo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { provideRedis } from '../support/redis.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { type Stream, streamOf } from '../support/stream.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'

// What clients and load balancers see of a server that is told to stop: a process of its own, beside one that goes on.

let redis: Awaited<ReturnType<typeof provideRedis>>
let there: TestApp
let database: pg.Client
let holder: pg.Client
let ada: Awaited<ReturnType<typeof adaWithTwo>>
const started: ServerProcess[] = []

beforeAll(async () => {
  redis = await provideRedis()
  there = await startApp({ env: { REDIS_URL: redis.url, RATE_LIMIT: '0' } })
  ada = await adaWithTwo(there)
  database = new pg.Client(there.databaseUrl)
  holder = new pg.Client(there.databaseUrl)
  await Promise.all([database.connect(), holder.connect()])
})
afterEach(async () => {
  await holder.query('ROLLBACK')
  for (const server of started.splice(0)) await server.end('SIGKILL')
})
afterAll(async () => {
  await Promise.all([database.end(), holder.end()])
  await there.close()
  await redis.stop()
})

async function startHere(env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await startServerProcess({
    NODE_ENV: 'production',
    DATABASE_URL: there.databaseUrl,
    REDIS_URL: redis.url,
    ...env,
  })
  started.push(server)
  return server
}

const headers = () => ({ authorization: ada.authorization, 'content-type': 'application/json' })
const send = (body: string) =>
  `mutation { sendMessage(input: {conversationId: "${ada.withBob}", body: "${body}"}) { message { body } } }`
const sent = (body: string) => ({ data: { sendMessage: { message: { body } } } })
const post = ({ url }: ServerProcess, query: string) =>
  exchange(url, { headers: headers(), body: JSON.stringify({ query }) })

/** Holds the conversation's row and whoever wants to send to it. */
async function holdConversation() {
  await holder.query('BEGIN')
  await holder.query('SELECT FROM conversations WHERE id = $1 FOR UPDATE', [uuidOf(ada.withBob)])
}

/** Until a call waits for the row; what is sent while it does so may go with it or behind it. */
async function untilHeld() {
  const query = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
  await until(async () => expect((await database.query(query)).rowCount).toBe(1))
}

/** Until what was sent on a socket before is under way. */
async function untilTaken(socket: RawSocket) {
  socket.send({ type: 'subscribe', id: 'behind', payload: { query: '{ __typename }' } })
  expect(await socket.next()).toMatchObject({ type: 'next', id: 'behind' })
  expect(await socket.next()).toEqual({ type: 'complete', id: 'behind' })
}

const ready = (server: ServerProcess) => exchange(server.url, { method: 'GET', path: '/readyz' })
const untilDraining = (server: ServerProcess) => until(async () => expect((await ready(server)).status).toBe(503))

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 20 })

describe('a server that is told to stop', { timeout: 120_000 }, () => {
  it('says so, answers what is under way and what comes, and takes no sockets', async () => {
    const here = await startHere({ DRAIN_SECONDS: '12' })
    const socket = await openAcknowledged({ ...ada, url: here.url })
    await holdConversation()
    const slow = post(here, send('by HTTP'))
    await untilHeld()
    socket.send({ type: 'subscribe', id: 'stays', payload: { query: 'subscription { messageAdded { id } }' } })
    socket.send({ type: 'subscribe', id: 'slow', payload: { query: send('by WebSocket') } })
    await untilTaken(socket)

    const ended = here.end('SIGTERM')
    await untilDraining(here)
    await holder.query('ROLLBACK')
    expect((await ready(here)).headers).toMatchObject({ connection: 'close' })
    expect(JSON.parse((await ready(here)).text)).toMatchObject({ status: 'draining', database: 'up' })
    expect(await exchange(here.url, { method: 'GET', path: '/healthz' })).toMatchObject({ status: 200 })
    await expect(openSocket(here.url)).rejects.toThrow('503')
    const answer = await post(here, '{ __typename }')
    expect(answer).toMatchObject({ status: 200, headers: { connection: 'close' } })
    const stream = await exchange(here.url, {
      headers: { ...headers(), accept: 'text/event-stream' },
      body: JSON.stringify({ query: 'subscription { messageAdded { id } }' }),
    })
    expect(stream.status).toBe(503)

    const { status, headers: head, text } = await slow
    expect({ status, connection: head.connection }).toEqual({ status: 200, connection: 'close' })
    expect(JSON.parse(text)).toEqual(sent('by HTTP'))
    const heard = []
    for (let message = await socket.next(); message; message = await socket.next()) heard.push(message)
    expect(heard).toContainEqual({ type: 'next', id: 'slow', payload: sent('by WebSocket') })
    expect(heard).toContainEqual({ type: 'complete', id: 'slow' })
    expect(heard).not.toContainEqual({ type: 'complete', id: 'stays' })
    expect((await socket.closed).code).toBe(1012)
    expect(await ended).toEqual({ code: 0, signal: null })
  })

  it('answers a mutation that outlasts the drain, over either transport', async () => {
    const here = await startHere({ DRAIN_SECONDS: '0' })
    const socket = await openAcknowledged({ ...ada, url: here.url })
    await holdConversation()
    const slow = post(here, send('late'))
    await untilHeld()
    socket.send({ type: 'subscribe', id: 'slow', payload: { query: send('late too') } })
    await untilTaken(socket)

    const ended = here.end('SIGINT')
    await until(() => expect(ready(here)).rejects.toThrow('ECONNREFUSED'))
    await holder.query('ROLLBACK')

    expect(JSON.parse((await slow).text)).toEqual(sent('late'))
    expect(await socket.next()).toEqual({ type: 'next', id: 'slow', payload: sent('late too') })
    expect(await socket.next()).toEqual({ type: 'complete', id: 'slow' })
    expect((await socket.closed).code).toBe(1012)
    expect(await ended).toEqual({ code: 0, signal: null })
  })

  it('sends its clients to another, one by one', async () => {
    const here = await startHere()
    const closes: { code: number; at: number }[] = []
    const sockets = Array.from({ length: 20 }, () =>
      socketClient(here, (code) => closes.push({ code, at: Date.now() })),
    )
    const eventStreams = Array.from({ length: 3 }, () => eventStreamClient(here))
    const streams = [...sockets, ...eventStreams]

    await untilAllHear(streams, 'before')
    expect(await here.end('SIGTERM')).toEqual({ code: 0, signal: null })
    await untilAllHear(streams, 'after')

    expect(closes.map(({ code }) => code)).toEqual(sockets.map(() => 1012))
    const times = closes.map(({ at }) => at)
    // In five seconds.
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(500)
    for (const stream of streams) stream.stop()
  })

  it('ends whatever clients and the database do', async () => {
    const url = new URL(there.databaseUrl)
    const proxy = await createTcpProxy({ port: Number(url.port) })
    url.hostname = '127.0.0.1'
    url.port = String(proxy.port)
    const here = await startHere({ DATABASE_URL: url.href, DRAIN_SECONDS: '1' })
    // One that answers no close frame, one that was never acknowledged, and one that never ends its headers.
    const deaf = await openAcknowledged({ ...ada, url: here.url })
    deaf.ws.pause()
    const silent = await openSocket(here.url)
    silent.ws.pause()
    const { hostname: host, port } = new URL(here.url)
    const endless = connect({ host, port: Number(port), allowHalfOpen: true }).on('error', () => {})
    endless.write('POST /graphql HTTP/1.1\r\nHost: x\r\n')
    // Several connections to the database, most of which are idle then.
    await Promise.all(Array.from({ length: 8 }, () => post(here, '{ conversations { edges { node { id } } } }')))
    proxy.blackhole()
    const stuck = post(here, send('stuck')).catch((error: Error) => error)

    const begun = Date.now()
    expect(await here.end('SIGTERM')).toEqual({ code: 0, signal: null })

    expect(Date.now() - begun).toBeLessThan(30_000)
    expect(await stuck).toBeInstanceOf(Error)
    for (const socket of [deaf, silent]) socket.end()
    endless.destroy()
    await proxy.close()
  })

  it('ends at once when it is told twice', async () => {
    const here = await startHere({ DRAIN_SECONDS: '15' })
    const ended = here.end('SIGTERM')
    await untilDraining(here)
    here.process.kill('SIGINT')
    expect(await ended).toEqual({ code: 1, signal: null })
  })
})

it('there is a drain in production unless it is set otherwise, and none elsewhere', () => {
  const production = { NODE_ENV: 'production', JWT_SECRET: 'x'.repeat(32) }
  expect(parseConfig(production)).toMatchObject({ drainSeconds: 5 })
  expect(parseConfig({ ...production, DRAIN_SECONDS: '0' })).toMatchObject({ drainSeconds: 0 })
  expect(parseConfig({})).toMatchObject({ drainSeconds: 0 })
  expect(() => parseConfig({ DRAIN_SECONDS: '16' })).toThrow('DRAIN_SECONDS must be a whole number from 0 to 15.')
})

/** First at the server given, then wherever it is let in. */
function urls(first: ServerProcess) {
  const nodes = [first.url, there.url]
  let tries = 0
  return () => `${nodes[tries++ % nodes.length]}/graphql`
}

const followed = () => ({ query: print(MessageAddedDocument), variables: { conversationId: ada.withBob } })

function socketClient(first: ServerProcess, closed: (code: number) => void): Stream<MessageAddedSubscription> {
  const next = urls(first)
  const client = createClient({
    url: () => next().replace('http', 'ws'),
    webSocketImpl: WebSocket,
    connectionParams: { authorization: ada.authorization },
    retryAttempts: 100,
    retryWait: async () => {},
    on: { closed: (event) => closed((event as CloseEvent).code) },
  })
  return streamOf((sink) => client.subscribe(followed(), sink))
}

function eventStreamClient(first: ServerProcess): Stream<MessageAddedSubscription> {
  const client = createSseClient({
    url: urls(first),
    headers: { authorization: ada.authorization },
    retryAttempts: 100,
    retry: async () => {},
  })
  return streamOf((sink) => client.subscribe(followed(), sink))
}

/** Sends until everybody has heard it: nobody is told when a subscription of theirs is in effect. */
async function untilAllHear(streams: Stream<MessageAddedSubscription>[], body: string) {
  const hear = streams.map((stream) => stream.until(({ messageAdded }) => messageAdded.body === body))
  const all = Promise.all(hear).then(() => true)
  while (!(await Promise.race([all, sendTo(there.as('ada'), ada.withBob, body).then(() => false)])));
}
