import { encodeId } from '../../lib/ids.ts'
import { type TypingChange, typing } from '../../live/typing.ts'
import { builder } from '../../schema/builder.ts'
import { SHAREABLE } from '../../schema/shareable.ts'
import { User } from '../users/schema.ts'
import { setTyping } from './service.ts'

const SetTypingInput = builder.inputType('SetTypingInput', {
  description: 'Whether the viewer is typing in a conversation.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Where.' }),
    isTyping: t.boolean({ required: true, description: 'True to begin or go on, false to end.' }),
  }),
})

const SetTypingPayload = builder.simpleObject('SetTypingPayload', {
  description: 'What setTyping did.',
  fields: (t) => ({
    expiresAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ends unless said again; null once ended.',
    }),
  }),
})

builder.mutationField('setTyping', (t) =>
  t.field({
    type: SetTypingPayload,
    nullable: true,
    description:
      'Tells the others that the viewer is typing. Never stored; ends by itself after 6 s and with the message. Say it again every few seconds. NOT_FOUND for a conversation that one is not in, CONFLICT for a closed one, FORBIDDEN to a user who takes no messages.',
    args: { input: t.arg({ type: SetTypingInput, required: true, description: 'Where, and whether.' }) },
    resolve: (_root, { input }, ctx) => setTyping(ctx, input),
  }),
)

const TypingEvent = builder.objectRef<TypingChange>('TypingEvent').implement({
  description: 'Somebody began or ended typing.',
  fields: (t) => ({
    conversationId: t.id({
      extensions: SHAREABLE,
      description: 'Where.',
      resolve: (change) => encodeId('Conversation', change.conversationId),
    }),
    user: t.field({ extensions: SHAREABLE, type: User, description: 'Who.', resolve: (change) => change.user }),
    isTyping: t.boolean({
      extensions: SHAREABLE,
      description: 'False once ended.',
      resolve: (change) => change.expiresAt !== null,
    }),
    expiresAt: t.expose('expiresAt', {
      extensions: SHAREABLE,
      type: 'DateTime',
      nullable: true,
      description: 'When it ends by itself.',
    }),
  }),
})

builder.subscriptionField('typing', (t) =>
  t.field({
    extensions: SHAREABLE,
    type: TypingEvent,
    description:
      "Others' only; a start at most every 2 s, an end at once. NOT_FOUND for a conversation that one is not in.",
    args: { conversationId: t.arg.id({ required: true, description: 'The id of a Conversation.' }) },
    subscribe: (_root, { conversationId }, ctx) => typing(ctx, conversationId),
    resolve: (change) => change,
  }),
)
