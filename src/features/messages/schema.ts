import type { RequestContext } from '../../context.ts'
import { MessageKind as Kinds } from '../../db/generated/enums.ts'
import { messageCursor, readerCursor } from '../../lib/cursors.ts'
import { messageAdded } from '../../live/message-added.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { connectionOfEach } from '../../schema/pagination.ts'
import { SHAREABLE } from '../../schema/shareable.ts'
import { Conversation, conversationOf } from '../conversations/schema.ts'
import { readUpTo } from '../reads/read-up-to-schema.ts'
import { type Reader, readerPages } from '../reads/readers.ts'
import { User } from '../users/schema.ts'
import type { MessageRow } from './message.ts'
import { loadMessages } from './pages.ts'
import { sendMessage } from './service.ts'

const MessageKind = builder.enumType('MessageKind', {
  description: 'What a message holds.',
  values: {
    [Kinds.TEXT]: { description: 'What somebody wrote.' },
    [Kinds.SYSTEM]: { description: "What the host's back end says." },
    [Kinds.PAYMENT]: { description: 'News of a payment.' },
    [Kinds.DISPUTE]: { description: 'News of a dispute.' },
    [Kinds.JOB_UPDATE]: { description: 'News of a job.' },
    [Kinds.IMAGE]: { description: 'A picture.' },
    [Kinds.FILE]: { description: 'A file.' },
    [Kinds.VOICE]: { description: 'A recording.' },
    [Kinds.LOCATION]: { description: 'A place.' },
  },
})

const MessageStatus = builder.enumType('MessageStatus', {
  description: 'How far a message has come.',
  values: {
    SENT: { description: 'Stored.' },
    DELIVERED: { description: 'Every human participant has received it. Not given yet.' },
    READ: { description: 'Every human participant has read it.' },
  },
})

const MessageRead = builder.objectRef<Reader>('MessageRead').implement({
  description: 'Somebody has read a message.',
  fields: (t) => ({
    user: t.field({ type: User, description: 'Who.', resolve: (reader) => reader.userId }),
    readAt: t.expose('readAt', { type: 'DateTime', description: 'When, to a quarter of a second.' }),
  }),
})

const MessageReadConnection = builder.connectionObject(
  { type: MessageRead, name: 'MessageReadConnection', description: 'A page of readers.' },
  { name: 'MessageReadEdge', description: 'A reader in a page.' },
)

/** Where a message stands in its conversation, for ever. */
export function messageRowCursor(ctx: RequestContext, message: MessageRow): string {
  return messageCursor(ctx.db.epoch, message.conversationId, message.seq)
}

export const Message = loadableNode<MessageRow>('Message', {
  id: nodeId((message: MessageRow) => `${message.conversationId}:${message.seq}`, SHAREABLE),
  load: (keys: string[], ctx) => loadMessages(ctx, keys.map(parseKey)) as Promise<MessageRow[]>,
})

Message.implement({
  description: 'A message. (conversation, seq) identifies it.',
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'Where it was sent.',
      resolve: (message, _args, ctx) => conversationOf(ctx, message),
    }),
    seq: t.exposeInt('seq', { extensions: SHAREABLE, description: '1, 2, 3, … without a gap in each conversation.' }),
    version: t.exposeInt('version', {
      extensions: SHAREABLE,
      description: "The conversation's version at this message's last change.",
    }),
    cursor: t.string({
      extensions: SHAREABLE,
      description:
        "Where it stands in its conversation, for `after` and `before`. The same as the edge's, and for ever: `messageAdded(after:)` goes on from it.",
      resolve: (message, _args, ctx) => messageRowCursor(ctx, message),
    }),
    sender: t.field({
      extensions: SHAREABLE,
      type: User,
      nullable: true,
      description: 'Null for what the system says.',
      resolve: (message) => message.sender ?? message.senderId,
    }),
    kind: t.field({
      extensions: SHAREABLE,
      type: MessageKind,
      description: 'What it holds.',
      resolve: (message) => message.kind,
    }),
    body: t.exposeString('body', {
      extensions: SHAREABLE,
      nullable: true,
      description: 'As it was sent or last edited, so escape it where it is shown. Null once deleted.',
    }),
    metadata: t.expose('metadata', {
      extensions: SHAREABLE,
      type: 'JSONObject',
      description: 'What the sender added; {} if nothing.',
    }),
    replyTo: t.field({
      type: Message,
      nullable: true,
      description: 'The message that this one replies to, if the viewer may see it.',
      resolve: ({ conversationId, replyToSeq }) => (replyToSeq === null ? null : `${conversationId}:${replyToSeq}`),
    }),
    status: t.field({
      extensions: SHAREABLE,
      type: MessageStatus,
      description: 'How far it has come with its readers; SENT in conversations of more than 100.',
      resolve: async ({ conversationId, seq }, _args, ctx) => {
        const readUpToSeq = await readUpTo(ctx).load(conversationId)
        return seq <= readUpToSeq ? ('READ' as const) : ('SENT' as const)
      },
    }),
    readBy: t.field({
      type: MessageReadConnection,
      description: 'Who has read it, first readers first; its sender is left out. From 1 to 100, 50 if left out.',
      args: {
        first: t.arg.int({ description: 'How many, from the first reader or from `after` on.' }),
        after: t.arg.string({ description: 'Only readers after this cursor.' }),
      },
      resolve: connectionOfEach(readerPages, (reader) => readerCursor(reader.readAt, reader.userId)),
    }),
    idempotencyKey: t.exposeString('idempotencyKey', {
      extensions: SHAREABLE,
      nullable: true,
      description: 'The key that it was sent with, for matching an optimistic copy. Every participant may see it.',
    }),
    createdAt: t.expose('createdAt', { extensions: SHAREABLE, type: 'DateTime', description: 'When it was sent.' }),
    editedAt: t.expose('editedAt', {
      extensions: SHAREABLE,
      type: 'DateTime',
      nullable: true,
      description: 'When its body was last changed; null where it never was.',
    }),
    deletedAt: t.expose('deletedAt', {
      extensions: SHAREABLE,
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is a tombstone, without body and metadata; null where it is not.',
    }),
  }),
})

function parseKey(key: string) {
  const [conversationId, seq] = key.split(':') as [string, string]
  return { conversationId, seq: Number(seq) }
}

export const MessageConnection = builder.connectionObject(
  { type: Message, name: 'MessageConnection', description: 'A page of messages.' },
  { name: 'MessageEdge', description: 'A message in a page.' },
)

const SendMessageInput = builder.inputType('SendMessageInput', {
  description: 'A message to be sent.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Where to.' }),
    body: t.string({ description: '1 to 10,000 characters, not blank, stored as it comes.' }),
    metadata: t.field({ type: 'JSONObject', description: 'At most 16 KiB as JSON and 32 levels; {} if left out.' }),
    replyToId: t.id({ description: 'A message of the same conversation.' }),
    idempotencyKey: t.string({
      description:
        '1 to 255 characters, made up for this message. Sending again with the same key, as after a time-out, stores nothing twice.',
    }),
  }),
})

const SendMessagePayload = builder.simpleObject('SendMessagePayload', {
  description: '`deduplicated`: the key had been used before, and `message` is the one stored then.',
  fields: (t) => ({
    message: t.field({ type: Message, description: 'The message as it is stored.' }),
    deduplicated: t.boolean({ description: 'True where nothing was stored now.' }),
  }),
})

builder.mutationField('sendMessage', (t) =>
  t.field({
    type: SendMessagePayload,
    nullable: true,
    description:
      "Sends a message: the viewer's, or the system's when a service acts for nobody. Answered once it is stored. NOT_FOUND for a conversation that one is not in and for a message to reply to that is not in it, CONFLICT for a closed conversation or a key that was used with another message, FORBIDDEN to a user who takes no messages.",
    args: { input: t.arg({ type: SendMessageInput, required: true, description: 'The message.' }) },
    resolve: (_root, { input }, ctx) => sendMessage(ctx, input),
  }),
)

builder.subscriptionField('messageAdded', (t) =>
  t.field({
    extensions: SHAREABLE,
    type: Message,
    description:
      "New messages of one conversation, or of all the viewer's when left out, one's own too; with `after`, first those since that cursor, as they are now: of one conversation each once and in the order of seq, of all in that order for each conversation, some perhaps twice. Completes when access ends. NOT_FOUND for a conversation that one is not in, RESET_REQUIRED where nothing can go on from the cursor.",
    args: {
      conversationId: t.arg.id({ description: 'The conversation; all of them when left out.' }),
      after: t.arg.string({
        description:
          "Where to go on from. Of one conversation: a message's cursor, or the conversation's. Of all: ConversationConnection's or InboxUpdate's. From now on if left out.",
      }),
    },
    subscribe: (_root, args, ctx) => messageAdded(ctx, args),
    resolve: (message) => message,
  }),
)
