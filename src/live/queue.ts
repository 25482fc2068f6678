import { UnavailableError } from '../lib/errors.ts'

// What stands between the events of a subscription and its transport: bounded, so that one slow reader can't fill the
// memory, and without a promise for each item where the transport takes them at once. For a fan-out of thousands that
// is the larger part of what a delivery costs beside the write itself.

/** Takes the items of a stream as fast as it can. */
export interface Sink<Item> {
  /** Whether it takes an item now. Once it does so again, it has to `wake` the stream. */
  isReady(): boolean
  /** Called only while it is ready. */
  take(item: Item): void
  /** All has been taken; or the stream broke off, with an error, whether the sink is ready or not. Nothing comes after. */
  end(error?: unknown): void
}

/** The items of a subscription: read one by one, or handed over to one sink. */
export interface LiveStream<Item> extends AsyncIterableIterator<Item> {
  /** Hands over what there is, and what comes, from now on. */
  flowTo(sink: Sink<Item>): void
  /** Says that the sink is ready. */
  wake(): void
  return(): Promise<IteratorResult<Item>>
}

export interface Queue<Item> {
  push(item: Item): void
  /** Ends the stream after what is waiting. */
  end(): void
  stream: LiveStream<Item>
}

export interface QueueOptions {
  /** Called once, when the reader leaves, the stream ends or a slow reader is given up. */
  onClose: () => void
  /**
   * Called while nothing waits and the reader wants more: reads a page of what was missed and pushes it. False: that was
   * the last one. So nothing is read ahead of a slow reader.
   */
  readMissed?: (() => Promise<boolean>) | undefined
  /** Items that may wait, 1,000 if left out. */
  limit?: number
  /** What happens beyond it; `fail` if left out. */
  overflow?: Overflow
}

/** The stream breaks off with UnavailableError, so that the client resumes, or the oldest items are dropped. */
export type Overflow = 'fail' | 'drop'

const LIMIT = 1_000

export function createQueue<Item>(options: QueueOptions): Queue<Item> {
  const { onClose, readMissed, limit = LIMIT, overflow = 'fail' } = options
  let waiting: Item[] = []
  /** How many of those were missed, and read in pages: they are bounded by the page. */
  let missed = 0
  let readPage = readMissed
  /** Whether a page is being pushed, which is bounded by itself. */
  let isReplaying = false
  let isOpen = true
  let failure: unknown
  let sink: Sink<Item> | null = null
  let reader: ReaderSink<Item> | null = null

  function close() {
    if (!isOpen) return
    isOpen = false
    onClose()
  }

  function breakOff(error: unknown) {
    waiting = []
    failure = error
    close()
    finish()
  }

  /** Tells the sink of the end, once. */
  function finish() {
    const to = sink
    sink = null
    to?.end(failure)
  }

  /** Hands over what waits, then what is still to be read, as long as the sink takes it. */
  function pump() {
    while (sink?.isReady() && !isReplaying) {
      if (waiting.length > 0) {
        if (missed > 0) missed--
        sink.take(waiting.shift()!)
      } else if (!isOpen) finish()
      else if (readPage) void replay(readPage)
      else return
    }
  }

  async function replay(read: () => Promise<boolean>) {
    isReplaying = true
    try {
      if (!(await read())) readPage = undefined
    } catch (error) {
      return breakOff(error)
    } finally {
      isReplaying = false
      missed = waiting.length
    }
    pump()
  }

  return {
    push(item) {
      if (!isOpen) return
      if (waiting.length === 0 && !isReplaying && sink?.isReady()) return sink.take(item)
      if (waiting.length - missed < limit || isReplaying) return void waiting.push(item)
      if (overflow === 'fail')
        return breakOff(new UnavailableError('This subscription was read too slowly. Subscribe again.'))
      waiting.shift()
      waiting.push(item)
    },
    end() {
      close()
      pump()
    },
    stream: {
      [Symbol.asyncIterator]() {
        return this
      },
      flowTo(to) {
        sink = to
        if (failure) finish()
        else pump()
      },
      wake: pump,
      async next() {
        if (!reader) {
          reader = createReaderSink()
          this.flowTo(reader)
        }
        return reader.next(pump)
      },
      async return() {
        waiting = []
        close()
        finish()
        return DONE
      },
    },
  }
}

const DONE: IteratorResult<never> = { value: undefined, done: true }

interface ReaderSink<Item> extends Sink<Item> {
  /** @throws what the stream broke off with, once. */
  next(wake: () => void): Promise<IteratorResult<Item>>
}

/** Gives one item to each call of `next`. */
function createReaderSink<Item>(): ReaderSink<Item> {
  let asked: { resolve(result: IteratorResult<Item>): void; reject(error: unknown): void } | null = null
  let isOver = false
  let failure: unknown
  return {
    isReady: () => asked !== null,
    take(item) {
      asked?.resolve({ value: item, done: false })
      asked = null
    },
    end(error) {
      isOver = true
      if (error === undefined) asked?.resolve(DONE)
      else if (asked) asked.reject(error)
      else failure = error
      asked = null
    },
    next(wake) {
      if (failure !== undefined) {
        const error = failure
        failure = undefined
        return Promise.reject(error)
      }
      if (isOver) return Promise.resolve(DONE)
      const promise = new Promise<IteratorResult<Item>>((resolve, reject) => {
        asked = { resolve, reject }
      })
      wake()
      return promise
    },
  }
}
