import { blockCursor } from '../../lib/cursors.ts'
import { builder } from '../../schema/builder.ts'
import { connectionOf } from '../../schema/pagination.ts'
import { userPayload } from '../users/schema.ts'
import { UserConnection } from '../users/search-schema.ts'
import { type BlockedUser, blockUser, listBlocked, unblockUser } from './blocks.ts'

builder.queryField('blockedUsers', (t) =>
  t.field({
    type: UserConnection,
    nullable: true,
    description: 'Whom the viewer blocks, the newest first. `first` is from 1 to 100, 50 if left out.',
    args: {
      first: t.arg.int({ description: 'How many, from the newest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: async (_root, args, ctx) =>
      connectionOf<BlockedUser>(await listBlocked(ctx, args), (user) => blockCursor(user.blockedAt, user.id)),
  }),
)

/** The input of a mutation that takes a user by id and nothing else. */
function userInput(name: string) {
  return builder.inputType(name, {
    description: 'Whom.',
    fields: (t) => ({ userId: t.id({ required: true, description: 'The id of a User.' }) }),
  })
}

const BlockUserInput = userInput('BlockUserInput')

const BlockUserPayload = userPayload('BlockUserPayload')

const UnblockUserInput = userInput('UnblockUserInput')

const UnblockUserPayload = userPayload('UnblockUserPayload')

builder.mutationFields((t) => ({
  blockUser: t.field({
    type: BlockUserPayload,
    nullable: true,
    description:
      'Stops new direct conversations and messages between the viewer and a user, both ways, from the answer on. The other one is not told. Again: nothing changes. NOT_FOUND for an unknown user, BAD_USER_INPUT with oneself.',
    args: { input: t.arg({ type: BlockUserInput, required: true, description: 'Whom.' }) },
    resolve: async (_root, { input }, ctx) => ({ user: await blockUser(ctx, input.userId) }),
  }),
  unblockUser: t.field({
    type: UnblockUserPayload,
    nullable: true,
    description:
      "Ends a block of the viewer's; where there is none, nothing changes. NOT_FOUND for an unknown user, BAD_USER_INPUT with oneself.",
    args: { input: t.arg({ type: UnblockUserInput, required: true, description: 'Whom.' }) },
    resolve: async (_root, { input }, ctx) => ({ user: await unblockUser(ctx, input.userId) }),
  }),
}))
