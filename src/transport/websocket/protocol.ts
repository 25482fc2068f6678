import { type ExecutionArgs, type GraphQLSchema, OperationTypeNode } from 'graphql'
import { CloseCode, MessageType, type ServerOptions } from 'graphql-ws'
import type { WebSocket } from 'ws'
import type { AppContext, Connection } from '../../context.ts'
import { ConflictError, UnauthenticatedError } from '../../lib/errors.ts'
import { domainError } from '../errors.ts'
import type { Executor, OperationResult } from '../execute.ts'
import type { Guard, PreparedOperation } from '../guard/guard.ts'
import type { Identify, Identity } from '../identity/identify.ts'
import { type Outlet, TRY_AGAIN_LATER } from './socket.ts'

// graphql-transport-ws, in the hands of graphql-ws: who may begin, what may be run, and what a ping is answered with.

/** Running at once on one socket, subscriptions and others. */
const MAX_OPERATIONS = 100
/** From the connection to connection_init. */
const INIT_TIMEOUT_MS = 3_000

const PONG = JSON.stringify({ type: MessageType.Pong })

export interface WebSocketDeps {
  app: AppContext
  schema: GraphQLSchema
  guard: Guard
  executor: Executor
  identify: Identify
}

/** What is known of one socket. */
export interface Extra {
  socket: WebSocket
  outlet: Outlet
  identity?: Identity
  /** Stops watching whether it is still let in. */
  unwatch?: () => void
  connection: Connection
  /** Its time to show a token is over: it has. */
  acknowledged: () => void
  /**
   * What the socket has running, by id; a stream once it has begun. graphql-ws forgets an operation when the client
   * completes it, even while it still begins, and may lose its stream when the id is used again meanwhile.
   */
  operations: Map<string, OperationResult | null>
  /** The ids of those that are subscriptions. */
  subscriptions: Set<string>
}

/** The payload of connection_init, where it is an object. */
interface InitPayload extends Record<string, unknown> {
  authorization?: unknown
  actAs?: unknown
}

/** What goes through graphql-ws from the guard to the executor. */
interface Subscribed {
  id: string
  prepared: PreparedOperation
  extra: Extra
}

/** What graphql-ws is to do for each message of the protocol. */
export function protocolOptions({
  app,
  schema,
  guard,
  executor,
  identify,
}: WebSocketDeps): ServerOptions<InitPayload, Extra> {
  async function run({ contextValue }: ExecutionArgs) {
    const { id, prepared, extra } = contextValue as Subscribed
    const { outlet, connection } = extra
    try {
      // The profile may have changed since the socket was opened, and the standing too.
      const { viewer } = await identify.again(extra.identity!)
      // The viewer alone: the token may have been renewed meanwhile.
      extra.identity = { ...extra.identity!, viewer }
    } catch (error) {
      if (error instanceof UnauthenticatedError) throw error
      return executor.failed(error)
    }
    const result = await executor.run(prepared, extra.identity.viewer, {
      connection,
      outlet,
      operationId: id,
      onFailure: outlet.closeSlow,
    })
    extra.operations.set(id, result)
    return result
  }

  return {
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    async onConnect({ connectionParams, extra }) {
      try {
        await admit(identify, extra, await identify.first(connectionParams?.authorization, connectionParams?.actAs))
      } catch (error) {
        // Closed here for the reason; the false then keeps it from being acknowledged.
        if (error instanceof UnauthenticatedError) extra.outlet.close(CloseCode.Forbidden, error.message)
        else tryAgainLater(app, extra, error)
        return false
      }
      extra.acknowledged()
      return true
    },
    onSubscribe({ extra }, id, payload) {
      if (extra.operations.size >= MAX_OPERATIONS) {
        return [domainError(new ConflictError(`A socket may have ${MAX_OPERATIONS} operations at once.`))]
      }
      if (extra.operations.has(id)) {
        return [domainError(new ConflictError('The operation that had this id has not ended yet.'))]
      }
      const { prepared, errors } = guard(payload)
      if (errors) return errors
      extra.operations.set(id, null)
      const { document, operation, operationName } = prepared
      if (operation.operation === OperationTypeNode.SUBSCRIPTION) extra.subscriptions.add(id)
      return { schema, document, operationName, contextValue: { id, prepared, extra } satisfies Subscribed }
    },
    onComplete({ extra }, id) {
      extra.operations.delete(id)
      extra.subscriptions.delete(id)
    },
    execute: run,
    subscribe: run,
  }
}

/** Closes a socket of which it can't be found out now whose it is. */
function tryAgainLater(app: AppContext, { outlet }: Extra, error: unknown) {
  app.log.warn({ err: error }, 'a WebSocket could not be authenticated')
  outlet.close(TRY_AGAIN_LATER, 'Try again later')
}

/** Lets a socket in as somebody, for as long as that holds. */
async function admit(identify: Identify, extra: Extra, identity: Identity) {
  const refused = () => extra.outlet.close(CloseCode.Forbidden, 'You are no longer let in')
  const unwatch = await identify.watch(identity, refused)
  extra.unwatch?.()
  extra.unwatch = unwatch
  extra.identity = identity
  // It may have gone while this was on its way.
  if (extra.socket.readyState !== extra.socket.OPEN) unwatch()
}

/**
 * Answers a ping: one that brings a token renews the socket's, and is told until when that holds. The payload of others
 * isn't sent back, which a client could ask for by the megabyte.
 */
export async function answerPing({ app, identify }: WebSocketDeps, extra: Extra, payload: InitPayload | undefined) {
  if (!extra.identity || payload?.authorization === undefined) return extra.outlet.send(PONG)
  try {
    await admit(identify, extra, await identify.renew(extra.identity, payload.authorization))
  } catch (error) {
    if (error instanceof UnauthenticatedError) throw error
    return tryAgainLater(app, extra, error)
  }
  const expiresAt = new Date(extra.identity.expiresAt).toISOString()
  return extra.outlet.send(JSON.stringify({ type: MessageType.Pong, payload: { expiresAt } }))
}

/** graphql-ws throws this, and no error of a class of its own, for a message type that only a server may send. */
export function isServerMessage(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('Unexpected message of type')
}

/** Ends the stream of an operation, where it has one. */
export async function endStream(result: OperationResult | null) {
  if (result && Symbol.asyncIterator in result) await result.return?.()
}
