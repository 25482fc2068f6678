import { ParticipantRole as Roles } from '../../db/generated/enums.ts'
import { participantCursor } from '../../lib/cursors.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { unreadCount } from '../reads/service.ts'
import { User } from '../users/schema.ts'
import { type ConversationView, loadConversations } from './access.ts'
import { loadParticipants, type ParticipantRow } from './participants.ts'
import { isArchived } from './state.ts'

export const ParticipantRole = builder.enumType('ParticipantRole', {
  description: 'What a participant may do; each mutation says who may not.',
  values: {
    [Roles.OWNER]: { description: 'One for each conversation that has any: may do all.' },
    [Roles.ADMIN]: { description: 'May change the conversation and who takes part.' },
    [Roles.MEMBER]: { description: 'May read and write.' },
  },
})

// The key of both nodes below is (conversation, user), in this form.
const keyOf = (conversationId: string, userId: string) => `${conversationId}:${userId}`
function parseKey(key: string) {
  const [conversationId, userId] = key.split(':') as [string, string]
  return { conversationId, userId }
}

export const Participant = loadableNode<ParticipantRow>('Participant', {
  id: nodeId((row: ParticipantRow) => keyOf(row.conversationId, row.userId)),
  load: (keys: string[], ctx) => loadParticipants(ctx, keys.map(parseKey)) as Promise<ParticipantRow[]>,
})

Participant.implement({
  description: "A user's place in a conversation.",
  fields: (t) => ({
    user: t.field({ type: User, description: 'Who it is.', resolve: (row) => row.userId }),
    role: t.field({ type: ParticipantRole, description: 'What it may do.', resolve: (row) => row.role }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When it came in.' }),
    lastReadSeq: t.exposeInt('lastReadSeq', {
      description: 'It has read all messages up to this seq. Never moves back.',
    }),
    lastReadAt: t.expose('lastReadAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When lastReadSeq last moved; null before it first did.',
    }),
  }),
})

export const ParticipantConnection = builder.connectionObject(
  { type: Participant, name: 'ParticipantConnection', description: 'A page of participants.' },
  { name: 'ParticipantEdge', description: 'A participant in a page.' },
)

/** Where a participant stands in its conversation's list. */
export function participantRowCursor(row: ParticipantRow): string {
  return participantCursor(row.conversationId, row.joinedAt, row.userId)
}

/** Its rows are the conversation's view, which holds the viewer's place too. */
export const ConversationViewerState = loadableNode<ConversationView>('ConversationViewerState', {
  id: nodeId((view: ConversationView) => keyOf(view.id, view.viewerId!)),
  load: async (keys: string[], ctx) => {
    const wanted = keys.map(parseKey)
    const views = await loadConversations(
      ctx,
      wanted.map((key) => key.conversationId),
    )
    // Somebody else's state is nobody's to see.
    const own = views.map((view, index) => (view?.viewerId === wanted[index]!.userId ? view : null))
    return own as ConversationView[]
  },
})

ConversationViewerState.implement({
  description: "The viewer's own state in a conversation.",
  fields: (t) => ({
    unreadCount: t.int({
      description: 'How many messages the viewer has not read.',
      resolve: (view) => unreadCount(view) ?? 0,
    }),
    lastReadSeq: t.int({
      description: 'The viewer has read all messages up to this seq.',
      resolve: (view) => view.lastReadSeq ?? 0,
    }),
    role: t.field({ type: ParticipantRole, description: "The viewer's role.", resolve: (view) => view.role! }),
    isArchived: t.boolean({
      description: 'Put away: until something newer comes, or while it is muted.',
      resolve: (view, _args, ctx) => isArchived(ctx, view),
    }),
    isPinned: t.boolean({ description: 'Listed before the others.', resolve: (view) => view.isPinned ?? false }),
    isFavorited: t.boolean({ description: 'Marked as a favourite.', resolve: (view) => view.isFavorited ?? false }),
    mutedUntil: t.expose('mutedUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when the viewer wants no notice of it; null: not muted.',
    }),
  }),
})
