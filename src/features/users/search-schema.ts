import { userSearchCursor } from '../../lib/cursors.ts'
import { builder } from '../../schema/builder.ts'
import { connectionOf } from '../../schema/pagination.ts'
import { User } from './schema.ts'
import { type FoundUser, searchUsers } from './search.ts'

export const UserConnection = builder.connectionObject(
  { type: User, name: 'UserConnection', description: 'A page of users.' },
  { name: 'UserEdge', description: 'A user in a page.' },
)

builder.queryField('users', (t) =>
  t.field({
    type: UserConnection,
    nullable: true,
    description:
      'By the beginning of any word of name or username, or the whole e-mail address. Several words must all fit. `first` is from 1 to 50, 50 if left out.',
    args: {
      search: t.arg.string({ required: true, description: '1 to 100 characters.' }),
      role: t.arg.string({ description: 'Only users with this role.' }),
      first: t.arg.int({ description: 'How many, from the start or from `after` on.' }),
      after: t.arg.string({ description: 'Only users after this cursor.' }),
    },
    resolve: async (_root, args, ctx) => {
      const page = await searchUsers(ctx, args)
      return connectionOf<FoundUser>(page, (user) => userSearchCursor(user.word, user.id))
    },
  }),
)
