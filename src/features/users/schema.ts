import { UserType as UserTypes } from '../../db/generated/enums.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { SHAREABLE } from '../../schema/shareable.ts'
import { loadUsers, requireExternalId } from './service.ts'
import { type UserUpsert, upsertUsers } from './upsert.ts'
import type { UserProfile } from './user.ts'

const UserType = builder.enumType('UserType', {
  description: 'What is behind a user.',
  values: {
    HUMAN: { value: UserTypes.HUMAN, description: 'A person.' },
    AGENT: { value: UserTypes.AGENT, description: 'An artificial one.' },
  },
})

export const User = loadableNode<UserProfile>('User', {
  id: nodeId((user: UserProfile) => user.id, SHAREABLE),
  load: (ids: string[], ctx) => loadUsers(ctx, ids) as Promise<UserProfile[]>,
})

User.implement({
  description:
    'Somebody of the host application, which owns the identity: the profile is what its tokens and its back end say.',
  fields: (t) => ({
    externalId: t.exposeString('externalId', {
      extensions: SHAREABLE,
      description: "The id that the host application knows this user by: the token's `sub`.",
    }),
    username: t.exposeString('username', {
      extensions: SHAREABLE,
      description: 'Need not be unique; the externalId where the host gave none.',
    }),
    displayName: t.exposeString('displayName', { extensions: SHAREABLE, description: 'The name to show.' }),
    avatarUrl: t.exposeString('avatarUrl', {
      extensions: SHAREABLE,
      nullable: true,
      description: 'An http or https address of a picture.',
    }),
    role: t.exposeString('role', {
      extensions: SHAREABLE,
      nullable: true,
      description: 'What the host calls this user: a job, a plan, a team.',
    }),
    type: t.field({
      extensions: SHAREABLE,
      type: UserType,
      description: 'A person or an AI.',
      resolve: (user) => user.type,
    }),
  }),
})

/** The payload of a mutation that gives back the user and nothing else. */
export function userPayload(name: string) {
  return builder.simpleObject(name, {
    description: 'What was done.',
    fields: (t) => ({ user: t.field({ type: User, description: 'The user.' }) }),
  })
}

builder.queryFields((t) => ({
  viewer: t.field({
    type: User,
    nullable: true,
    description: 'The user whose token the request carries. Null to a service.',
    // Afresh: what lets a request in may be a moment old.
    resolve: (_root, _args, { viewer, findUser }) => (viewer.kind === 'user' ? findUser(viewer.user.externalId) : null),
  }),
  user: t.field({
    type: User,
    nullable: true,
    description: 'The user that the host application knows by this id, or null.',
    args: { externalId: t.arg.string({ required: true, description: 'The id in the host application.' }) },
    resolve: (_root, { externalId }, ctx) => ctx.findUser(requireExternalId(externalId, 'externalId')),
  }),
}))

const UpsertUserInput = builder.inputType('UpsertUserInput', {
  description: 'One user as the host has it. A field left out stays as it is; null clears it.',
  fields: (t) => ({
    externalId: t.string({
      required: true,
      description: 'The id in the host application, which its tokens have as `sub`: 1 to 255 characters.',
    }),
    username: t.string({ description: 'At most 255 characters; the externalId when cleared.' }),
    displayName: t.string({ description: 'At most 255 characters; the username when cleared.' }),
    email: t.string({ description: 'At most 320 characters. Never shown to anybody.' }),
    avatarUrl: t.string({ description: 'An http or https address of at most 2,048 characters.' }),
    role: t.string({ description: 'At most 255 characters.' }),
    type: t.field({ type: UserType, description: 'HUMAN when cleared.' }),
  }),
})

const UpsertUsersInput = builder.inputType('UpsertUsersInput', {
  description: 'At most 1,000. Fields left out stay as they are.',
  fields: (t) => ({
    users: t.field({ type: [UpsertUserInput], required: true, description: 'From 1 to 1,000, each externalId once.' }),
  }),
})

const UpsertUsersPayload = builder.simpleObject('UpsertUsersPayload', {
  description: 'What upsertUsers did.',
  fields: (t) => ({
    users: t.field({ type: [User], description: 'The users as they are now, in the order of the input.' }),
  }),
})

builder.mutationField('upsertUsers', (t) =>
  t.field({
    type: UpsertUsersPayload,
    nullable: true,
    description:
      'Creates or updates users, all or none. Only for a service; else FORBIDDEN. BAD_USER_INPUT for an empty list, one of over 1,000, or an externalId twice.',
    args: { input: t.arg({ type: UpsertUsersInput, required: true, description: 'The users.' }) },
    resolve: async (_root, { input }, ctx) => ({ users: await upsertUsers(ctx, input.users as UserUpsert[]) }),
  }),
)
