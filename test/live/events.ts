import { ConversationEventsDocument, type ConversationEventsSubscription } from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'
import type { Stream } from '../support/stream.ts'

export type ConversationEvent = ConversationEventsSubscription['conversationEvents']
export type Events = Stream<ConversationEventsSubscription>

/** All that happens in a conversation, from a cursor on if one is given. */
export function follow(client: TestClient, conversationId: string, after: string | null = null): Promise<Events> {
  return client.subscribe(ConversationEventsDocument, { conversationId, after })
}

export async function nextEvent(stream: Events): Promise<ConversationEvent> {
  return (await stream.next()).conversationEvents
}

/** The next events up to one of this kind, which is the last of them. */
export async function eventsUntil(stream: Events, last: ConversationEvent['__typename']): Promise<ConversationEvent[]> {
  const events: ConversationEvent[] = []
  while (events.at(-1)?.__typename !== last) events.push(await nextEvent(stream))
  return events
}

/** An event as a line to compare. */
export function lineOf(event: ConversationEvent): string {
  switch (event.__typename) {
    case 'MessageAddedEvent':
      return `added ${event.message.seq} ${event.message.body}`
    case 'MessageUpdatedEvent':
      return `updated ${event.message.seq} ${event.message.deletedAt ? 'deleted' : event.message.body}`
    case 'ParticipantChangedEvent':
      return `${event.change} ${event.user.externalId} ${event.participant?.role ?? 'gone'}`
    case 'ConversationUpdatedEvent':
      return `${event.conversation.title} ${event.conversation.closedAt ? 'closed' : 'open'}`
    case 'ReadReceiptEvent':
      return `read ${event.receipt.participant.user.externalId} ${event.receipt.participant.lastReadSeq}`
    case 'ResetRequiredEvent':
      return 'reset'
    case 'CaughtUpEvent':
      return 'caught up'
    case 'AccessRevokedEvent':
      return 'revoked'
  }
}

/** A conversation's cursor with other parts: its version and seq, or the epoch of another history of the database. */
export function forge(cursor: string, change: { epoch?: string; version?: number; seq?: number }): string {
  const [letter, epoch, conversation, version, seq] = cursor.split('.')
  const number = (changed: number | undefined, kept: string) => changed?.toString(36) ?? kept
  return [letter, change.epoch ?? epoch, conversation, number(change.version, version!), number(change.seq, seq!)].join(
    '.',
  )
}
