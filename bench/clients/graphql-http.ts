import { once } from 'node:events'
import http from 'node:http'
import type { GraphQLClient } from './graphql-socket.ts'

/**
 * Clients over HTTP, one for each token. They share their connections, of which there are as many as requests at a time:
 * none is idle for so long that the server would close it.
 */
export function createHttpClients(url: string, tokens: readonly string[]): GraphQLClient[] {
  const agent = new http.Agent({ keepAlive: true })

  async function post(token: string, body: string): Promise<string> {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      authorization: `Bearer ${token}`,
    }
    const request = http.request(url, { agent, method: 'POST', headers })
    request.end(body)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    return text
  }

  return tokens.map((token) => ({
    async request(query, variables) {
      const text = await post(token, JSON.stringify({ query, variables }))
      const { data, errors } = JSON.parse(text)
      if (errors || !data) throw new Error(text)
      return data
    },
    close: () => agent.destroy(),
  }))
}
