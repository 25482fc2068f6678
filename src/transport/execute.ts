import { initContextCache } from '@pothos/core'
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
import { asGraphQLError, type ErrorPolicy, rootCause, toClientError } from './errors.ts'
import { countRootFields, type PreparedOperation } from './guard.ts'
import type { RateLimiter } from './rate-limit.ts'

export type OperationResult = ExecutionResult | AsyncIterableIterator<ExecutionResult>

export interface Executor {
  /** Executes an operation for a viewer; a subscription gives an iterator of results. */
  run(operation: PreparedOperation, viewer: Viewer, by?: Socket): Promise<OperationResult>
  /** The result of an operation that could not begin. */
  failed(error: unknown): ExecutionResult
}

/** The socket that an operation came by; none over HTTP. */
export interface Socket {
  connection: Connection
  /** Called when a subscription breaks off, as for a slow reader; without a socket the error is the last result. */
  onFailure: () => void
}

export interface ExecutorDeps {
  app: AppContext
  schema: GraphQLSchema
  limiter: RateLimiter
  policy: ErrorPolicy
  /** Called when a subscription is in effect. */
  onSubscribed: () => void
}

export function createExecutor({ app, schema, limiter, policy, onSubscribed }: ExecutorDeps): Executor {
  /** Each request and each event has loaders of its own: what an earlier one read is stale. */
  const contextFor = (viewer: Viewer, by?: Socket): RequestContext => ({
    ...app,
    viewer,
    connection: by?.connection,
    ...initContextCache(),
  })

  const failed = (error: unknown): ExecutionResult => ({ errors: [toClientError(asGraphQLError(error), policy)] })

  function forClient(result: ExecutionResult): ExecutionResult {
    if (!result.errors) return result
    return { ...result, errors: result.errors.map((error) => toClientError(error, policy)) }
  }

  async function subscribe(args: ExecutionArgs, viewer: Viewer, by?: Socket) {
    const source = await createSourceEventStream(args)
    if (!(Symbol.asyncIterator in source)) return forClient(source)
    onSubscribed()
    const toResult = async (rootValue: unknown) => {
      const result = await execute({ ...args, rootValue, contextValue: contextFor(viewer) })
      // Who it is about has left since, or the viewer has: later events say so, and an error would end many a client's stream.
      return isOfNobody(result) ? null : forClient(result)
    }
    const brokenOff = (error: unknown): IteratorResult<ExecutionResult> => {
      if (by) {
        by.onFailure()
        return { value: undefined, done: true }
      }
      return { value: failed(error), done: false }
    }
    return mapIterator(source[Symbol.asyncIterator](), toResult, brokenOff)
  }

  async function start(prepared: PreparedOperation, viewer: Viewer, by?: Socket) {
    const { document, operation, operationName, variables: variableValues } = prepared
    const args: ExecutionArgs = {
      schema,
      document,
      operationName,
      variableValues,
      contextValue: contextFor(viewer, by),
    }
    if (operation.operation === OperationTypeNode.SUBSCRIPTION) return subscribe(args, viewer, by)
    if (operation.operation === OperationTypeNode.MUTATION) await limiter.take(viewer, countRootFields(prepared))
    return forClient(await execute(args))
  }

  return { run: (prepared, viewer, by) => start(prepared, viewer, by).catch(failed), failed }
}

/** Whether an event can't be told because what it is about is no longer to be seen. */
function isOfNobody({ data, errors }: ExecutionResult): boolean {
  return data == null && errors !== undefined && errors.every((error) => rootCause(error) instanceof NotFoundError)
}

/**
 * The source's events, mapped one by one; those that are mapped to null are left out. A plain object and not an async generator, whose return() would wait for the
 * next event before it reached the source.
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
