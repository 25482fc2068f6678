import { CloseCode, MessageType, type WebSocket as ProtocolSocket } from 'graphql-ws'
import type { RawData, WebSocket } from 'ws'
import type { AppContext, Connection } from '../../context.ts'
import { endTyping } from '../../features/typing/service.ts'
import { UnauthenticatedError } from '../../lib/errors.ts'
import type { Drain, Leaver } from '../drain.ts'
import type { OperationResult } from '../execute.ts'
import type { Identify, Identity, Watched, Watching } from '../identity/identify.ts'
import type { Pings } from './pings.ts'
import { type Outlet, POLICY_VIOLATION, SERVICE_RESTART, TRY_AGAIN_LATER } from './socket.ts'

/** From the connection to connection_init. */
const INIT_TIMEOUT_MS = 3_000
/** From the connection to its acknowledgement. */
const ACK_TIMEOUT_MS = 5_000
/** A client needs one message before it is acknowledged; some send a ping. */
const MAX_MESSAGES_BEFORE_ACK = 10

const PONG = JSON.stringify({ type: MessageType.Pong })

/** What all sessions share. */
export interface SessionDeps {
  app: AppContext
  identify: Identify
  drain: Drain
  pings: Pings
}

/** The payload of connection_init, and of a ping, where it is an object. */
export interface InitPayload extends Record<string, unknown> {
  authorization?: unknown
  actAs?: unknown
}

/** What a socket has running. */
interface Running {
  isSubscription: boolean
  /** Once it has begun. */
  result: OperationResult | null
}

/** Takes a message of the client; resolves once it is dealt with, that of a subscription when it ends. */
type Receive = (message: string) => Promise<void>

/**
 * A connected socket: whose it is, what runs on it, and when it is closed. To graphql-ws it is the socket, too. A class, so
 * that each of thousands that are idle is one object and no closures.
 */
export class Session implements ProtocolSocket, Connection, Leaver, Watched {
  readonly outlet: Outlet
  /** Once it has shown a token. */
  identity: Identity | null = null
  typingIn: Set<string> | null = null
  /**
   * By id. graphql-ws forgets an operation when the client completes it, even while it still begins, and may lose its
   * stream when the id is used again meanwhile.
   */
  readonly operations = new Map<string, Running>()
  private readonly deps: SessionDeps
  private readonly socket: WebSocket
  private watching: Watching | null = null
  private receive: Receive | null = null
  private hasBegun = false
  private messagesBeforeAck = 0
  private timer: NodeJS.Timeout | null
  private uncount: (() => void) | null
  private subscriptions = 0
  /** Messages that are not dealt with yet. */
  private handling = 0
  private isLeaving = false

  /** @param uncount Called once it has been acknowledged. */
  constructor(deps: SessionDeps, socket: WebSocket, outlet: Outlet, uncount: () => void) {
    this.deps = deps
    this.socket = socket
    this.outlet = outlet
    this.uncount = uncount
    this.timer = setTimeout(() => this.requireInit(), INIT_TIMEOUT_MS)
    deps.drain.add(this)
    deps.pings.add(socket)
  }

  // What graphql-ws asks of a socket.

  get protocol() {
    return this.socket.protocol
  }

  send(text: string) {
    this.outlet.send(text)
  }

  close(code?: number, reason?: string) {
    this.outlet.close(code, reason)
  }

  onMessage(receive: Receive) {
    this.receive = receive
  }

  onPing(payload: InitPayload | undefined) {
    return this.answerPing(payload)
  }

  // Who may come in, and stay.

  private requireInit() {
    if (!this.hasBegun) return this.timeOut()
    this.timer = setTimeout(() => this.timeOut(), ACK_TIMEOUT_MS - INIT_TIMEOUT_MS)
  }

  private timeOut() {
    this.close(CloseCode.ConnectionInitialisationTimeout, 'Connection initialisation timeout')
  }

  /** Answers connection_init: whether the socket is let in. It is closed if it isn't. */
  async begin(payload: InitPayload | undefined): Promise<boolean> {
    this.hasBegun = true
    try {
      await this.admit(await this.deps.identify.first(payload?.authorization, payload?.actAs))
    } catch (error) {
      if (error instanceof UnauthenticatedError) this.close(CloseCode.Forbidden, error.message)
      else this.tryAgainLater(error)
      return false
    }
    this.stopTimer()
    this.uncount?.()
    this.uncount = null
    return true
  }

  /** Lets a socket in as somebody, for as long as that holds. */
  private async admit(identity: Identity) {
    const watching = await this.deps.identify.watch(identity, this)
    this.watching?.stop()
    this.watching = watching
    this.identity = identity
    // It may have gone while this was on its way.
    if (this.socket.readyState !== this.socket.OPEN) watching.stop()
  }

  refuse() {
    this.close(CloseCode.Forbidden, 'You are no longer let in')
  }

  /** Closes a socket of which it can't be found out now whose it is. */
  private tryAgainLater(error: unknown) {
    this.deps.app.log.warn({ err: error }, 'a WebSocket could not be authenticated')
    this.close(TRY_AGAIN_LATER, 'Try again later')
  }

  /**
   * Answers a ping: one that brings a token renews the socket's, and is told until when that holds. The payload of others
   * isn't sent back, which a client could ask for by the megabyte.
   */
  private async answerPing(payload: InitPayload | undefined) {
    if (!this.identity || payload?.authorization === undefined) return this.send(PONG)
    try {
      await this.admit(await this.deps.identify.renew(this.identity, payload.authorization))
    } catch (error) {
      if (error instanceof UnauthenticatedError) throw error
      return this.tryAgainLater(error)
    }
    const expiresAt = new Date(this.identity.expiresAt).toISOString()
    this.send(JSON.stringify({ type: MessageType.Pong, payload: { expiresAt } }))
  }

  // What runs on it.

  /** Notes an operation that begins. */
  enter(id: string, isSubscription: boolean) {
    this.operations.set(id, { isSubscription, result: null })
    if (isSubscription) this.subscriptions++
  }

  /** Forgets one that is over. */
  exit(id: string) {
    if (this.operations.get(id)?.isSubscription) this.subscriptions--
    this.operations.delete(id)
  }

  /** Takes a message of the client. */
  take(data: RawData) {
    // What comes behind our close frame would be executed, and never answered: clients send it again elsewhere.
    if (this.isLeaving || this.socket.readyState !== this.socket.OPEN) return
    if (!this.identity && ++this.messagesBeforeAck > MAX_MESSAGES_BEFORE_ACK) {
      return this.close(POLICY_VIOLATION, 'Too many messages before the acknowledgement')
    }
    this.handling++
    // Not by await, which would keep the message of a subscription as long as that lasts.
    this.receive!(parsed(data)).then(
      () => this.handled(),
      (error) => {
        this.closeFor(error)
        this.handled()
      },
    )
  }

  private handled() {
    this.handling--
    this.leaveOnceAnswered()
  }

  private closeFor(error: unknown) {
    if (isServerMessage(error)) return this.close(CloseCode.BadRequest, 'Only a server may send that')
    if (error instanceof UnauthenticatedError) return this.close(CloseCode.Forbidden, error.message)
    this.deps.app.log.error({ err: error }, 'a WebSocket message could not be handled')
    this.close(CloseCode.InternalServerError, 'Internal server error')
  }

  // Its end.

  leave() {
    this.isLeaving = true
    this.leaveOnceAnswered()
  }

  private leaveOnceAnswered() {
    // The message of a subscription is dealt with when that ends.
    if (this.isLeaving && this.handling === this.subscriptions) this.close(SERVICE_RESTART, 'Connect again')
  }

  /** The socket has closed. */
  async end() {
    const { app, pings, drain } = this.deps
    this.stopTimer()
    pings.remove(this.socket)
    drain.remove(this)
    this.watching?.stop()
    if (this.identity) endTyping(app, this.identity.viewer, this)
    await Promise.all([...this.operations.values()].map(({ result }) => endStream(result)))
  }

  private stopTimer() {
    if (this.timer) clearTimeout(this.timer)
    this.timer = null
  }
}

/**
 * graphql-ws takes messages parsed too, which its types don't know; it keeps what it is given as long as a subscription
 * lasts. What can't be parsed it refuses itself.
 */
function parsed(data: RawData): string {
  const text = String(data)
  try {
    const message = JSON.parse(text)
    return typeof message === 'string' ? text : message
  } catch {
    return text
  }
}

/** graphql-ws throws this, and no error of a class of its own, for a message type that only a server may send. */
function isServerMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type')
}

/** Ends the stream of an operation, where it has one. */
async function endStream(result: OperationResult | null) {
  if (result && Symbol.asyncIterator in result) await result.return?.()
}
