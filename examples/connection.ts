import { type Client, createClient } from 'graphql-ws'
import { resuming } from './resume.ts'
import { backoff, wait } from './retry.ts'

export interface ParleyOptions {
  url: string
  /** Asked for with every request and connection. */
  token: () => string | Promise<string>
  /** For platforms without a WebSocket. Give `ws` a `handshakeTimeout`: it waits for ever by itself. */
  webSocketImpl?: unknown
  /** How often a quiet socket is pinged, in milliseconds; half of it without a pong, and it is dead. */
  keepAlive?: number
  /** How long a subscription that repeats CaughtUpEvent may be silent, in milliseconds. */
  silence?: number
}

/** fetch with the token, which gives up after 15 s. */
export function createFetch({ token }: ParleyOptions): typeof fetch {
  return async (input, init = {}) => {
    const headers = { ...init.headers, authorization: `Bearer ${await token()}` }
    const signals = [AbortSignal.timeout(15_000), ...(init.signal ? [init.signal] : [])]
    return fetch(input, { ...init, headers, signal: AbortSignal.any(signals) })
  }
}

/** A socket that connects again whenever it is lost, with a fresh token, and whose subscriptions go on where they were. */
export function createSocket({ url, token, webSocketImpl, keepAlive = 10_000, silence }: ParleyOptions): Client {
  let overdue: ReturnType<typeof setTimeout> | undefined
  const client = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl,
    // Without a token the server closes with 4403, so it is asked for again; graphql-ws can give up where this throws.
    connectionParams: async () => {
      const authorization = await Promise.resolve(token()).then(
        (value) => `Bearer ${value}`,
        () => undefined,
      )
      return { authorization }
    },
    connectionAckWaitTimeout: 10_000,
    retryAttempts: Number.POSITIVE_INFINITY,
    retryWait: (failures) => wait(backoff(failures)),
    // A refused connection too. What tells of a bug, as 4400, graphql-ws never retries.
    shouldRetry: () => true,
    keepAlive,
    on: {
      ping(received) {
        if (!received) overdue = setTimeout(() => client.terminate(), keepAlive / 2)
      },
      pong(received) {
        if (received) clearTimeout(overdue)
      },
      closed: () => clearTimeout(overdue),
    },
  })
  return resuming(client, silence)
}
