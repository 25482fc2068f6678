import { EventEmitter } from 'node:events'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { type ExecutionResult, print } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { type App, createApp, type Overrides } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import type { Viewer } from '../../src/context.ts'
import type { OnStatement } from '../../src/db/client.ts'
import { createLogger } from '../../src/lib/log.ts'
import { mintToken } from '../../src/lib/token.ts'
import { createTestDatabase } from './database.ts'
import { type Stream, streamOf } from './stream.ts'

export const SECRET = 'a secret for tests, of at least 32 bytes'

export interface TestOptions {
  env?: Record<string, string>
  overrides?: Overrides
  /** To share one between nodes; else the app gets a database of its own. */
  databaseUrl?: string
}

/** A server as users run it, on a free port, with clients. */
export interface TestApp {
  url: string
  databaseUrl: string
  /** A client for the user with this externalId, which its first request creates. */
  as(externalId: string, claims?: TokenClaims): TestClient
  /** A client for the host's back end, acting for a user if one is named. */
  asService(actAs?: string): TestClient
  close(): Promise<void>
}

export interface TokenClaims {
  name?: string
  username?: string
  scope?: string
}

export interface TestClient {
  token: Promise<string>
  /** The whole result of an operation over HTTP. */
  execute<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    ...variables: Rest<NoInfer<Variables>>
  ): Promise<ExecutionResult<Data>>
  /** The data of an operation that must not fail. */
  run<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    ...variables: Rest<NoInfer<Variables>>
  ): Promise<Data>
  /** A subscription over WebSocket, once it is in effect or has failed. */
  subscribe<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    ...variables: Rest<NoInfer<Variables>>
  ): Promise<Stream<Data>>
}

type Rest<Variables> = Record<string, never> extends Variables ? [variables?: Variables] : [variables: Variables]

export async function startApp({ env = {}, overrides = {}, databaseUrl }: TestOptions = {}): Promise<TestApp> {
  const database = databaseUrl === undefined ? await createTestDatabase() : null
  const usedUrl = databaseUrl ?? database!.url
  const config = parseConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATABASE_URL: usedUrl,
    JWT_SECRET: SECRET,
    LOG_LEVEL: 'silent',
    ...env,
  })
  const beginnings = createBeginnings()
  const app: App = createApp(config, {
    log: createLogger(config.logLevel),
    ...overrides,
    onSubscribed(viewer) {
      beginnings.note(viewer)
      overrides.onSubscribed?.(viewer)
    },
    ...(overrides.onStatement && { onStatement: withoutPolling(overrides.onStatement) }),
  })
  const { url } = await app.listen()
  const clients: Client[] = []
  const clock = overrides.clock ?? { now: () => Date.now() }

  function client(sub: string, claims: TokenClaims, actAs?: string): TestClient {
    const token = mintToken({ secret: SECRET, sub, ...claims, expiresInSeconds: 3600, now: clock.now() })
    const user = claims.scope?.split(' ').includes('service') ? actAs : sub
    const beginNext = beginnings.ofViewer(user === undefined ? SERVICE : userNamed(user))
    const made = createTestClient(`${url}/graphql`, token, actAs, beginNext)
    clients.push(made.socket)
    return made
  }

  return {
    url,
    databaseUrl: usedUrl,
    as: (externalId, claims = {}) => client(externalId, claims),
    asService: (actAs) => client('host', { scope: 'service' }, actAs),
    async close() {
      await Promise.all(clients.map((each) => each.dispose()))
      await app.close()
      await database?.drop()
    },
  }
}

/** What the server asks by itself every second belongs to no request. */
function withoutPolling(onStatement: OnStatement): OnStatement {
  return (sql, values) => {
    if (!sql.includes('webhook_streams')) onStatement(sql, values)
  }
}

function createTestClient(
  url: string,
  token: Promise<string>,
  actAs: string | undefined,
  beginNext: BeginNext,
): TestClient & { socket: Client } {
  const socket = createClient({
    url: url.replace('http', 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: async () => ({ authorization: `Bearer ${await token}`, actAs }),
  })

  async function execute<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    ...[variables]: Rest<NoInfer<Variables>>
  ) {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        authorization: `Bearer ${await token}`,
        ...(actAs !== undefined && { 'x-parley-act-as': actAs }),
      },
      body: JSON.stringify({ query: print(document), variables }),
    })
    return (await response.json()) as ExecutionResult<Data>
  }

  return {
    token,
    socket,
    execute,
    async run(document, ...variables) {
      const result = await execute(document, ...variables)
      if (result.errors || !result.data) throw new Error(JSON.stringify(result.errors ?? result))
      return result.data
    },
    async subscribe<Data, Variables>(
      document: TypedDocumentNode<Data, Variables>,
      ...[variables]: Rest<NoInfer<Variables>>
    ) {
      const query = { query: print(document), variables: variables as Record<string, unknown> }
      return beginNext(async (inEffect) => {
        const stream = streamOf<Data>((sink) => socket.subscribe<Data>(query, sink))
        await Promise.race([inEffect, stream.ended])
        return stream
      })
    },
  }
}

/** Begins a subscription, which is told once it is in effect. */
type BeginNext = <Begun>(begin: (inEffect: Promise<void>) => Promise<Begun>) => Promise<Begun>

/**
 * Tells which subscription is in effect: the server says whose it is, so those of one user begin one after the other. One
 * that the same user begins by other means at the same moment would be mistaken for it.
 */
function createBeginnings() {
  const server = new EventEmitter()
  const last = new Map<string, Promise<unknown>>()
  return {
    note(viewer: Viewer): void {
      server.emit(viewer.kind === 'user' ? userNamed(viewer.user.externalId) : SERVICE)
    },
    ofViewer(who: string): BeginNext {
      return (begin) => {
        async function start() {
          let noted!: () => void
          const inEffect = new Promise<void>((resolve) => {
            noted = resolve
          })
          server.once(who, noted)
          return begin(inEffect).finally(() => server.off(who, noted))
        }
        const begun = (last.get(who) ?? Promise.resolve()).then(start, start)
        last.set(who, begun)
        return begun
      }
    },
  }
}

const SERVICE = 'service'
const userNamed = (externalId: string) => `user ${externalId}`
