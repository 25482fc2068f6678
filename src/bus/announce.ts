import type { Bus } from './bus.ts'
import type { ConversationEvent, UserEvent } from './topics.ts'
import { conversationTopic, userTopic } from './topics.ts'

/**
 * Tells all nodes what happened. To be called after the commit and never before it: an event must not speak of what may
 * still be rolled back. Doesn't wait, and can't fail; what gets lost is found by comparing with the database.
 */
export function announce(ctx: { bus: Bus; config: { busShards: number } }, event: ConversationEvent | UserEvent): void {
  const { busShards } = ctx.config
  if (isOfUser(event)) ctx.bus.publish(userTopic(event.key, busShards), event)
  else ctx.bus.publish(conversationTopic(event.key, busShards), event)
}

function isOfUser(event: ConversationEvent | UserEvent): event is UserEvent {
  return event.type === 'inbox' || event.type === 'standing' || event.type === 'contact'
}
