import { DisputeStatus as Statuses } from '../../db/generated/enums.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { Conversation, conversationOf } from '../conversations/schema.ts'
import { Message } from '../messages/schema.ts'
import { User } from '../users/schema.ts'
import { createDispute, DISPUTES, type DisputeRow, updateDisputeStatus } from './disputes.ts'
import { loadSubjects } from './subjects.ts'
import { subjectsOfEach } from './subjects-schema.ts'

const DisputeStatus = builder.enumType('DisputeStatus', {
  description: 'How far a dispute has come.',
  values: {
    [Statuses.OPEN]: { description: 'Nobody has looked at it yet.' },
    [Statuses.UNDER_REVIEW]: { description: 'The host looks at it.' },
    [Statuses.RESOLVED]: { description: 'Settled. Final.' },
    [Statuses.REJECTED]: { description: 'Found to be without ground. Final.' },
    [Statuses.WITHDRAWN]: { description: 'Taken back by whoever opened it. Final.' },
  },
})

export const Dispute = loadableNode<DisputeRow>('Dispute', {
  id: nodeId((row: DisputeRow) => row.id),
  load: (ids: string[], ctx) => loadSubjects<DisputeRow>(ctx, DISPUTES, ids) as Promise<DisputeRow[]>,
})

Dispute.implement({
  description: "Something about the conversation's business that its participants do not agree on.",
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'Where it belongs.',
      resolve: (row, _args, ctx) => conversationOf(ctx, row),
    }),
    openedBy: t.field({
      type: User,
      nullable: true,
      description: 'Who opened it; null for the host.',
      resolve: (row) => row.openedById,
    }),
    reason: t.exposeString('reason', { description: 'What it is about.' }),
    description: t.exposeString('description', { nullable: true, description: 'More about it.' }),
    status: t.field({ type: DisputeStatus, description: 'How far it has come.', resolve: (row) => row.status }),
    resolution: t.exposeString('resolution', { nullable: true, description: 'What came of it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its status last changed.' }),
  }),
})

const DisputeConnection = builder.connectionObject(
  { type: Dispute, name: 'DisputeConnection', description: 'A page of disputes.' },
  { name: 'DisputeEdge', description: 'One of disputes in a page.' },
)

builder.objectField(Conversation, 'disputes', (t) =>
  t.field({
    type: DisputeConnection,
    description: 'The disputes of this conversation, oldest first. From 1 to 100, 50 if left out.',
    args: {
      first: t.arg.int({ description: 'How many, from the oldest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: subjectsOfEach<DisputeRow>(DISPUTES),
  }),
)

const CreateDisputeInput = builder.inputType('CreateDisputeInput', {
  description: 'A dispute to be opened.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Where it belongs.' }),
    reason: t.string({ required: true, description: 'What it is about: 1 to 1,000 characters.' }),
    description: t.string({ description: 'More about it: at most 10,000 characters.' }),
    idempotencyKey: t.string({ description: '1 to 255 characters: the same request with the same key is done once.' }),
  }),
})

const CreateDisputePayload = builder.simpleObject('CreateDisputePayload', {
  description: 'What createDispute did.',
  fields: (t) => ({
    dispute: t.field({ type: Dispute, description: 'The dispute as it is now.' }),
    message: t.field({ type: Message, description: 'What the conversation was told.' }),
  }),
})

const UpdateDisputeStatusInput = builder.inputType('UpdateDisputeStatusInput', {
  description: 'How a dispute goes on.',
  fields: (t) => ({
    disputeId: t.id({ required: true, description: 'The dispute.' }),
    status: t.field({ type: DisputeStatus, required: true, description: 'One that may follow the present one.' }),
    resolution: t.string({ description: 'What came of it: at most 10,000 characters.' }),
  }),
})

const UpdateDisputeStatusPayload = builder.simpleObject('UpdateDisputeStatusPayload', {
  description: 'What updateDisputeStatus did.',
  fields: (t) => ({
    dispute: t.field({ type: Dispute, description: 'The dispute as it is now.' }),
    message: t.field({ type: Message, description: 'What the conversation was told.' }),
  }),
})

builder.mutationFields((t) => ({
  createDispute: t.field({
    type: CreateDisputePayload,
    nullable: true,
    description:
      'Opens a dispute, and tells the conversation of it by a message. NOT_FOUND for a conversation that one is not in, CONFLICT for a closed one (but for a service) or a key that was used with another request.',
    args: { input: t.arg({ type: CreateDisputeInput, required: true, description: 'The dispute.' }) },
    resolve: (_root, { input }, ctx) => createDispute(ctx, input),
  }),
  updateDisputeStatus: t.field({
    type: UpdateDisputeStatusPayload,
    nullable: true,
    description:
      'Moves a dispute on, and tells the conversation of it. Whoever opened it may withdraw it; all else is for a service, FORBIDDEN to others. CONFLICT for a status that does not follow the present one, a late or repeated one too.',
    args: { input: t.arg({ type: UpdateDisputeStatusInput, required: true, description: 'The change.' }) },
    resolve: (_root, { input }, ctx) => updateDisputeStatus(ctx, input),
  }),
}))
