import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  /** Where it listens, on 127.0.0.1. */
  port: number
  /**
   * From now on connections are accepted, and what is sent over them is swallowed, both ways; nobody is told. Those that
   * are open fall silent too, and stay so: they miss bytes.
   */
  blackhole(): void
  /** From now on each chunk comes `ms` milliseconds late, both ways. */
  delay(ms: number): void
  /** Resets all connections that are open. */
  cut(): void
  /** New connections are forwarded, all without delay. */
  restore(): void
  /** Resets all connections and stops listening. */
  close(): Promise<void>
}

/** A TCP proxy to `port` on 127.0.0.1 that can fail as networks do. */
export async function createTcpProxy(target: { port: number }): Promise<TcpProxy> {
  const links = new Set<Link>()
  let swallowing = false
  let delayMs = 0

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = swallowing ? undefined : connect({ port: target.port, host: '127.0.0.1', allowHalfOpen: true })
    const link: Link = { dead: swallowing, client, upstream }
    links.add(link)
    client.on('close', () => links.delete(link))
    forward(link, client, upstream)
    if (upstream) forward(link, upstream, client)
  })

  function forward(link: Link, from: Socket, to: Socket | undefined) {
    const later: (() => void)[] = []
    const pass = (action: () => void) => {
      if (link.dead) return
      if (delayMs === 0 && later.length === 0) return action()
      later.push(action)
      // Each timer runs the oldest action, so the order holds even when the delay has changed.
      setTimeout(() => {
        const next = later.shift()
        if (!link.dead) next?.()
      }, delayMs)
    }
    from.on('data', (chunk) => pass(() => to?.write(chunk)))
    from.on('end', () => pass(() => to?.end()))
    from.on('error', () => {}) // 'close' follows
    from.on('close', () => pass(() => to?.destroy()))
  }

  function cut() {
    for (const { client, upstream } of links) {
      client.resetAndDestroy()
      upstream?.destroy()
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    blackhole() {
      swallowing = true
      for (const link of links) link.dead = true
    },
    delay(ms) {
      delayMs = ms
    },
    cut,
    restore() {
      swallowing = false
      delayMs = 0
    },
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Link {
  dead: boolean
  client: Socket
  upstream: Socket | undefined
}
