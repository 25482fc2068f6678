import type { AddressInfo } from 'node:net'
import { ConfigError } from '../config.ts'
import type { AppContext } from '../context.ts'
import { schema } from '../schema/index.ts'
import { createDrain } from './drain.ts'
import { createExecutor, type OnSubscribed } from './execute.ts'
import { createGuard } from './guard/guard.ts'
import { createGraphiqlPage } from './http/graphiql.ts'
import { createHttpServer } from './http/http.ts'
import { createTokenVerifier, type TokenSettings } from './identity/authenticate.ts'
import { createIdentify } from './identity/identify.ts'
import { createRateLimiter } from './rate-limit.ts'
import { attachWebSockets } from './websocket/websocket.ts'

export interface Transport {
  /** @throws ConfigError for an address that can't be had. */
  listen(host: string, port: number): Promise<{ port: number }>
  /**
   * Says at /readyz that it ends, and has lasting connections leave while it goes on answering requests, for the time
   * that is set. Then takes no connections any more, and resolves when those that are open have ended or been broken off.
   */
  close(): Promise<void>
}

/**
 * How long what is still open after the drain gets to end by itself. Together with the longest drain, 15 s, and the few
 * that webhooks, Redis and the database may take to close, it stays under 30 s.
 */
const GRACE_MS = 5_000

/** The ways in: HTTP, event stream and WebSocket on one port, under one guard. */
export function createTransport(app: AppContext, tokens: TokenSettings, onSubscribed?: OnSubscribed): Transport {
  const { config, log, clock } = app
  const introspection = config.graphiql
  const policy = { log, suggestions: introspection, introspection }
  const limiter = createRateLimiter(config.rateLimit, config.redisUrl, log)
  const guard = createGuard(schema, policy)
  const executor = createExecutor({ app, schema, limiter, policy, onSubscribed })
  const identify = createIdentify(app, createTokenVerifier(tokens, { clock, log }))
  const drain = createDrain(config.drainSeconds * 1_000)
  const graphiql = createGraphiqlPage(app, tokens.secret)
  const server = createHttpServer({ app, guard, executor, identify, policy, graphiql, drain })
  const sockets = attachWebSockets(server, { app, schema, guard, executor, identify, drain })

  app.live.onNewHistory(() => drain.sendAway())

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', (error: NodeJS.ErrnoException) => reject(addressError(error, host, port)))
        server.listen(port, host, () => resolve({ port: (server.address() as AddressInfo).port }))
      }),
    async close() {
      if (server.listening) await drain.run()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const deadline = setTimeout(() => {
        sockets.terminate()
        server.closeAllConnections()
      }, GRACE_MS)
      await closed
      clearTimeout(deadline)
      limiter.close()
    },
  }
}

function addressError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') return new ConfigError(`PORT ${port} is taken. Set another one: PORT=${port + 1}`)
  if (error.code === 'EACCES') return new ConfigError(`PORT ${port} may not be opened by this user.`)
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
    return new ConfigError(`HOST ${host} is not an address of this machine.`)
  return error
}
