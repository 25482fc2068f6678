import { builder } from '../../schema/builder.ts'
import { userPayload } from './schema.ts'
import { deactivateUser, reactivateUser, revokeTokens } from './standing.ts'

const externalId = 'The id that the host application knows the user by.'

/** The input of a mutation that names a user and nothing else. */
function externalIdInput(name: string) {
  return builder.inputType(name, {
    description: 'Whom.',
    fields: (t) => ({ externalId: t.string({ required: true, description: externalId }) }),
  })
}

const DeactivateUserInput = externalIdInput('DeactivateUserInput')

const ReactivateUserInput = externalIdInput('ReactivateUserInput')

const RevokeTokensInput = builder.inputType('RevokeTokensInput', {
  description: 'Tokens whose `iat` is before this are refused from now on, and their sockets closed.',
  fields: (t) => ({
    externalId: t.string({ required: true, description: externalId }),
    issuedBefore: t.field({ type: 'DateTime', required: true, description: 'Only ever moves forward.' }),
  }),
})

const DeactivateUserPayload = userPayload('DeactivateUserPayload')

const ReactivateUserPayload = userPayload('ReactivateUserPayload')

const RevokeTokensPayload = userPayload('RevokeTokensPayload')

const service =
  'Answered after a tenth of a second, once every node lets requests in accordingly. Only for a service; else FORBIDDEN. NOT_FOUND for an unknown user.'

builder.mutationFields((t) => ({
  deactivateUser: t.field({
    type: DeactivateUserPayload,
    nullable: true,
    description: `Refuses a user's tokens, ends what is open, and lets nobody write to it. ${service}`,
    args: { input: t.arg({ type: DeactivateUserInput, required: true, description: 'Whom.' }) },
    resolve: async (_root, { input }, ctx) => ({ user: await deactivateUser(ctx, input.externalId) }),
  }),
  reactivateUser: t.field({
    type: ReactivateUserPayload,
    nullable: true,
    description: `Lets a deactivated user in again. ${service}`,
    args: { input: t.arg({ type: ReactivateUserInput, required: true, description: 'Whom.' }) },
    resolve: async (_root, { input }, ctx) => ({ user: await reactivateUser(ctx, input.externalId) }),
  }),
  revokeTokens: t.field({
    type: RevokeTokensPayload,
    nullable: true,
    description: `Refuses tokens that were issued before a time, and closes their sockets. ${service}`,
    args: { input: t.arg({ type: RevokeTokensInput, required: true, description: 'Whose, and before when.' }) },
    resolve: async (_root, { input }, ctx) => ({ user: await revokeTokens(ctx, input.externalId, input.issuedBefore) }),
  }),
}))
