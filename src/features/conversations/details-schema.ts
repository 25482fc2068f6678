import { builder } from '../../schema/builder.ts'
import { closeConversation, deleteConversation, reopenConversation, updateConversation } from './details.ts'
import { conversationInput, conversationPayload, denied, goneConversationPayload } from './payload-schema.ts'
import { setConversationState } from './state.ts'

const UpdateConversationInput = builder.inputType('UpdateConversationInput', {
  description: 'A field left out stays as it is; null clears it.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Which conversation.' }),
    title: t.string({ description: '1 to 255 characters.' }),
    summary: t.string({ description: '1 to 10,000 characters.' }),
    keyTopics: t.stringList({ description: 'At most 50, each once, of 1 to 100 characters.' }),
    tags: t.stringList({ description: 'At most 50, each once, of 1 to 100 characters.' }),
    metadata: t.field({
      type: 'JSONObject',
      description: 'At most 16 KiB as JSON and 32 levels; replaces what is there.',
    }),
  }),
})

const SetConversationStateInput = builder.inputType('SetConversationStateInput', {
  description: 'What the viewer alone sees. A field left out stays as it is; null clears it.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Which conversation.' }),
    isArchived: t.boolean({ description: 'Put away until something newer comes, or while it is muted.' }),
    isPinned: t.boolean({ description: 'Listed before the others.' }),
    isFavorited: t.boolean({ description: 'A favourite.' }),
    mutedUntil: t.field({ type: 'DateTime', description: 'Until when the viewer wants no notice of it.' }),
  }),
})
const CloseConversationInput = conversationInput('CloseConversationInput')
const ReopenConversationInput = conversationInput('ReopenConversationInput')
const DeleteConversationInput = conversationInput('DeleteConversationInput')
const UpdateConversationPayload = conversationPayload('UpdateConversationPayload')
const SetConversationStatePayload = conversationPayload('SetConversationStatePayload')
const CloseConversationPayload = conversationPayload('CloseConversationPayload')
const ReopenConversationPayload = conversationPayload('ReopenConversationPayload')

const DeleteConversationPayload = goneConversationPayload('DeleteConversationPayload')

builder.mutationFields((t) => ({
  updateConversation: t.field({
    type: UpdateConversationPayload,
    nullable: true,
    description: `Changes a conversation's own fields, for all who take part. ${denied}`,
    args: { input: t.arg({ type: UpdateConversationInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await updateConversation(ctx, input) }),
  }),
  setConversationState: t.field({
    type: SetConversationStatePayload,
    nullable: true,
    description: 'Changes what the viewer alone sees of a conversation. NOT_FOUND for one that the viewer is not in.',
    args: { input: t.arg({ type: SetConversationStateInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await setConversationState(ctx, input) }),
  }),
  closeConversation: t.field({
    type: CloseConversationPayload,
    nullable: true,
    description: `Makes a conversation read-only. CONFLICT for a closed one. ${denied}`,
    args: { input: t.arg({ type: CloseConversationInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await closeConversation(ctx, input.conversationId) }),
  }),
  reopenConversation: t.field({
    type: ReopenConversationPayload,
    nullable: true,
    description: `Lets a closed conversation go on. CONFLICT for an open one. ${denied}`,
    args: { input: t.arg({ type: ReopenConversationInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await reopenConversation(ctx, input.conversationId) }),
  }),
  deleteConversation: t.field({
    type: DeleteConversationPayload,
    nullable: true,
    description: `Hides a conversation from everybody, for good. ${denied}`,
    args: { input: t.arg({ type: DeleteConversationInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => {
      await deleteConversation(ctx, input.conversationId)
      return { conversationId: input.conversationId }
    },
  }),
}))
