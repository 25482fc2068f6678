import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { vi } from 'vitest'
import type { WebhookBody } from '../../src/features/webhooks/payloads.ts'

/** A request as it came. */
export interface Received {
  id: string
  path: string
  headers: IncomingHttpHeaders
  text: string
  body: WebhookBody
}

export interface Receiver {
  url: string
  received: Received[]
  /** How it answers: 204 unless a test says otherwise. May leave the request without an answer. */
  answer: (request: Received, response: ServerResponse) => void
  /** Waits until what was received is as is wanted. */
  until(isSo: (received: Received[]) => boolean): Promise<Received[]>
  /** Ends it with all its connections; `start` has it listen on the same port again. */
  stop(): Promise<void>
  start(): Promise<void>
}

export const ok = (_request: Received, response: ServerResponse) => void response.writeHead(204).end()

/** An HTTP server on this machine that keeps what it is sent. */
export async function startReceiver(): Promise<Receiver> {
  let port = 0
  let server: http.Server
  const receiver: Receiver = {
    url: '',
    received: [],
    answer: ok,
    async until(isSo) {
      const check = () => {
        if (!isSo(receiver.received)) throw new Error(`received: ${JSON.stringify(receiver.received)}`)
      }
      await vi.waitFor(check, { timeout: 60_000, interval: 10 })
      return receiver.received
    },
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
    async start() {
      server = http.createServer(async (request, response) => {
        let text = ''
        for await (const chunk of request.setEncoding('utf8')) text += chunk
        const { headers, url } = request
        const id = headers['webhook-id'] as string
        const received = { id, path: url!, headers, text, body: JSON.parse(text) as WebhookBody }
        receiver.received.push(received)
        receiver.answer(received, response)
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
      receiver.url = `http://127.0.0.1:${port}`
    },
  }
  await receiver.start()
  return receiver
}
