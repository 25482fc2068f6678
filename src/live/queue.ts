import { UnavailableError } from '../lib/errors.ts'

/** What a subscription's events wait in until its transport takes them. */
export interface Queue<Item> {
  push(item: Item): void
  /** Ends the stream after what is waiting. */
  end(): void
  iterator: AsyncIterableIterator<Item>
}

export interface QueueOptions {
  /** Called once, when the reader leaves, the stream ends or a slow reader is given up. */
  onClose: () => void
  /**
   * Called while nothing waits and the reader wants more: reads a page of what was missed and pushes it. False: that was
   * the last one. So nothing is read ahead of a slow reader.
   */
  readMissed?: (() => Promise<boolean>) | undefined
  /** Items that may wait, 1,000 if left out; so that one slow reader can't fill the memory. */
  limit?: number
  /** Called when more would wait: the reader may be stuck, and not come to read that its stream has failed. */
  onOverflow?: (() => void) | undefined
  /** What happens beyond it; `fail` if left out. */
  overflow?: Overflow
}

/** The stream fails, so that the client resumes, or the oldest items are dropped. */
export type Overflow = 'fail' | 'drop'

const LIMIT = 1_000

/** A bounded queue. A reader that is too slow gets UnavailableError from its next read. */
export function createQueue<Item>(options: QueueOptions): Queue<Item> {
  const { onClose, onOverflow, readMissed, limit = LIMIT, overflow = 'fail' } = options
  let waiting: Item[] = []
  /** How many of those were missed, and read in pages: they are bounded by the page. */
  let missed = 0
  let reader: ((result: IteratorResult<Item>) => void) | null = null
  let reading = readMissed
  /** Whether a page is being pushed, which is bounded by itself. */
  let replaying = false
  let state: 'open' | 'ended' | 'overflown' = 'open'

  const done: IteratorResult<Item> = { value: undefined, done: true }

  function close(to: 'ended' | 'overflown') {
    if (state !== 'open') return
    state = to
    onClose()
  }

  function settle(result: IteratorResult<Item>) {
    reader?.(result)
    reader = null
  }

  /** What is to be had at once. */
  function take(): IteratorResult<Item> | null {
    const item = waiting.shift()
    if (missed > 0) missed--
    if (item !== undefined) return { value: item, done: false }
    if (state === 'overflown') {
      state = 'ended'
      throw new UnavailableError('This subscription was read too slowly. Subscribe again.')
    }
    return state === 'ended' ? done : null
  }

  return {
    push(item) {
      if (state !== 'open') return
      if (reader) return settle({ value: item, done: false })
      if (waiting.length - missed < limit || replaying) return void waiting.push(item)
      if (overflow === 'drop') {
        waiting.shift()
        waiting.push(item)
      } else {
        waiting = []
        close('overflown')
        onOverflow?.()
      }
    },
    end() {
      close('ended')
      settle(done)
    },
    iterator: {
      [Symbol.asyncIterator]() {
        return this
      },
      async next() {
        let ready = take()
        while (!ready && reading) {
          replaying = true
          try {
            if (!(await reading())) reading = undefined
          } catch (error) {
            close('ended')
            throw error
          } finally {
            replaying = false
            missed = waiting.length
          }
          ready = take()
        }
        if (ready) return ready
        return new Promise((resolve) => {
          reader = resolve
        })
      },
      async return() {
        waiting = []
        close('ended')
        settle(done)
        return done
      },
    },
  }
}
