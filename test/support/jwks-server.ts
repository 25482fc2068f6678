import type { JsonWebKey } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Answer = (response: ServerResponse) => void

export interface JwksServer {
  url: string
  /** The paths that were asked for, in order. Nothing is seen of what comes while it is down. */
  requests: string[]
  /** Serves these keys from now on. */
  serve(...keys: JsonWebKey[]): void
  /** Answers otherwise from now on: see `failing`, `hanging`; any function of the response. */
  answerWith(answer: Answer): void
  /** Refuses connections, and breaks those that are open. */
  down(): Promise<void>
  /** Listens again, on the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

export const failing: Answer = (response) => response.writeHead(500).end('{"keys":[]}')
export const hanging: Answer = () => {}

/** A server of JSON Web Key Sets on 127.0.0.1, at a free port. */
export async function startJwksServer(...keys: JsonWebKey[]): Promise<JwksServer> {
  const requests: string[] = []
  let answer: Answer
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    answer(response)
  })

  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', () => resolve(void server.off('error', reject)))
    })
  const down = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  const serve = (...served: JsonWebKey[]) => {
    const body = JSON.stringify({ keys: served })
    answer = (response) => response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(body)
  }

  serve(...keys)
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/.well-known/jwks.json`,
    requests,
    serve,
    answerWith: (other) => {
      answer = other
    },
    down,
    up: () => listen(port),
    close: down,
  }
}
