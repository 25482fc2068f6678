import type { Client } from 'graphql-ws'
import { backoff, isUnavailable } from './retry.ts'

/**
 * A graphql-ws client whose subscriptions go on where they were: `after` is the newest cursor that came. CaughtUpEvent is
 * repeated every 30 s, so a stream that is silent for `silenceMs` is dead, and begun anew.
 */
export function resuming(client: Client, silenceMs = 90_000): Client {
  const subscribe: Client['subscribe'] = (payload, sink) => {
    // graphql-ws sends this object again after each reconnect, as it is then.
    const resumed = { ...payload, variables: { ...payload.variables } }
    let failures = 0
    let isRepeated = false
    let timer: ReturnType<typeof setTimeout> | undefined
    let end = () => {}

    function begin() {
      let isCurrent = true
      const stop = client.subscribe<Record<string, unknown>>(resumed, {
        next(result) {
          if (!isCurrent) return
          // What such an event brought is missing from it, so it has to come again.
          if (isUnavailable(result.errors)) return again(backoff(failures++))
          failures = 0
          const event = Object.values(result.data ?? {})[0] as { __typename?: string; cursor?: string } | undefined
          isRepeated ||= event?.__typename === 'CaughtUpEvent'
          clearTimeout(timer)
          if (isRepeated) timer = setTimeout(again, silenceMs, 0)
          sink.next(result as Parameters<typeof sink.next>[0])
          if (event?.cursor) resumed.variables.after = event.cursor
        },
        error: (error) => isCurrent && sink.error(error),
        complete: () => isCurrent && sink.complete(),
      })
      end = () => {
        isCurrent = false
        clearTimeout(timer)
        stop()
      }
    }
    function again(ms: number) {
      end()
      timer = setTimeout(begin, ms)
    }

    begin()
    return () => end()
  }
  return { ...client, subscribe }
}
