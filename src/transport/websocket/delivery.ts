import type { ExecutionResult } from 'graphql'
import type { LiveStream } from '../../live/queue.ts'
import type { Member } from '../fan-out/groups.ts'
import type { NextMessage } from './frames.ts'
import { operationHead } from './frames.ts'
import type { Outlet } from './socket.ts'

/** Where the results of a subscription go to. */
export interface Destination {
  outlet: Outlet
  operationId: string
  /** Called when the stream breaks off, as for a slow reader. */
  onFailure: () => void
}

/**
 * Lets a stream's events flow to a socket as they come, past graphql-ws, which would take several promises and an
 * encoding for each. To it this is a stream that gives nothing, and ends when that ends; so ids, completing and closing
 * stay in its hands.
 */
export function deliver(
  stream: LiveStream<object>,
  member: Member,
  { outlet, operationId, onFailure }: Destination,
): AsyncIterableIterator<ExecutionResult> {
  const head = operationHead(operationId)
  /** Whether an event is being executed, or there is no room for one. */
  let isBusy = false
  let isOver = false
  let sayOver: (result: IteratorResult<ExecutionResult>) => void
  const over = new Promise<IteratorResult<ExecutionResult>>((resolve) => {
    sayOver = resolve
  })

  function send(message: NextMessage | null) {
    if (message && !isOver) outlet.sendNext(head, message)
  }

  function end(error?: unknown) {
    if (isOver) return
    isOver = true
    member.leave()
    if (error) onFailure()
    sayOver({ value: undefined, done: true })
  }

  function resume() {
    isBusy = false
    stream.wake()
  }

  stream.flowTo({
    isReady() {
      if (isBusy || isOver) return false
      if (!outlet.isFull()) return true
      isBusy = true
      outlet.onceDrained(resume)
      return false
    },
    take(event) {
      try {
        const message = member.messageOf(event)
        if (!(message instanceof Promise)) return send(message)
        isBusy = true
        message.then(send).then(resume, end)
      } catch (error) {
        // Others still wait to be told of the same event.
        end(error)
      }
    },
    end,
  })

  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () => over,
    async return() {
      end()
      await stream.return()
      return over
    },
  }
}
