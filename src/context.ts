import type { Bus } from './bus/bus.ts'
import type { Config } from './config.ts'
import type { Db } from './db/client.ts'
import type { Audit } from './features/audit/service.ts'
import type { SendBatches } from './features/messages/send-batches.ts'
import type { ReadWriter } from './features/reads/writer.ts'
import type { TypingStarts } from './features/typing/service.ts'
import type { UserLeases } from './features/users/leases.ts'
import type { FindUser } from './features/users/service.ts'
import type { UserRow } from './features/users/user.ts'
import type { Clock } from './lib/clock.ts'
import { ForbiddenError } from './lib/errors.ts'
import type { Logger } from './lib/log.ts'
import type { Turns } from './lib/turns.ts'
import type { Hub } from './live/hub.ts'

/** What the process has one of. */
export interface AppContext {
  config: Config
  db: Db
  bus: Bus
  live: Hub
  findUser: FindUser
  /** Only for letting requests in: a user that it gives may be a moment old. */
  userLeases: UserLeases
  /** By conversation, for changes, which lock its row: so one that is stuck holds few of the connections. */
  turns: Turns
  sends: SendBatches
  readWriter: ReadWriter
  audit: Audit
  typingStarts: TypingStarts
  clock: Clock
  log: Logger
}

/** Who asks: a user (perhaps with a service acting for it), or the host's back end for itself. */
export type Viewer =
  | { kind: 'user'; user: UserRow; actingService: string | null }
  | { kind: 'service'; subject: string }

/** What one request has; for a subscription, one event. */
export interface RequestContext extends AppContext {
  viewer: Viewer
  /** What ends with the connection that the request came by; none over HTTP. */
  connection?: Connection | undefined
  /** What its fields load by; for schema/loaders.ts alone. */
  loaders?: Map<unknown, unknown>
}

/** A connection that outlives its requests. */
export interface Connection {
  /** Where the viewer is shown as typing, by internal id, because of what it said on this connection. */
  typingIn: Set<string> | null
}

/** The user's id, or null to a service, which sees all. */
export function viewerId(ctx: RequestContext): string | null {
  return ctx.viewer.kind === 'user' ? ctx.viewer.user.id : null
}

/** The user who asks. @throws ForbiddenError for a service that acts for nobody. */
export function requireUser(ctx: RequestContext): UserRow {
  if (ctx.viewer.kind === 'user') return ctx.viewer.user
  throw new ForbiddenError('A service can do this only for a user: name one in x-parley-act-as (WebSocket: actAs).')
}

/** @throws ForbiddenError for whoever is not the host's back end, users for whom it acts included. */
export function requireService(ctx: RequestContext): void {
  if (ctx.viewer.kind === 'service') return
  throw new ForbiddenError("Only the host's back end may do this: it takes a token whose scope has service.")
}
