import type { Logger } from '../lib/log.ts'
import { type Bus, deliver, type Listener, tryEncode } from './bus.ts'
import type { BusEvent, Topic } from './topics.ts'

/** A bus within this process, for a single node and for tests. It is never away. */
export function createMemoryBus({ log }: { log: Logger }): Bus {
  const listeners = new Map<Topic, Set<Listener<BusEvent>>>()
  let queue: { topic: Topic; payload: Buffer }[] = []
  let closed = false

  function drain() {
    const due = queue
    queue = []
    for (const { topic, payload } of due) {
      for (const listener of listeners.get(topic) ?? []) deliver(payload, listener, log)
    }
  }

  return {
    publish(topic, event) {
      // Nobody who comes later is to get it either, so it need not be encoded.
      if (closed || !listeners.has(topic)) return
      const payload = tryEncode(event, log)
      if (payload === undefined) return
      // Later, as with Redis: nobody is called back from within a call.
      if (queue.length === 0) setImmediate(drain)
      queue.push({ topic, payload: Buffer.from(payload) })
    },

    async subscribe(topic, listener) {
      if (closed) return async () => {}
      const ofTopic = listeners.get(topic) ?? new Set()
      listeners.set(topic, ofTopic.add(listener))
      return async () => {
        if (ofTopic.delete(listener) && ofTopic.size === 0) listeners.delete(topic)
      }
    },

    onReconnect: () => () => {},
    isUp: () => !closed,
    dropped: () => 0,

    async close() {
      closed = true
      listeners.clear()
    },
  }
}
