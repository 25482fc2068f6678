import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Target } from './load.ts'

/**
 * An HTTP proxy before a node that waits for its whole reply, so that what was asked for is done, and loses each n-th:
 * the client finds its connection broken.
 */
export async function createReplyDropper(node: Target, each: number): Promise<Target & { close(): Promise<void> }> {
  let replies = 0
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming
    const upstream = request(node.url, { method, headers }, async (reply) => {
      const chunks: Buffer[] = []
      for await (const chunk of reply) chunks.push(chunk)
      if (++replies % each === 0) return outgoing.socket?.resetAndDestroy()
      outgoing.writeHead(reply.statusCode!, reply.headers).end(Buffer.concat(chunks))
    })
    upstream.on('error', () => outgoing.socket?.resetAndDestroy())
    incoming.pipe(upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    name: node.name,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    isUp: node.isUp,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
