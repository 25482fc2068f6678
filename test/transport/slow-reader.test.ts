import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { Outlet } from '../../src/transport/websocket/socket.ts'
import { openAcknowledged } from '../security/ways.ts'
import { adaWithTwo, sendTo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'

const MIB = 1024 * 1024

describe('what is written to a socket that nobody reads', () => {
  it('waits up to 8 MiB and one frame; then it is closed with 1013', { timeout: 60_000 }, async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
    await once(server, 'listening')
    const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const [[socket, request]] = (await Promise.all([once(server, 'connection'), once(client, 'open')])) as [
      [WebSocket, IncomingMessage],
      unknown,
    ]
    client.pause()
    const outlet = new Outlet(socket, request.socket)

    const text = 'x'.repeat(MIB / 4)
    let sent = 0
    let most = 0
    while (socket.readyState === socket.OPEN && sent < 1_000) {
      outlet.send(text)
      sent++
      // In each turn of the event loop, what was sent in it is written.
      await new Promise(setImmediate)
      most = Math.max(most, socket.bufferedAmount)
    }

    expect(sent).toBeLessThan(1_000)
    expect(most).toBeGreaterThan(8 * MIB)
    expect(most).toBeLessThan(9 * MIB)
    client.resume()
    const [code] = await once(client, 'close')
    expect(code).toBe(1013)
    server.close()
  })
})

describe('a client that reads nothing of a hundred busy subscriptions', () => {
  let app: TestApp
  /** How many subscriptions have come into effect. */
  let begun = 0

  beforeAll(async () => {
    app = await startApp({ overrides: { onSubscribed: () => void begun++ } })
  })
  afterAll(() => app.close())

  it('is gone soon, and costs others nothing', { timeout: 120_000 }, async () => {
    const ada = await adaWithTwo(app)
    const listen = (fields: string) => ({
      query: `subscription { messageAdded(conversationId: "${ada.withBob}") { ${fields} } }`,
    })
    const slow = await openAcknowledged(ada)
    const other = await openAcknowledged(ada)
    // 120 KB for each message and subscription: with what the operating system holds, the second or third is too much.
    const fields = ['a', 'b', 'c', 'd'].map((alias) => `${alias}: body`).join(' ')
    for (let i = 0; i < 100; i++) slow.send({ type: 'subscribe', id: `${i}`, payload: listen(fields) })
    other.send({ type: 'subscribe', id: 'other', payload: listen('body') })
    await vi.waitFor(() => expect(begun).toBe(101), { timeout: 60_000 })
    slow.ws.pause()
    // The only way that one who reads nothing hears of the end.
    const beat = setInterval(() => slow.ws.ping(), 100)

    for (let number = 0; number < 10; number++) {
      const body = `${number}${'ж'.repeat(9_990)}`
      await sendTo(app.as('ada'), ada.withBob, body)
      expect(await other.next()).toMatchObject({ payload: { data: { messageAdded: { body } } } })
    }

    // Its own end never read why.
    expect((await slow.closed).code).toBe(1006)
    clearInterval(beat)
    other.end()
  })
})
