import type { Position } from '../features/conversations/changes.ts'
import type { FeedEvent } from './feed.ts'

/** Where a subscriber stands when it comes to an event. */
export interface Standing {
  conversationId: string
  at: Position
  /** The history that it reads. */
  epoch: string
}

/**
 * Makes the item of an event once for all subscribers who stand at the same place, which is all of them but for those
 * who resume. They get the same object, by which it is known that what is made of it can be shared too.
 */
export function oncePerEvent<Event extends FeedEvent, Item>(
  make: (event: Event, standing: Standing) => Item,
): (event: Event, standing: Standing) => Item {
  const made = new WeakMap<Event, { item: Item; standing: Standing }>()
  return (event, standing) => {
    const known = made.get(event)
    if (known && isSame(known.standing, standing)) return known.item
    const item = make(event, standing)
    made.set(event, { item, standing })
    return item
  }
}

function isSame(one: Standing, other: Standing): boolean {
  return one.at.version === other.at.version && one.at.seq === other.at.seq && one.epoch === other.epoch
}
