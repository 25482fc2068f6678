import { builder } from '../../schema/builder.ts'
import { addParticipants, leaveConversation, removeParticipant, setParticipantRole } from './membership.ts'
import { Participant, ParticipantRole } from './participants-schema.ts'
import { conversationInput, conversationPayload, denied, goneConversationPayload } from './payload-schema.ts'

const AddParticipantsInput = builder.inputType('AddParticipantsInput', {
  description: 'Who comes in. Name the users by one of the two lists.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Which conversation.' }),
    userIds: t.idList({ description: 'Ids of Users, at most 1,000.' }),
    externalIds: t.stringList({ description: 'Ids in the host application, at most 1,000.' }),
    withHistory: t.boolean({
      description: 'GROUP: whether they see what was written before; false if left out. In other kinds they always do.',
    }),
  }),
})

const RemoveParticipantInput = builder.inputType('RemoveParticipantInput', {
  description: 'Who is taken out.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Which conversation.' }),
    userId: t.id({ required: true, description: 'The id of a User; of oneself, it is leaving.' }),
  }),
})

const SetParticipantRoleInput = builder.inputType('SetParticipantRoleInput', {
  description: 'Who gets which role.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Which conversation.' }),
    userId: t.id({ required: true, description: 'The id of a User who takes part.' }),
    role: t.field({ type: ParticipantRole, required: true, description: 'OWNER hands the conversation over.' }),
  }),
})
const LeaveConversationInput = conversationInput('LeaveConversationInput')
const AddParticipantsPayload = conversationPayload('AddParticipantsPayload')

const RemoveParticipantPayload = conversationPayload(
  'RemoveParticipantPayload',
  'The conversation; after leaving, as it was last seen.',
)

const SetParticipantRolePayload = builder.simpleObject('SetParticipantRolePayload', {
  description: 'What setParticipantRole did.',
  fields: (t) => ({ participant: t.field({ type: Participant, description: 'The participant with the new role.' }) }),
})

const LeaveConversationPayload = goneConversationPayload('LeaveConversationPayload')

builder.mutationFields((t) => ({
  addParticipants: t.field({
    type: AddParticipantsPayload,
    nullable: true,
    description: `Adds users, all or none; one who is in already is passed over. At most 1,000 take part. NOT_FOUND for an unknown user. ${denied}`,
    args: { input: t.arg({ type: AddParticipantsInput, required: true, description: 'Who comes in.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await addParticipants(ctx, input) }),
  }),
  removeParticipant: t.field({
    type: RemoveParticipantPayload,
    nullable: true,
    description: `Takes somebody out, who then sees nothing of it any more. Only a service may take out the owner. ${denied}`,
    args: { input: t.arg({ type: RemoveParticipantInput, required: true, description: 'Who is taken out.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await removeParticipant(ctx, input) }),
  }),
  setParticipantRole: t.field({
    type: SetParticipantRolePayload,
    nullable: true,
    description: `Gives a participant a role; the owner who hands over becomes an admin. NOT_FOUND for who is not in. ${denied}`,
    args: { input: t.arg({ type: SetParticipantRoleInput, required: true, description: 'Who gets which role.' }) },
    resolve: async (_root, { input }, ctx) => ({ participant: await setParticipantRole(ctx, input) }),
  }),
  leaveConversation: t.field({
    type: LeaveConversationPayload,
    nullable: true,
    description: `Takes the viewer out; an owner's place passes to the longest-standing admin, else member. ${denied}`,
    args: { input: t.arg({ type: LeaveConversationInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, ctx) => {
      await leaveConversation(ctx, input.conversationId)
      return { conversationId: input.conversationId }
    },
  }),
}))
