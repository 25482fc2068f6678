import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLSchema,
  OperationTypeNode,
} from 'graphql'
import type { AppContext, Connection, RequestContext, Viewer } from '../context.ts'
import { NotFoundError } from '../lib/errors.ts'
import type { LiveStream } from '../live/queue.ts'
import { createContexts } from './contexts.ts'
import { asGraphQLError, type ErrorPolicy, rootCause, toClientError } from './errors.ts'
import { createGroups, type ExecuteEvent } from './fan-out/groups.ts'
import { countRootFields } from './guard/field-count.ts'
import type { PreparedOperation } from './guard/guard.ts'
import { createPlans } from './plan/plans.ts'
import type { RateLimiter } from './rate-limit.ts'
import { type Destination, deliver } from './websocket/delivery.ts'

export type OperationResult = ExecutionResult | AsyncIterableIterator<ExecutionResult>

export interface Executor {
  /** Executes an operation for a viewer; a subscription gives an iterator of results. */
  run(operation: PreparedOperation, viewer: Viewer, by?: Socket): Promise<OperationResult>
  /** The result of an operation that could not begin. */
  failed(error: unknown): ExecutionResult
}

/** The socket that an operation came by; none over HTTP. */
export interface Socket extends Destination {
  connection: Connection
}

/** Called when a subscription is in effect, and told whose it is. */
export type OnSubscribed = (viewer: Viewer) => void

export interface ExecutorDeps {
  app: AppContext
  schema: GraphQLSchema
  limiter: RateLimiter
  policy: ErrorPolicy
  onSubscribed?: OnSubscribed | undefined
}

export function createExecutor({ app, schema, limiter, policy, onSubscribed }: ExecutorDeps): Executor {
  const contexts = createContexts(app)
  const plans = createPlans(schema)

  const argsOf = ({ document, operationName, variables: variableValues }: PreparedOperation): ExecutionArgs => ({
    schema,
    document,
    operationName,
    variableValues,
  })

  const failed = (error: unknown): ExecutionResult => ({ errors: [toClientError(asGraphQLError(error), policy)] })

  function forClient(result: ExecutionResult): ExecutionResult {
    if (!result.errors) return result
    return { ...result, errors: result.errors.map((error) => toClientError(error, policy)) }
  }

  /** Executes what changes nothing: by its plan, or else by graphql-js, which has the last word where anything is amiss. */
  function executeRead(prepared: PreparedOperation, makeContext: () => RequestContext, rootValue?: object) {
    const byGraphQL = () => execute({ ...argsOf(prepared), rootValue, contextValue: makeContext() })
    const planned = plans.run(prepared, makeContext, rootValue)
    return planned instanceof Promise ? planned.then((result) => result ?? byGraphQL()) : (planned ?? byGraphQL())
  }

  const executeEvent: ExecuteEvent = (prepared, event, viewer) => {
    const result = executeRead(prepared, () => (viewer ? contexts.forViewer(viewer) : contexts.forAll()), event)
    return result instanceof Promise ? result.then(ofEvent) : ofEvent(result)
  }

  function ofEvent(result: ExecutionResult): ExecutionResult | null {
    // Who it is about has left since, or the viewer has: later events say so, and an error would end many a client's stream.
    return isOfNobody(result) ? null : forClient(result)
  }

  const groups = createGroups(schema, executeEvent)

  async function subscribe(prepared: PreparedOperation, viewer: Viewer, by?: Socket) {
    const source = await createSourceEventStream({
      ...argsOf(prepared),
      contextValue: contexts.forViewer(viewer, by?.connection),
    })
    if (!(Symbol.asyncIterator in source)) return forClient(source)
    onSubscribed?.(viewer)
    // What the subscription's resolver gave: graphql-js passes it on as it is.
    const stream = source as LiveStream<object>
    if (by) return deliver(stream, groups.join(prepared, viewer), by)
    const last = (error: unknown) => ({ value: failed(error), done: false })
    return mapIterator(stream, async (event) => executeEvent(prepared, event, viewer), last)
  }

  async function start(prepared: PreparedOperation, viewer: Viewer, by?: Socket) {
    const { document, operation } = prepared
    if (operation.operation === OperationTypeNode.SUBSCRIPTION) return subscribe(prepared, viewer, by)
    const makeContext = () => contexts.forViewer(viewer, by?.connection)
    if (operation.operation === OperationTypeNode.QUERY) return forClient(await executeRead(prepared, makeContext))
    await limiter.take(viewer, countRootFields(document, operation))
    // The arguments last: to add to a copy of an object costs 5 µs, to copy it into another next to nothing.
    return forClient(await execute({ contextValue: makeContext(), ...argsOf(prepared) }))
  }

  return { run: (prepared, viewer, by) => start(prepared, viewer, by).catch(failed), failed }
}

/** Whether an event can't be told because what it is about is no longer to be seen. */
function isOfNobody({ data, errors }: ExecutionResult): boolean {
  return data == null && errors !== undefined && errors.every((error) => rootCause(error) instanceof NotFoundError)
}

/**
 * The source's events, mapped one by one; those that are mapped to null are left out. A plain object and not an async
 * generator, whose return() would wait for the next event before it reached the source.
 */
function mapIterator<From, To>(
  source: AsyncIterator<From>,
  map: (item: From) => Promise<To | null>,
  failed: (error: unknown) => IteratorResult<To>,
): AsyncIterableIterator<To> {
  const end: IteratorResult<To> = { value: undefined, done: true }
  let ended = false
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    async next() {
      try {
        while (!ended) {
          const { value, done } = await source.next()
          const mapped = done ? null : await map(value)
          if (mapped !== null) return { value: mapped, done: false }
          ended ||= done === true
        }
        return end
      } catch (error) {
        ended = true
        return failed(error)
      }
    },
    async return() {
      ended = true
      await source.return?.()
      return end
    },
  }
}
