import type { IncomingMessage } from 'node:http'
import type { Config } from '../config.ts'

const LOOPBACK = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

/** Whether a Host header names this machine, and not a name that a page made up and points here (DNS rebinding). */
export function isLoopbackHost(host: string | undefined): boolean {
  return LOOPBACK.test(`http://${host}`)
}

/**
 * Whether a page of this origin may call: Parley's own pages, those that CORS_ORIGINS lists, and in development any of
 * this machine. Requests without an Origin don't come from a page.
 */
export function isAllowedOrigin(config: Config, origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true
  if (URL.canParse(origin) && new URL(origin).host === host) return true
  return config.corsOrigins.includes(origin) || (config.environment !== 'production' && LOOPBACK.test(origin))
}

/**
 * The client's address: with TRUST_PROXY=n, the nth entry from the right of X-Forwarded-For, which the outermost proxy
 * of one's own wrote; what stands further left is the client's to make up.
 */
export function clientAddress(config: Config, request: IncomingMessage): string {
  const peer = request.socket.remoteAddress ?? ''
  if (config.trustProxy === 0) return peer
  const forwarded = String(request.headers['x-forwarded-for'] ?? '').split(',')
  return forwarded.at(-config.trustProxy)?.trim() || peer
}
