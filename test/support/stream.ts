import type { ExecutionResult } from 'graphql'
import type { Sink } from 'graphql-ws'

/** What a subscription sends, for a test to wait for. */
export interface Stream<Data> {
  /** The next result, waited for. Throws where the subscription ended or failed instead. */
  next(): Promise<Data>
  /** The next result that fits, those before it taken too. */
  until(fits: (data: Data) => boolean): Promise<Data>
  /** What has come and was not taken yet. */
  waiting(): Data[]
  /** Resolves once the subscription is over; `error` says why, if it failed. */
  ended: Promise<{ error?: unknown }>
  stop(): void
}

/** Starts a subscription and keeps what it sends. */
export function streamOf<Data>(subscribe: (sink: Sink<ExecutionResult<Data>>) => () => void): Stream<Data> {
  const received: ExecutionResult<Data>[] = []
  let wake = () => {}
  let over: { error?: unknown } | undefined
  let end!: (how: { error?: unknown }) => void
  const ended = new Promise<{ error?: unknown }>((resolve) => {
    end = (how) => {
      over ??= how
      resolve(over)
      wake()
    }
  })
  const stop = subscribe({
    next(result) {
      received.push(result as ExecutionResult<Data>)
      wake()
    },
    error: (error) => end({ error }),
    complete: () => end({}),
  })

  async function next(): Promise<Data> {
    while (received.length === 0) {
      if (over) throw new Error(`The subscription is over: ${JSON.stringify(over.error ?? 'completed')}`)
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    const { data, errors } = received.shift()!
    if (errors || !data) throw new Error(JSON.stringify(errors))
    return data
  }

  return {
    next,
    async until(fits) {
      for (;;) {
        const data = await next()
        if (fits(data)) return data
      }
    },
    waiting: () => received.map((result) => result.data!),
    ended,
    stop,
  }
}
