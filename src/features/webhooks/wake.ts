import type { Bus } from '../../bus/bus.ts'
import type { BusEvent } from '../../bus/topics.ts'

/** No webhook tells of these. */
const OF_THE_MOMENT: BusEvent['type'][] = ['read', 'typing', 'standing']

/** A bus that calls `wake` for what this node announces: that was committed, and may have left events in the outbox. */
export function wakeOnPublish(bus: Bus, wake: () => void): Bus {
  return {
    ...bus,
    publish(topic, event) {
      bus.publish(topic, event)
      if (!OF_THE_MOMENT.includes(event.type)) wake()
    },
  }
}
