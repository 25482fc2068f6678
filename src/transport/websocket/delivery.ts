import type { ExecutionResult } from 'graphql'
import type { LiveStream, Sink } from '../../live/queue.ts'
import type { Member } from '../fan-out/groups.ts'
import { type Head, type NextMessage, operationHead } from './frames.ts'
import type { Outlet } from './socket.ts'

/** Where the results of a subscription go to. */
export interface Destination {
  /** Closed when the stream breaks off, as for a slow reader. */
  outlet: Outlet
  operationId: string
}

/**
 * Lets a stream's events flow to a socket as they come, past graphql-ws, which would take several promises and an
 * encoding for each. To it this is a stream that gives nothing, and ends when that ends; so ids, completing and closing
 * stay in its hands.
 */
export function deliver(
  stream: LiveStream<object>,
  member: Member,
  destination: Destination,
): AsyncIterableIterator<ExecutionResult> {
  const delivery = new Delivery(stream, member, destination)
  stream.flowTo(delivery)
  return delivery
}

const OVER: IteratorResult<never> = { value: undefined, done: true }

/** A class, so that each of thousands is one object and no closures. */
class Delivery implements Sink<object>, AsyncIterableIterator<ExecutionResult> {
  private readonly stream: LiveStream<object>
  private readonly member: Member
  private readonly outlet: Outlet
  private readonly head: Head
  /** Whether an event is being executed, or there is no room for one. */
  private isBusy = false
  private isOver = false
  private over: Promise<IteratorResult<ExecutionResult>> | null = null
  private sayOver: ((result: IteratorResult<ExecutionResult>) => void) | null = null

  constructor(stream: LiveStream<object>, member: Member, { outlet, operationId }: Destination) {
    this.stream = stream
    this.member = member
    this.outlet = outlet
    this.head = operationHead(operationId)
  }

  isReady() {
    if (this.isBusy || this.isOver) return false
    if (!this.outlet.isFull()) return true
    this.isBusy = true
    this.outlet.onceDrained(() => this.resume())
    return false
  }

  take(event: object) {
    try {
      const message = this.member.messageOf(event)
      if (message instanceof Promise) this.await(message)
      else this.send(message)
    } catch (error) {
      // Others still wait to be told of the same event.
      this.end(error)
    }
  }

  private await(message: Promise<NextMessage | null>) {
    this.isBusy = true
    message
      .then((made) => this.send(made))
      .then(
        () => this.resume(),
        (error) => this.end(error),
      )
  }

  private send(message: NextMessage | null) {
    if (message && !this.isOver) this.outlet.sendNext(this.head, message)
  }

  private resume() {
    this.isBusy = false
    this.stream.wake()
  }

  end(error?: unknown) {
    if (this.isOver) return
    this.isOver = true
    this.member.leave()
    if (error) this.outlet.closeSlow()
    this.sayOver?.(OVER)
  }

  [Symbol.asyncIterator]() {
    return this
  }

  next(): Promise<IteratorResult<ExecutionResult>> {
    this.over ??= new Promise((resolve) => {
      if (this.isOver) resolve(OVER)
      else this.sayOver = resolve
    })
    return this.over
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.end()
    await this.stream.return()
    return OVER
  }
}
