import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exchange, openSocket } from '../security/ways.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

// Case 58: thousands of connections of one attacker, each of which says one byte a second.

const CONNECTIONS = 5_000
/** How many connect at a time, so that none waits for room in the server's queue. */
const AT_ONCE = 250
/** Ten seconds, with slack for a slow machine. */
const GONE_WITHIN_MS = 50_000

let database: TestDatabase
let server: ServerProcess

beforeAll(async () => {
  database = await createTestDatabase()
  server = await startServerProcess({ NODE_ENV: 'test', DATABASE_URL: database.url, TRUST_PROXY: '1' })
})
afterAll(async () => {
  await server.end('SIGTERM')
  await database.drop()
})

interface Connection {
  socket: Socket
  /** The status line, once there is one. */
  status: string
  closed: Promise<unknown>
}

async function openAll(says: string): Promise<Connection[]> {
  const connections: Connection[] = []
  while (connections.length < CONNECTIONS) {
    connections.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => open(says)))))
  }
  return connections
}

function open(says: string): Promise<Connection> {
  const { port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    // This side stays open, whatever the other does.
    const socket = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
    socket.once('error', reject)
    const closed = new Promise((gone) => socket.on('close', gone))
    const connection: Connection = { socket, status: '', closed }
    socket.on('data', (data) => {
      connection.status ||= data.toString('latin1').split('\r\n', 1)[0]!
    })
    socket.once('connect', () => {
      socket.off('error', reject).on('error', () => {})
      socket.write(says)
      resolve(connection)
    })
  })
}

/** Says a byte on each once a second until all are closed; gives back how long that took. */
async function dripUntilGone(connections: Connection[]): Promise<number> {
  const begun = Date.now()
  const drip = setInterval(() => {
    for (const { socket } of connections) if (socket.writable) socket.write('x')
  }, 1_000)
  await Promise.all(connections.map(({ closed }) => closed))
  clearInterval(drip)
  return Date.now() - begun
}

/** Others are served meanwhile. */
async function expectService() {
  expect(await exchange(server.url, { method: 'GET', path: '/readyz' })).toMatchObject({ status: 200 })
  const socket = await openSocket(server.url, { headers: { 'x-forwarded-for': '192.0.2.2' } })
  socket.end()
}

const upgrade = [
  'GET /graphql HTTP/1.1',
  'Host: x',
  'X-Forwarded-For: 192.0.2.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: graphql-transport-ws',
].join('\r\n')
/** The head of a frame of text with 125 bytes, masked; what it says comes byte by byte. */
const frame = Buffer.from([0x81, 0xfd, 0, 0, 0, 0]).toString('latin1')

describe('58 5,000 connections of one address, one byte a second', { timeout: 180_000 }, () => {
  it('that never end their headers are all gone in 10 s', async () => {
    const connections = await openAll(`${upgrade}\r\nX: `)
    await expectService()
    expect(await dripUntilGone(connections)).toBeLessThan(GONE_WITHIN_MS)
    expect(connections.filter(({ status }) => status.includes('101'))).toEqual([])
  })

  it('that are upgraded are capped, and all gone in 10 s', async () => {
    const connections = await openAll(`${upgrade}\r\n\r\n${frame}`)
    await expectService()
    expect(await dripUntilGone(connections)).toBeLessThan(GONE_WITHIN_MS)
    const answered = (status: string) => connections.filter((connection) => connection.status.includes(status)).length
    // A hundred at a time; where connecting takes long, others come in when these have gone.
    expect(answered('101')).toBeGreaterThanOrEqual(100)
    expect(answered('101')).toBeLessThan(CONNECTIONS / 2)
    expect(answered('429')).toBeGreaterThan(0)
  })
})
