import { encodeId } from '../../lib/ids.ts'
import { type ConversationHappening, conversationEvents } from '../../live/conversation-events.ts'
import { builder } from '../../schema/builder.ts'
import { SHAREABLE } from '../../schema/shareable.ts'
import { Message } from '../messages/schema.ts'
import { ReadReceipt } from '../reads/schema.ts'
import { User } from '../users/schema.ts'
import { Participant } from './participants-schema.ts'
import { Conversation, conversationOf } from './schema.ts'

const ConversationEvent = builder.interfaceRef<ConversationHappening>('ConversationEvent').implement({
  description:
    'Everything that happens in a conversation, on one stream. An interface, so that an older client still reads what it knows of a newer event.',
  fields: (t) => ({
    conversationId: t.id({
      extensions: SHAREABLE,
      description: 'The conversation.',
      resolve: (event) => encodeId('Conversation', event.conversationId),
    }),
    cursor: t.exposeString('cursor', {
      extensions: SHAREABLE,
      description: '`conversationEvents(after:)` goes on from it with what comes after this event.',
    }),
  }),
  resolveType: ({ type }) => TYPE_NAMES[type],
})

type Of<Type extends ConversationHappening['type']> = Extract<ConversationHappening, { type: Type }>

const TYPE_NAMES: Record<ConversationHappening['type'], string> = {
  message: 'MessageAddedEvent',
  'message-changed': 'MessageUpdatedEvent',
  participant: 'ParticipantChangedEvent',
  details: 'ConversationUpdatedEvent',
  read: 'ReadReceiptEvent',
  'caught-up': 'CaughtUpEvent',
  'reset-required': 'ResetRequiredEvent',
  'access-revoked': 'AccessRevokedEvent',
}

builder.objectRef<Of<'message'>>('MessageAddedEvent').implement({
  description: 'A message was sent.',
  interfaces: [ConversationEvent],
  fields: (t) => ({
    message: t.field({ extensions: SHAREABLE, type: Message, description: 'It.', resolve: (event) => event.message }),
  }),
})

builder.objectRef<Of<'message-changed'>>('MessageUpdatedEvent').implement({
  description: 'A message was edited or deleted, or what hangs on it changed.',
  interfaces: [ConversationEvent],
  fields: (t) => ({
    message: t.field({
      extensions: SHAREABLE,
      type: Message,
      description: 'As it is since then.',
      resolve: (event) => event.message,
    }),
  }),
})

const ParticipantChange = builder.enumType('ParticipantChange', {
  description: 'What became of a participant.',
  values: {
    JOINED: { description: 'Is in the conversation now.' },
    LEFT: { description: 'Went away.' },
    REMOVED: { description: 'Was taken out.' },
    ROLE_CHANGED: { description: 'Has another role now.' },
  },
})

builder.objectRef<Of<'participant'>>('ParticipantChangedEvent').implement({
  description: 'Somebody came or went, or was given another role.',
  interfaces: [ConversationEvent],
  fields: (t) => ({
    change: t.field({
      extensions: SHAREABLE,
      type: ParticipantChange,
      description: 'What happened.',
      resolve: (event) => event.change,
    }),
    user: t.field({ extensions: SHAREABLE, type: User, description: 'To whom.', resolve: (event) => event.userId }),
    participant: t.field({
      type: Participant,
      nullable: true,
      description: 'The place in the conversation as it is now; null to whom it is no more.',
      resolve: ({ conversationId, userId }) => `${conversationId}:${userId}`,
    }),
  }),
})

builder.objectRef<Of<'details'>>('ConversationUpdatedEvent').implement({
  description: "The conversation's own fields changed, as its title, or it was closed or reopened.",
  interfaces: [ConversationEvent],
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'As it is now.',
      resolve: (event, _args, ctx) => conversationOf(ctx, event),
    }),
  }),
})

builder.objectRef<Of<'read'>>('ReadReceiptEvent').implement({
  description: "A participant's read position moved, or, at the beginning, is where it is.",
  interfaces: [ConversationEvent],
  fields: (t) => ({
    receipt: t.field({
      extensions: SHAREABLE,
      type: ReadReceipt,
      description: 'Who has read, and when.',
      resolve: (event) => event,
    }),
  }),
})

builder.objectRef<Of<'caught-up'>>('CaughtUpEvent').implement({
  description:
    'All that was missed has been sent; what follows is live. Repeated after 30 s of quiet: a stream that says nothing for longer is dead.',
  interfaces: [ConversationEvent],
})

builder.objectRef<Of<'reset-required'>>('ResetRequiredEvent').implement({
  description:
    "`after` can't be resumed from: fetch the conversation anew and subscribe from its cursor. The stream ends after it.",
  interfaces: [ConversationEvent],
  fields: (t) => ({ reason: t.exposeString('reason', { extensions: SHAREABLE, description: 'Why, in words.' }) }),
})

builder.objectRef<Of<'access-revoked'>>('AccessRevokedEvent').implement({
  description: 'The viewer may no longer read this conversation; the stream ends after it.',
  interfaces: [ConversationEvent],
})

builder.subscriptionField('conversationEvents', (t) =>
  t.field({
    extensions: SHAREABLE,
    type: ConversationEvent,
    description:
      'Begins with the present receipts of up to 100 participants, then what was missed since `after`: new messages by seq, as they are now, then all other changes. Then CaughtUpEvent, and what happens from then on. Each change once and in order. NOT_FOUND for a conversation that one is not in.',
    args: {
      conversationId: t.arg.id({ required: true, description: 'The id of a Conversation.' }),
      after: t.arg.string({ description: "Conversation's cursor or that of an event. From now on if left out." }),
    },
    subscribe: (_root, args, ctx) => conversationEvents(ctx, args),
    resolve: (event) => event,
  }),
)
