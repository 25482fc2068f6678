import { UnavailableError } from '../lib/errors.ts'

/** What a subscription's events wait in until its transport takes them. */
export interface Queue<Item> {
  push(item: Item): void
  /** Ends the stream after what is waiting. */
  end(): void
  iterator: AsyncIterableIterator<Item>
}

/** Events that may wait for a slow reader; beyond it the stream fails, so that one reader can't fill the memory. */
const LIMIT = 1_000

/**
 * A bounded queue. `onClose` is called once, when the reader leaves, the stream ends or a slow reader is given up, whose
 * next read throws UnavailableError.
 */
export function createQueue<Item>(onClose: () => void, limit = LIMIT): Queue<Item> {
  let waiting: Item[] = []
  let reader: PromiseWithResolve<IteratorResult<Item>> | null = null
  let state: 'open' | 'ended' | 'overflown' = 'open'

  const done: IteratorResult<Item> = { value: undefined, done: true }

  function close(to: 'ended' | 'overflown') {
    if (state !== 'open') return
    state = to
    onClose()
  }

  return {
    push(item) {
      if (state !== 'open') return
      if (reader) {
        reader.resolve({ value: item, done: false })
        reader = null
      } else if (waiting.length < limit) {
        waiting.push(item)
      } else {
        waiting = []
        close('overflown')
      }
    },
    end() {
      close('ended')
      reader?.resolve(done)
      reader = null
    },
    iterator: {
      [Symbol.asyncIterator]() {
        return this
      },
      async next() {
        const item = waiting.shift()
        if (item !== undefined) return { value: item, done: false }
        if (state === 'overflown') {
          state = 'ended'
          throw new UnavailableError('This subscription was read too slowly. Subscribe again.')
        }
        if (state === 'ended') return done
        reader = withResolve()
        return reader.promise
      },
      async return() {
        waiting = []
        close('ended')
        reader?.resolve(done)
        reader = null
        return done
      },
    },
  }
}

interface PromiseWithResolve<T> {
  promise: Promise<T>
  resolve: (value: T) => void
}

/** Promise.withResolvers, which Node 20 lacks. */
function withResolve<T>(): PromiseWithResolve<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil
  })
  return { promise, resolve }
}
