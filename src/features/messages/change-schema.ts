import { builder } from '../../schema/builder.ts'
import { deleteMessage, editMessage } from './change.ts'
import { Message } from './schema.ts'

const EditMessageInput = builder.inputType('EditMessageInput', {
  description: 'What a message is to say from now on.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'The message.' }),
    body: t.string({ required: true, description: '1 to 10,000 characters, not blank, stored as it comes.' }),
  }),
})

const EditMessagePayload = builder.simpleObject('EditMessagePayload', {
  description: 'What editMessage did.',
  fields: (t) => ({ message: t.field({ type: Message, description: 'The message as it is now.' }) }),
})

const DeleteMessageInput = builder.inputType('DeleteMessageInput', {
  description: 'Which message to delete.',
  fields: (t) => ({ messageId: t.id({ required: true, description: 'The message.' }) }),
})

const DeleteMessagePayload = builder.simpleObject('DeleteMessagePayload', {
  description: 'What deleteMessage did.',
  fields: (t) => ({ message: t.field({ type: Message, description: 'The tombstone.' }) }),
})

builder.mutationFields((t) => ({
  editMessage: t.field({
    type: EditMessagePayload,
    nullable: true,
    description:
      "Changes what one's own message says; what it said before is kept by the server. NOT_FOUND for a message that one can't see, FORBIDDEN for one that is not one's own TEXT, CONFLICT for a deleted one or in a closed conversation.",
    args: { input: t.arg({ type: EditMessageInput, required: true, description: 'The message.' }) },
    resolve: async (_root, { input }, ctx) => ({ message: await editMessage(ctx, input) }),
  }),
  deleteMessage: t.field({
    type: DeleteMessagePayload,
    nullable: true,
    description:
      "Deletes a message for everybody: a tombstone stays, without body, metadata and revisions. One's own, or any for a service and, but in DIRECT and ROLEPLAY, for admins and the owner. Deleting a deleted one gives it back. NOT_FOUND for a message that one can't see, FORBIDDEN for whoever may not.",
    args: { input: t.arg({ type: DeleteMessageInput, required: true, description: 'The message.' }) },
    resolve: async (_root, { input }, ctx) => ({ message: await deleteMessage(ctx, input) }),
  }),
}))
