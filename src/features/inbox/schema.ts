import { encodeId } from '../../lib/ids.ts'
import { type InboxUpdate, inboxUpdates } from '../../live/inbox-updates.ts'
import { builder } from '../../schema/builder.ts'
import { Conversation } from '../conversations/schema.ts'
import { UnreadSummary } from '../reads/schema.ts'
import { unreadSummary } from '../reads/service.ts'

const InboxChange = builder.enumType('InboxChange', {
  description: 'What changed.',
  values: {
    ACTIVITY: { description: 'Something happened in the conversation.' },
    STATE: { description: "The viewer's own state in it changed, as by reading on another device." },
    JOINED: { description: 'The viewer is in it now.' },
    LEFT: { description: 'The viewer is no longer in it.' },
  },
})

const InboxUpdateType = builder.objectRef<InboxUpdate>('InboxUpdate').implement({
  description: '`conversation` is null once the viewer is no longer in it.',
  fields: (t) => ({
    cursor: t.exposeString('cursor', { description: 'Where inboxUpdated and messageAdded of the inbox go on from.' }),
    conversationId: t.id({
      description: 'Which conversation.',
      resolve: (update) => encodeId('Conversation', update.conversationId),
    }),
    change: t.field({
      type: InboxChange,
      description: 'The most telling of the changes.',
      resolve: (update) => update.change,
    }),
    conversation: t.field({
      type: Conversation,
      nullable: true,
      description: 'The conversation as it is now.',
      resolve: (update) => update.conversationId,
    }),
    unread: t.field({
      type: UnreadSummary,
      description: 'What the viewer has not read now.',
      resolve: async (_update, _args, ctx) => (await unreadSummary(ctx))!,
    }),
  }),
})

builder.subscriptionField('inboxUpdated', (t) =>
  t.field({
    type: InboxUpdateType,
    description:
      "A conversation of the viewer's list changed. At most one a second for each conversation. With `after`, first what changed since that cursor; some of it may come twice. RESET_REQUIRED where nothing can go on from it: list the conversations anew, and subscribe from the cursor of that answer.",
    args: {
      after: t.arg.string({
        description: "A cursor of this list: ConversationConnection's or InboxUpdate's. From now on if left out.",
      }),
    },
    subscribe: (_root, { after }, ctx) => inboxUpdates(ctx, after),
    resolve: (update) => update,
  }),
)
