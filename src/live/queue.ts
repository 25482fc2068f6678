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
  return new LiveQueue(options)
}

/** A class, so that each of thousands is one object and no closures: to go to them is what a delivery spends its time on. */
class LiveQueue<Item> implements Queue<Item>, LiveStream<Item> {
  private readonly options: QueueOptions
  private waiting: Item[] | null = null
  /** How many of those were missed, and read in pages: they are bounded by the page. */
  private missed = 0
  /** Whether there may be pages to read. */
  private mayMiss: boolean
  /** Whether a page is being pushed, which is bounded by itself. */
  private isReplaying = false
  private isOpen = true
  private failure: unknown = undefined
  private sink: Sink<Item> | null = null
  private reader: ReaderSink<Item> | null = null

  constructor(options: QueueOptions) {
    this.options = options
    this.mayMiss = options.readMissed !== undefined
  }

  get stream(): LiveStream<Item> {
    return this
  }

  push(item: Item) {
    if (!this.isOpen) return
    if (this.waiting === null && !this.isReplaying && this.sink?.isReady()) return this.sink.take(item)
    this.add(item)
  }

  private add(item: Item) {
    const { limit = LIMIT, overflow = 'fail' } = this.options
    this.waiting ??= []
    if (this.waiting.length - this.missed < limit || this.isReplaying) return void this.waiting.push(item)
    if (overflow === 'fail')
      return this.breakOff(new UnavailableError('This subscription was read too slowly. Subscribe again.'))
    this.waiting.shift()
    this.waiting.push(item)
  }

  end() {
    this.close()
    this.wake()
  }

  private close() {
    if (!this.isOpen) return
    this.isOpen = false
    this.options.onClose()
  }

  private breakOff(error: unknown) {
    this.waiting = null
    this.failure = error
    this.close()
    this.finish()
  }

  /** Tells the sink of the end, once. */
  private finish() {
    const to = this.sink
    this.sink = null
    to?.end(this.failure)
  }

  flowTo(sink: Sink<Item>) {
    this.sink = sink
    if (this.failure) this.finish()
    else this.wake()
  }

  /** Hands over what waits, then what is still to be read, as long as the sink takes it. */
  wake() {
    while (this.sink?.isReady() && !this.isReplaying) {
      if (this.waiting) this.sink.take(this.nextWaiting(this.waiting))
      else if (!this.isOpen) this.finish()
      else if (this.mayMiss) void this.replay()
      else return
    }
  }

  private nextWaiting(waiting: Item[]): Item {
    if (this.missed > 0) this.missed--
    const item = waiting.shift()!
    if (waiting.length === 0) this.waiting = null
    return item
  }

  private async replay() {
    this.isReplaying = true
    try {
      if (!(await this.options.readMissed?.())) this.mayMiss = false
    } catch (error) {
      return this.breakOff(error)
    } finally {
      this.isReplaying = false
      this.missed = this.waiting?.length ?? 0
    }
    this.wake()
  }

  [Symbol.asyncIterator]() {
    return this
  }

  async next(): Promise<IteratorResult<Item>> {
    if (!this.reader) {
      this.reader = createReaderSink()
      this.flowTo(this.reader)
    }
    return this.reader.next(() => this.wake())
  }

  async return(): Promise<IteratorResult<Item>> {
    this.waiting = null
    this.close()
    this.finish()
    return DONE
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
