import { type RequestContext, viewerId } from '../../context.ts'
import { ConversationKind as Kinds } from '../../db/generated/enums.ts'
import { conversationCursor } from '../../lib/cursors.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { requireUuid } from '../../lib/ids.ts'
import type { PageArgs } from '../../lib/paging.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { argumentsAhead } from '../../schema/look-ahead.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { connectionOf, connectionOfEach } from '../../schema/pagination.ts'
import { messagePages } from '../messages/pages.ts'
import { readAhead } from '../messages/read-ahead.ts'
import { Message, MessageConnection, messageRowCursor } from '../messages/schema.ts'
import { readUpTo } from '../reads/read-up-to-schema.ts'
import { User } from '../users/schema.ts'
import { type ConversationView, noConversation, visibleFrom } from './access.ts'
import { directPeerId } from './direct.ts'
import { type ConversationFilter, listConversations, listCursor } from './list.ts'
import { participantPages } from './participants.ts'
import { ConversationViewerState, ParticipantConnection, participantRowCursor } from './participants-schema.ts'

export const ConversationKind = builder.enumType('ConversationKind', {
  description: 'What a conversation is for; it decides who may do what.',
  values: {
    [Kinds.DIRECT]: { description: 'Two users; at most one for each pair, for ever.' },
    [Kinds.GROUP]: { description: 'A group with an owner, admins and members.' },
    [Kinds.JOB]: { description: "About one of the host's jobs." },
    [Kinds.SUPPORT]: { description: 'Somebody who asks, and whoever staffs it.' },
    [Kinds.GENERAL]: { description: 'An open room of invited members.' },
    [Kinds.ROLEPLAY]: { description: 'A session with an AI.' },
  },
})

const pageArgs = '`first` after `after`, or `last` before `before`; from 1 to 100, 50 if left out.'

export const Conversation = loadableNode<ConversationView>('Conversation', {
  id: nodeId((view: ConversationView) => view.id),
  // Together with what others load: the same event is resolved for each of its subscribers.
  load: (ids: string[], ctx) =>
    Promise.all(ids.map((id) => ctx.live.readView({ id, viewer: viewerId(ctx) }))) as Promise<ConversationView[]>,
})

Conversation.implement({
  description: 'A conversation as the viewer may see it. Only its participants and services can.',
  fields: (t) => ({
    kind: t.field({ type: ConversationKind, description: 'What it is for.', resolve: (view) => view.kind }),
    title: t.string({
      nullable: true,
      description:
        "DIRECT: the other participant's display name, to each viewer, unless it was given a title; null to a service.",
      resolve: (view, _args, ctx) => {
        if (view.kind !== 'DIRECT' || view.title !== null) return view.title
        if (view.peerName !== undefined) return view.peerName
        const peer = directPeerId(view)
        return (
          peer &&
          User.getDataloader(ctx)
            .load(peer)
            .then((user) => user.displayName)
        )
      },
    }),
    subjectId: t.exposeString('subjectId', {
      nullable: true,
      description:
        "What the conversation is about, in the host's own terms: the job's id for JOB, the scenario's for ROLEPLAY.",
    }),
    summary: t.exposeString('summary', { nullable: true, description: 'What was talked about, in short.' }),
    keyTopics: t.exposeStringList('keyTopics', { description: 'What was talked about, in words.' }),
    tags: t.exposeStringList('tags', { description: 'Labels that `conversations` filters by.' }),
    metadata: t.expose('metadata', { type: 'JSONObject', description: 'What the host added; {} if nothing.' }),
    closedAt: t.expose('closedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when it is read-only; null while it is open.',
    }),
    startedAt: t.expose('createdAt', { type: 'DateTime', description: 'When it began: the same as createdAt.' }),
    messageCount: t.exposeInt('messageCount', { description: 'Messages, without deleted ones.' }),
    participantCount: t.exposeInt('participantCount', { description: 'Who takes part now.' }),
    readUpToSeq: t.int({
      description: 'Every human participant has read up to here; 0 in conversations of more than 100.',
      resolve: (view, _args, ctx) => readUpTo(ctx).load(view.id),
    }),
    lastSeq: t.exposeInt('lastSeq', { description: 'The seq of the newest message; 0 before the first.' }),
    version: t.exposeInt('version', {
      description:
        'Raised by every durable change of the conversation and of what hangs on it. Drop what carries a lower one than you hold.',
    }),
    cursor: t.string({
      description: 'Where conversationEvents and messageAdded take over from what this answer holds.',
      resolve: (view, _args, ctx) => conversationCursor(ctx.db.epoch, view.id, view.version, view.lastSeq),
    }),
    lastMessageAt: t.expose('lastMessageAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When the newest message was sent; null before the first.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was opened.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its own fields last changed.' }),
    lastMessage: t.field({
      type: Message,
      nullable: true,
      description: 'The newest message that the viewer may see.',
      resolve: (view) => {
        if (view.lastMessage !== undefined) return view.lastMessage
        return view.lastSeq >= visibleFrom(view) ? `${view.id}:${view.lastSeq}` : null
      },
    }),
    participants: t.field({
      type: ParticipantConnection,
      description: `Who takes part, longest-standing first. ${pageArgs}`,
      args: t.arg.connectionArgs(),
      resolve: connectionOfEach(participantPages, participantRowCursor),
    }),
    messages: t.field({
      type: MessageConnection,
      description: `Oldest first within the page; the newest page is \`last: 50\`, which is the default. ${pageArgs}`,
      args: t.arg.connectionArgs(),
      resolve: connectionOfEach(messagePages, (message, ctx) => messageRowCursor(ctx, message)),
    }),
    viewerState: t.field({
      type: ConversationViewerState,
      nullable: true,
      description: "The viewer's own state in this conversation; null to a service.",
      resolve: (view) => (view.viewerId === null ? null : view),
    }),
  }),
})

const ArchivedFilter = builder.enumType('ArchivedFilter', {
  description: 'What becomes of archived conversations in a list.',
  values: {
    EXCLUDE: { description: 'They are left out.' },
    ONLY: { description: 'Only they are listed.' },
    INCLUDE: { description: 'They are listed with the others.' },
  },
})

const ConversationFilterInput = builder.inputType('ConversationFilter', {
  description: 'Which conversations to list: those that fit all that is given.',
  fields: (t) => ({
    kinds: t.field({ type: [ConversationKind], description: 'Of one of these kinds.' }),
    archived: t.field({ type: ArchivedFilter, description: 'Left out: EXCLUDE.' }),
    isPinned: t.boolean({ description: 'Pinned by the viewer, or not.' }),
    isFavorited: t.boolean({ description: 'A favourite of the viewer, or not.' }),
    isUnread: t.boolean({ description: 'With messages that the viewer has not read, or without.' }),
    tag: t.string({ description: 'With this tag.' }),
    subjectId: t.string({ description: 'About this subject.' }),
    participantIds: t.idList({ description: 'Conversations in which all of these take part.' }),
  }),
})

const ConversationConnection = builder.connectionObject<typeof Conversation, { cursor: string }>(
  {
    type: Conversation,
    name: 'ConversationConnection',
    description: 'A page of conversations.',
    fields: (t) => ({
      cursor: t.exposeString('cursor', {
        description: 'Where inboxUpdated, and messageAdded of the inbox, take over from what this answer holds.',
      }),
    }),
  },
  { name: 'ConversationEdge', description: 'A conversation in a page.' },
)

builder.queryFields((t) => ({
  conversation: t.field({
    type: Conversation,
    nullable: true,
    description: 'A conversation by its id; null where it is absent or not to be seen.',
    args: { id: t.arg.id({ required: true, description: 'The id of a Conversation.' }) },
    resolve: (_root, args, ctx, info) => {
      const id = requireUuid('Conversation', args.id, 'id')
      const page = argumentsAhead<PageArgs>(info, 'messages')
      return page ? withPage(ctx, id, page) : id
    },
  }),
  conversations: t.field({
    type: ConversationConnection,
    nullable: true,
    description:
      "The viewer's conversations: pinned first, then newest activity first; all of them to a service. `first` is from 1 to 100, 50 if left out.",
    args: {
      filter: t.arg({
        type: ConversationFilterInput,
        description: 'Which ones; archived ones are left out if not asked for.',
      }),
      first: t.arg.int({ description: 'How many, from the newest or from `after` on.' }),
      after: t.arg.string({ description: 'Only conversations after this cursor.' }),
    },
    resolve: async (_root, args, ctx) => {
      const page = await listConversations(ctx, args as typeof args & { filter?: ConversationFilter })
      return { ...connectionOf(page, listCursor), cursor: page.cursor }
    },
  }),
}))

/** The conversation together with the page of its messages that is asked for below it. */
async function withPage(ctx: RequestContext, id: string, args: PageArgs): Promise<ConversationView | string | null> {
  try {
    const read = await readAhead(ctx, id, args)
    if (!read) return null
    Conversation.getDataloader(ctx).prime(id, read.view)
    for (const sender of read.senders) User.getDataloader(ctx).prime(sender.id, sender)
    return read.view
  } catch (error) {
    // Arguments that are refused are left to `messages`, which says so in its own place.
    if (error instanceof BadUserInputError) return id
    throw error
  }
}

/** The conversation that something hangs on. @throws NotFoundError where access ended since that was read. */
export async function conversationOf(
  ctx: RequestContext,
  { conversationId }: { conversationId: string },
): Promise<ConversationView> {
  const view: ConversationView | null = await Conversation.getDataloader(ctx).load(conversationId)
  if (!view) throw noConversation('conversationId')
  return view
}
