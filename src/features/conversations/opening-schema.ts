import { ConversationKind as Kinds } from '../../db/generated/enums.ts'
import { builder } from '../../schema/builder.ts'
import { createGroupConversation, openConversation } from './opening.ts'
import { conversationPayload } from './payload-schema.ts'
import { Conversation } from './schema.ts'

const key = '1 to 255 characters, made up for this call: again with the same key, nothing is created twice.'

const CreateGroupConversationInput = builder.inputType('CreateGroupConversationInput', {
  description: 'A group: three or more, the viewer included. Name the others by one of the two lists.',
  fields: (t) => ({
    title: t.string({ required: true, description: '1 to 255 characters.' }),
    participantIds: t.idList({ description: 'Ids of Users, at most 1,000.' }),
    participantExternalIds: t.stringList({ description: 'Ids in the host application, at most 1,000.' }),
    metadata: t.field({ type: 'JSONObject', description: 'At most 16 KiB as JSON and 32 levels; {} if left out.' }),
    idempotencyKey: t.string({ description: key }),
  }),
})

const CreateGroupConversationPayload = conversationPayload('CreateGroupConversationPayload')

builder.mutationField('createGroupConversation', (t) =>
  t.field({
    type: CreateGroupConversationPayload,
    nullable: true,
    description:
      'Creates a group; the viewer is its owner. NOT_FOUND for an unknown user, and nobody is added; FORBIDDEN for one who was deactivated.',
    args: { input: t.arg({ type: CreateGroupConversationInput, required: true, description: 'The group.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await createGroupConversation(ctx, input) }),
  }),
)

const OpenConversationKind = builder.enumType('OpenConversationKind', {
  description: 'The kinds that openConversation opens.',
  values: {
    [Kinds.JOB]: { description: "About one of the host's jobs." },
    [Kinds.SUPPORT]: { description: 'Somebody who asks, and whoever staffs it.' },
    [Kinds.GENERAL]: { description: 'An open room of invited members.' },
  },
})

const OpenConversationInput = builder.inputType('OpenConversationInput', {
  description: "One JOB conversation for each subjectId and set of participants: a second call returns the first's.",
  fields: (t) => ({
    kind: t.field({ type: OpenConversationKind, required: true, description: 'What it is for.' }),
    subjectId: t.string({ description: 'What it is about, 1 to 255 characters; a JOB needs it.' }),
    title: t.string({ description: '1 to 255 characters.' }),
    participantIds: t.idList({ description: 'Ids of Users, at most 1,000; the viewer is always included.' }),
    participantExternalIds: t.stringList({ description: 'Ids in the host application, instead of the list above.' }),
    metadata: t.field({ type: 'JSONObject', description: 'At most 16 KiB as JSON and 32 levels; {} if left out.' }),
    idempotencyKey: t.string({ description: key }),
  }),
})

const OpenConversationPayload = builder.simpleObject('OpenConversationPayload', {
  description: 'What openConversation did.',
  fields: (t) => ({
    conversation: t.field({ type: Conversation, description: 'The conversation.' }),
    created: t.boolean({ description: 'False where it had been there before.' }),
  }),
})

builder.mutationField('openConversation', (t) =>
  t.field({
    type: OpenConversationPayload,
    nullable: true,
    description:
      'Opens a JOB, SUPPORT or GENERAL conversation; whoever opens it is its owner, a service makes members only. CONFLICT for a JOB that is open and that one has left.',
    args: { input: t.arg({ type: OpenConversationInput, required: true, description: 'The conversation.' }) },
    resolve: (_root, { input }, ctx) => openConversation(ctx, input),
  }),
)
