import { NotFoundError } from '../../lib/errors.ts'
import { encodeId } from '../../lib/ids.ts'
import { type ReceiptOf, readReceipts } from '../../live/read-receipt.ts'

import { builder } from '../../schema/builder.ts'
import { SHAREABLE } from '../../schema/shareable.ts'
import type { ParticipantRow } from '../conversations/participants.ts'
import { Participant } from '../conversations/participants-schema.ts'
import { Conversation, ConversationKind } from '../conversations/schema.ts'
import { markRead, unreadSummary } from './service.ts'

const UnreadByKind = builder.simpleObject('UnreadByKind', {
  description: 'What is unread in the conversations of one kind.',
  fields: (t) => ({
    kind: t.field({ type: ConversationKind, description: 'The kind.' }),
    messages: t.int({ description: 'Unread messages.' }),
    conversations: t.int({ description: 'Conversations that have any.' }),
  }),
})

export const UnreadSummary = builder.simpleObject('UnreadSummary', {
  description: "What the viewer has not read, of all one's conversations, archived and muted ones too.",
  fields: (t) => ({
    messages: t.int({ description: 'Unread messages.' }),
    conversations: t.int({ description: 'Conversations that have any.' }),
    byKind: t.field({ type: [UnreadByKind], description: 'The kinds that have unread messages.' }),
  }),
})

builder.queryField('unread', (t) =>
  t.field({
    type: UnreadSummary,
    nullable: true,
    description: 'What the viewer has not read. Null to a service.',
    resolve: (_root, _args, ctx) => unreadSummary(ctx),
  }),
)

const MarkReadInput = builder.inputType('MarkReadInput', {
  description: 'Up to and including this message; all of the conversation when left out. Never moves back.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'The conversation that was read.' }),
    messageId: t.id({ description: 'The newest message of it that was read.' }),
  }),
})

const MarkReadPayload = builder.simpleObject('MarkReadPayload', {
  description: 'What markRead did.',
  fields: (t) => ({
    conversation: t.field({ type: Conversation, description: 'The conversation, its viewerState as it is now.' }),
  }),
})

builder.mutationField('markRead', (t) =>
  t.field({
    type: MarkReadPayload,
    nullable: true,
    description:
      "Moves the viewer's read position forward; the others get a receipt. NOT_FOUND for what one can't see.",
    args: { input: t.arg({ type: MarkReadInput, required: true, description: 'How far was read.' }) },
    resolve: async (_root, { input }, ctx) => ({ conversation: await markRead(ctx, input) }),
  }),
)

export const ReadReceipt = builder.objectRef<ReceiptOf>('ReadReceipt').implement({
  description: "A participant's read position moved.",
  fields: (t) => ({
    conversationId: t.id({
      extensions: SHAREABLE,
      description: 'The conversation.',
      resolve: (receipt) => encodeId('Conversation', receipt.conversationId),
    }),
    participant: t.field({
      type: Participant,
      description: 'Who read, with lastReadSeq as it is now.',
      resolve: async ({ conversationId, userId }, _args, ctx) => {
        const row: ParticipantRow | null = await Participant.getDataloader(ctx).load(`${conversationId}:${userId}`)
        // It has left since, or the viewer has.
        if (!row) throw new NotFoundError('This participant has left.')
        return row
      },
    }),
    readAt: t.expose('readAt', { extensions: SHAREABLE, type: 'DateTime', description: 'When.' }),
  }),
})

builder.subscriptionField('readReceipt', (t) =>
  t.field({
    extensions: SHAREABLE,
    type: ReadReceipt,
    description: "Live only, one's own included. NOT_FOUND for a conversation that one is not in.",
    args: { conversationId: t.arg.id({ required: true, description: 'The id of a Conversation.' }) },
    subscribe: (_root, { conversationId }, ctx) => readReceipts(ctx, conversationId),
    resolve: (receipt) => receipt,
  }),
)
