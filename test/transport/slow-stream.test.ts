import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { DeactivateUserDocument } from '../generated/graphql.ts'
import { adaWithTwo, sendTo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'

// Event streams whose client stops reading: nobody can tell it anything any more.

let app: TestApp
let ada: Awaited<ReturnType<typeof adaWithTwo>>
let begun = 0

beforeAll(async () => {
  app = await startApp({ overrides: { onSubscribed: () => void begun++ } })
  ada = await adaWithTwo(app)
})
afterAll(() => app.close())

/** 6 MB for each message: the operating system holds one or two. */
const FIELDS = Array.from({ length: 300 }, (_, i) => `a${i}: body`).join(' ')
const BODY = 'ж'.repeat(10_000)

/** An event stream of somebody's, in effect. */
async function openStream(token: string, conversationId: string): Promise<Socket> {
  const body = JSON.stringify({
    query: `subscription { messageAdded(conversationId: "${conversationId}") { ${FIELDS} } }`,
  })
  const { hostname: host, port } = new URL(app.url)
  const socket = connect({ host, port: Number(port) })
  const before = begun
  socket.write(
    `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: ${token}\r\nAccept: text/event-stream\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await vi.waitFor(() => expect(begun).toBe(before + 1), { timeout: 20_000 })
  return socket
}

/** Resolves when the server has broken the connection off. Only by writing does one who reads nothing hear of it. */
async function untilBrokenOff(socket: Socket) {
  socket.on('error', () => {})
  const beat = setInterval(() => socket.write('\r\n'), 100)
  await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(beat)
}

describe('the event stream of a client that has stopped reading is broken off', { timeout: 60_000 }, () => {
  it('soon after its user was deactivated', async () => {
    const socket = await openStream(`Bearer ${await app.as('carl').token}`, ada.withCarl)
    socket.pause()
    for (let i = 0; i < 4; i++) await sendTo(app.as('ada'), ada.withCarl, BODY)
    await app.asService().run(DeactivateUserDocument, { input: { externalId: 'carl' } })
    await untilBrokenOff(socket)
  })

  it('by itself after a while, and whoever reads goes on', async () => {
    const slow = await openStream(ada.authorization, ada.withBob)
    const other = await openStream(ada.authorization, ada.withBob)
    let received = 0
    other.on('data', (chunk) => {
      received += chunk.length
    })
    slow.pause()
    for (let i = 0; i < 4; i++) await sendTo(app.as('ada'), ada.withBob, BODY)
    await untilBrokenOff(slow)
    await sendTo(app.as('ada'), ada.withBob, BODY)
    await vi.waitFor(() => expect(received).toBeGreaterThan(5 * 300 * Buffer.byteLength(BODY)), { timeout: 20_000 })
    other.destroy()
  })
})

it('a client that reads has all of a stream that ends, and its connection goes on', { timeout: 60_000 }, async () => {
  const socket = await openStream(`Bearer ${await app.as('bob').token}`, ada.withBob)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  await app.asService().run(DeactivateUserDocument, { input: { externalId: 'bob' } })
  await vi.waitFor(() => expect(text).toContain('event: complete'), { timeout: 20_000 })
  const request = `POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: ${ada.authorization}\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{"query":"{__typename}"}`
  // Over the time after which a stream that was not read would be broken off; a connection that idles is closed in 5 s.
  const until = Date.now() + 6_000
  await vi.waitFor(
    () => {
      socket.write(request)
      expect(Date.now()).toBeGreaterThan(until)
    },
    { timeout: 20_000, interval: 500 },
  )
  await vi.waitFor(() => expect(text.match(/"__typename":"Query"/g)?.length).toBeGreaterThan(12), { timeout: 20_000 })
  socket.destroy()
})
