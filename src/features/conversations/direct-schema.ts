import { builder } from '../../schema/builder.ts'
import { findDirectConversation, startDirectConversation } from './direct.ts'
import { Conversation } from './schema.ts'

builder.queryField('directConversation', (t) =>
  t.field({
    type: Conversation,
    nullable: true,
    description:
      'The one direct conversation of the viewer and this user, if there is one. Name the user by one of the two.',
    args: {
      userId: t.arg.id({ description: 'The id of a User.' }),
      externalId: t.arg.string({ description: 'The id that the host application knows the user by.' }),
    },
    resolve: (_root, named, ctx) => findDirectConversation(ctx, named),
  }),
)

const StartDirectConversationInput = builder.inputType('StartDirectConversationInput', {
  description: 'The other user, named by one of the two.',
  fields: (t) => ({
    userId: t.id({ description: 'The id of a User.' }),
    externalId: t.string({ description: 'The id that the host application knows the user by.' }),
  }),
})

const StartDirectConversationPayload = builder.simpleObject('StartDirectConversationPayload', {
  description: 'What startDirectConversation did.',
  fields: (t) => ({
    conversation: t.field({ type: Conversation, description: 'The direct conversation of the two.' }),
    created: t.boolean({ description: 'False where it had been there before.' }),
  }),
})

builder.mutationField('startDirectConversation', (t) =>
  t.field({
    type: StartDirectConversationPayload,
    nullable: true,
    description:
      'Opens the direct conversation with another user, or returns the one that is there. NOT_FOUND for an unknown user, BAD_USER_INPUT with oneself, FORBIDDEN for a new one with a user who takes no messages from the viewer.',
    args: { input: t.arg({ type: StartDirectConversationInput, required: true, description: 'The other user.' }) },
    resolve: (_root, { input }, ctx) => startDirectConversation(ctx, input),
  }),
)
