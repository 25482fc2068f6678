import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { tokenOf } from './api.ts'
import type { End } from './history.ts'

/** What subscribes stays subscribed whatever happens: after a break it connects again, and resumes. */
export interface Resumable {
  /** Resolves once the first connection is made, or there is to be none. */
  begun: Promise<void>
  /** How it ended for good, or null. */
  end(): End
  /** The codes with which the server closed its sockets. */
  closeCodes: number[]
  isLive(): boolean
  /** Breaks the connection, as a network would. */
  drop(): void
  /** Breaks it and stays away until `resume`. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

export interface Place {
  name: string
  url: string
}

export interface ResumableOptions {
  user: string
  /** Where to connect to, or null while nothing is up; asked before each connection. */
  pick: () => Place | null
  /** What a connection takes to begin; null where the user may not read it any more. */
  prepare: (node: Place) => Promise<Operation[] | null>
}

/** One subscription of a connection. */
export interface Operation {
  query: string
  variables: Record<string, unknown>
  /** Takes what comes; gives back the end where that was the last thing to come. */
  // biome-ignore lint/suspicious/noExplicitAny: each document has its own shape
  next: (data: any) => End
}

/** A server that answers no ping for this long is taken for dead. */
const PING_MS = 3_000
const PONG_MS = 5_000
const RETRY_MS = 100
/** Longer than the server's own time-outs. */
const ACK_MS = 15_000

export function stayConnected({ user, pick, prepare }: ResumableOptions): Resumable {
  const closeCodes: number[] = []
  let client: Client | undefined
  let live = false
  let stopped = false
  let paused = false
  let end: End = null
  let begin!: () => void
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })

  /** One connection until it breaks: 'again', or how the subscription ended for good. */
  async function connect(node: Place): Promise<End | 'again'> {
    const operations = await prepare(node)
    if (!operations) return 'refused'
    const peer = deadPeer(() => socket.terminate())
    const socket = createClient({
      url: node.url.replace('http', 'ws'),
      webSocketImpl: WebSocket,
      retryAttempts: 0,
      keepAlive: PING_MS,
      connectionAckWaitTimeout: ACK_MS,
      connectionParams: async () => ({ authorization: `Bearer ${await tokenOf(user)}` }),
      on: {
        ...peer,
        closed(event) {
          peer.closed()
          if (live && !stopped && !paused) closeCodes.push((event as CloseEvent).code)
        },
      },
    })
    client = socket
    socket.on('connected', () => {
      live = true
      begin()
    })
    let over = false
    const how = await new Promise<End | 'again'>((settle) => {
      const resolve = (how: End | 'again') => {
        over = true
        settle(how)
      }
      for (const { query, variables, next } of operations) {
        socket.subscribe(
          { query, variables },
          {
            next({ data, errors }) {
              // What comes behind what was missed comes again.
              if (over) return
              // Access may have ended between an event and its answer; the end of the stream follows.
              if (isRefusal(errors)) return
              if (errors || !data) return resolve('again')
              const last = next(data)
              if (last) resolve(last)
            },
            error: (error) => resolve(isRefusal(error) ? 'refused' : 'again'),
            complete: () => resolve(stopped ? null : 'completed'),
          },
        )
      }
    })
    live = false
    void socket.dispose()
    return how
  }

  async function loop() {
    while (!stopped) {
      const node = paused ? null : pick()
      const how = node ? await connect(node).catch(() => 'again' as const) : 'again'
      if (how === 'again') await delay(RETRY_MS)
      else {
        end = how
        return begin()
      }
    }
  }

  const done = loop()
  return {
    begun,
    end: () => end,
    closeCodes,
    isLive: () => live,
    drop: () => client?.terminate(),
    pause() {
      paused = true
      client?.terminate()
    },
    resume() {
      paused = false
    },
    async stop() {
      stopped = true
      await client?.dispose()
      client?.terminate()
      await done
    },
  }
}

/** Ends a connection whose server has stopped answering pings. */
function deadPeer(terminate: () => void) {
  let timer: NodeJS.Timeout | undefined
  return {
    ping: (received: boolean) => {
      if (!received) timer = setTimeout(terminate, PONG_MS)
    },
    pong: (received: boolean) => {
      if (received) clearTimeout(timer)
    },
    closed: () => clearTimeout(timer),
  }
}

/** Errors of the subscription itself, rather than of the connection, after which trying again leads nowhere. */
function isRefusal(error: unknown): boolean {
  const codes = Array.isArray(error) ? error.map(({ extensions }) => extensions?.code) : []
  return codes.some((code) => ['NOT_FOUND', 'FORBIDDEN', 'RESET_REQUIRED', 'BAD_USER_INPUT'].includes(code))
}
