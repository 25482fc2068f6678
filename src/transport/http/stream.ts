import type { ServerResponse } from 'node:http'
import type { Drain } from '../drain.ts'
import type { Identify, Identity } from '../identity/identify.ts'

// The end of an event stream. Yoga asks for a result when the one before is written, so with a client that doesn't read it
// never comes to the end, whatever the reason: an expired token, a deactivated user, or more results than may wait.
// Such a response is broken off, so that no connection is held by somebody who is not let in, or no longer there.

/** From the end of a stream to the end of its response, in which a client reads what is left. */
const LEAVE_MS = 5_000
/** For a client to read a result before the next. Whoever is slower has missed some by now, and is to connect again. */
const READ_MS = 15_000

export interface StreamDeps {
  identify: Identify
  drain: Drain
}

/**
 * Passes on a stream until whoever reads it is no longer let in, has gone or has stopped reading; it breaks off when we go.
 * @throws what can't be found out of the reader's standing.
 */
export async function untilRefused<Item>(
  { identify, drain }: StreamDeps,
  stream: AsyncIterableIterator<Item>,
  identity: Identity,
  gone: AbortSignal,
  response: ServerResponse,
): Promise<AsyncIterableIterator<Item>> {
  let unread: NodeJS.Timeout | undefined
  // Not completed, so that clients connect again. One that has ended leaves its connection to the next request.
  const breakOff = () => void response.destroy()
  const breakOffIn = (ms: number) => setTimeout(breakOff, ms).unref()
  const end = () => {
    void stream.return?.()
    breakOffIn(LEAVE_MS)
  }
  const watching = await identify.watch(identity, { refuse: end }).catch((error) => {
    void stream.return?.()
    throw error
  })
  const leaver = { leave: breakOff }
  drain.add(leaver)
  const over = () => {
    clearTimeout(unread)
    watching.stop()
    drain.remove(leaver)
  }
  const ending: AsyncIterableIterator<Item> = {
    [Symbol.asyncIterator]: () => ending,
    async next() {
      clearTimeout(unread)
      const result = await stream.next()
      if (result.done) {
        over()
        breakOffIn(LEAVE_MS)
      } else unread = breakOffIn(READ_MS)
      return result
    },
    async return() {
      over()
      await stream.return?.()
      return { value: undefined, done: true }
    },
  }
  // Whoever hangs up before the answer begins has no reader that would end it.
  const hangUp = () => void ending.return?.()
  if (gone.aborted) hangUp()
  else gone.addEventListener('abort', hangUp, { once: true })
  return ending
}
