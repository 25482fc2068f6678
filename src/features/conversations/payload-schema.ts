import { builder } from '../../schema/builder.ts'
import { Conversation } from './schema.ts'

/** What every mutation of a conversation says of whom it refuses. */
export const denied = 'FORBIDDEN to whoever may see the conversation but not do this, NOT_FOUND to all others.'

/** The input of a mutation that takes a conversation and nothing else. */
export function conversationInput(name: string) {
  return builder.inputType(name, {
    description: 'Which conversation.',
    fields: (t) => ({ conversationId: t.id({ required: true, description: 'The id of a Conversation.' }) }),
  })
}

/** The payload of a mutation that gives back the conversation and nothing else. */
export function conversationPayload(name: string, description = 'The conversation as it is now.') {
  return builder.simpleObject(name, {
    description: 'What was done.',
    fields: (t) => ({ conversation: t.field({ type: Conversation, description }) }),
  })
}

/** The payload of a mutation after which the viewer no longer sees the conversation. */
export function goneConversationPayload(name: string) {
  return builder.simpleObject(name, {
    description: 'What was done.',
    fields: (t) => ({ conversationId: t.id({ description: 'The id of the conversation.' }) }),
  })
}
