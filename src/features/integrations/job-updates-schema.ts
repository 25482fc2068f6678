import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { Conversation, conversationOf } from '../conversations/schema.ts'
import { Message } from '../messages/schema.ts'
import { User } from '../users/schema.ts'
import { JOB_UPDATES, type JobUpdateRow, postJobUpdate } from './job-updates.ts'
import { loadSubjects } from './subjects.ts'
import { subjectsOfEach } from './subjects-schema.ts'

export const JobUpdate = loadableNode<JobUpdateRow>('JobUpdate', {
  id: nodeId((row: JobUpdateRow) => row.id),
  load: (ids: string[], ctx) => loadSubjects<JobUpdateRow>(ctx, JOB_UPDATES, ids) as Promise<JobUpdateRow[]>,
})

JobUpdate.implement({
  description: 'News of the job that a conversation is about. `postedBy` is null when the host posted it.',
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'Where it belongs.',
      resolve: (row, _args, ctx) => conversationOf(ctx, row),
    }),
    postedBy: t.field({
      type: User,
      nullable: true,
      description: 'Who posted it; null for the host.',
      resolve: (row) => row.postedById,
    }),
    status: t.exposeString('status', { description: "How the job stands, in the host's own words." }),
    note: t.exposeString('note', { nullable: true, description: 'More about it.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was posted.' }),
  }),
})

const JobUpdateConnection = builder.connectionObject(
  { type: JobUpdate, name: 'JobUpdateConnection', description: 'A page of job updates.' },
  { name: 'JobUpdateEdge', description: 'One of job updates in a page.' },
)

builder.objectField(Conversation, 'jobUpdates', (t) =>
  t.field({
    type: JobUpdateConnection,
    description: 'The job updates of this conversation, oldest first. From 1 to 100, 50 if left out.',
    args: {
      first: t.arg.int({ description: 'How many, from the oldest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: subjectsOfEach<JobUpdateRow>(JOB_UPDATES),
  }),
)

const PostJobUpdateInput = builder.inputType('PostJobUpdateInput', {
  description: 'News of a job.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'The conversation that is about the job.' }),
    status: t.string({
      required: true,
      description: "How the job stands, in the host's own words: at most 100 characters.",
    }),
    note: t.string({ description: 'More about it: at most 1,000 characters.' }),
    idempotencyKey: t.string({ description: '1 to 255 characters: the same request with the same key is done once.' }),
  }),
})

const PostJobUpdatePayload = builder.simpleObject('PostJobUpdatePayload', {
  description: 'What postJobUpdate did.',
  fields: (t) => ({
    jobUpdate: t.field({ type: JobUpdate, description: 'The news.' }),
    message: t.field({ type: Message, description: 'What the conversation was told.' }),
  }),
})

builder.mutationField('postJobUpdate', (t) =>
  t.field({
    type: PostJobUpdatePayload,
    nullable: true,
    description:
      'Says how a job stands, and tells the conversation of it. NOT_FOUND for a conversation that one is not in, CONFLICT for a closed one (but for a service) or a key that was used with another request.',
    args: { input: t.arg({ type: PostJobUpdateInput, required: true, description: 'The news.' }) },
    resolve: (_root, { input }, ctx) => postJobUpdate(ctx, input),
  }),
)
