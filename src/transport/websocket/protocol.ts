import { type ExecutionArgs, type GraphQLSchema, OperationTypeNode } from 'graphql'
import type { ServerOptions } from 'graphql-ws'
import { ConflictError, UnauthenticatedError } from '../../lib/errors.ts'
import { domainError } from '../errors.ts'
import type { Executor } from '../execute.ts'
import type { Guard, PreparedOperation } from '../guard/guard.ts'
import type { Identify } from '../identity/identify.ts'
import type { InitPayload, Session } from './session.ts'

// graphql-transport-ws, in the hands of graphql-ws: what of it is run, and how.

/** Running at once on one socket, subscriptions and others. */
const MAX_OPERATIONS = 100

export interface ProtocolDeps {
  schema: GraphQLSchema
  guard: Guard
  executor: Executor
  identify: Identify
}

/** What goes through graphql-ws from the guard to the executor. */
interface Subscribed {
  id: string
  prepared: PreparedOperation
  session: Session
}

/** What graphql-ws is to do for each message of the protocol. */
export function protocolOptions({
  schema,
  guard,
  executor,
  identify,
}: ProtocolDeps): ServerOptions<InitPayload, Session> {
  async function run({ contextValue }: ExecutionArgs) {
    const { id, prepared, session } = contextValue as Subscribed
    try {
      // The profile may have changed since the socket was opened, and the standing too.
      const { viewer } = await identify.again(session.identity!)
      // The viewer alone: the token may have been renewed meanwhile.
      if (viewer !== session.identity!.viewer) session.identity = { ...session.identity!, viewer }
    } catch (error) {
      if (error instanceof UnauthenticatedError) throw error
      return executor.failed(error)
    }
    const by = { connection: session, outlet: session.outlet, operationId: id }
    const result = await executor.run(prepared, session.identity!.viewer, by)
    session.operations.get(id)!.result = result
    return result
  }

  return {
    // The session has a timer of its own, which is not kept as long as the socket lasts.
    connectionInitWaitTimeout: 0,
    onConnect(context) {
      const { connectionParams, extra } = context
      // The token isn't needed again.
      Object.assign(context, { connectionParams: undefined })
      return extra.begin(connectionParams)
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
      const { document, operation, operationName } = prepared
      extra.enter(id, operation.operation === OperationTypeNode.SUBSCRIPTION)
      // graphql-ws keeps the message as long as the operation lasts; the document is in the guard's cache.
      Object.assign(payload, { query: '' })
      return { schema, document, operationName, contextValue: { id, prepared, session: extra } satisfies Subscribed }
    },
    onComplete: ({ extra }, id) => extra.exit(id),
    execute: run,
    subscribe: run,
  }
}
