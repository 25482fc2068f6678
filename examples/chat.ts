import type {
  ChatEventsSubscription,
  ChatMessageFragment,
  ChatParticipantFragment,
  ChatQuery,
} from '../test/generated/graphql.ts'
import { isStored, mergePages } from './messages.ts'

// A conversation as it is shown, and what each event makes of it.

export type Chat = NonNullable<ChatQuery['conversation']>
export type ChatEvent = ChatEventsSubscription['conversationEvents']

export function applyEvent(chat: Chat, event: ChatEvent): Chat {
  switch (event.__typename) {
    case 'MessageAddedEvent':
    case 'MessageUpdatedEvent':
      return withMessages(chat, event.message)
    case 'ParticipantChangedEvent':
      return withParticipant(chat, event.user.id, event.participant)
    case 'ReadReceiptEvent':
      return withParticipant(chat, event.receipt.participant.user.id, event.receipt.participant)
    case 'ConversationUpdatedEvent':
      return { ...chat, ...event.conversation }
    default:
      return chat
  }
}

/** With more messages: new ones, or newer versions of those that are there. Older versions change nothing. */
export function withMessages(chat: Chat, ...messages: ChatMessageFragment[]): Chat {
  const page = { ...chat.messages, edges: messages.map((node) => ({ node })) }
  return { ...chat, messages: mergePages(chat.messages, page) }
}

/** Loaded anew: of what was held before, only what is not stored yet remains. */
export function reloaded(held: Chat | null | undefined, chat: Chat): Chat {
  const pending = held?.messages.edges.map(({ node }) => node).filter((message) => !isStored(message)) ?? []
  return withMessages(chat, ...pending)
}

function withParticipant(chat: Chat, userId: string, participant: ChatParticipantFragment | null): Chat {
  const others = chat.participants.edges.filter(({ node }) => node.user.id !== userId)
  const edges = participant ? [...others, { node: participant }] : others
  return { ...chat, participants: { ...chat.participants, edges } }
}
