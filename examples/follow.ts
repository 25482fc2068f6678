import type { ChatEventsSubscription } from '../test/generated/graphql.ts'
import type { ChatEvent } from './chat.ts'

/** What following a conversation needs of the client library that shows it. */
export interface Following {
  /** Loads the conversation anew, and gives back its cursor; none where it can't be seen. */
  load(signal: AbortSignal): Promise<string | undefined>
  /** Subscribes to what comes after a cursor. */
  subscribe(
    after: string,
    next: (result: { data?: ChatEventsSubscription | undefined; error?: unknown }) => void,
  ): { unsubscribe(): void }
  apply(event: ChatEvent): void
  /** The conversation can't be seen any more, or an error says what went wrong. */
  closed(error?: unknown): void
}

/** Loads a conversation and keeps it up to date, until it is closed or the function that is given back is called. */
export function follow({ load, subscribe, apply, closed }: Following): () => void {
  const stopped = new AbortController()
  let events: { unsubscribe(): void } | undefined

  async function begin() {
    const cursor = await load(stopped.signal)
    if (stopped.signal.aborted) return
    if (!cursor) return close()
    events = subscribe(cursor, ({ data, error }) => {
      if (error) return close(error)
      const event = data?.conversationEvents
      if (event?.__typename === 'AccessRevokedEvent') return close()
      if (event?.__typename === 'ResetRequiredEvent') return restart()
      if (event) apply(event)
    })
  }

  function restart() {
    events?.unsubscribe()
    begin().catch(close)
  }

  function stop() {
    stopped.abort()
    events?.unsubscribe()
  }

  function close(error?: unknown) {
    if (stopped.signal.aborted) return
    stop()
    closed(error)
  }

  restart()
  return stop
}
