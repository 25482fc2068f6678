import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import {
  createWebhookEndpoint,
  deleteWebhookEndpoint,
  type EndpointRow,
  loadEndpoints,
  rotateWebhookSecret,
  updateWebhookEndpoint,
  webhookEndpoints,
} from './endpoints.ts'

export const WebhookEndpoint = loadableNode<EndpointRow>('WebhookEndpoint', {
  id: nodeId((row: EndpointRow) => row.id),
  load: (ids: string[], ctx) => loadEndpoints(ctx, ids) as Promise<EndpointRow[]>,
})

WebhookEndpoint.implement({
  description: 'Where the host is told of what happens, by signed requests. For services; null to others.',
  fields: (t) => ({
    url: t.exposeString('url', { description: 'Where the requests go.' }),
    eventTypes: t.exposeStringList('eventTypes', { description: 'What it is told of, such as message.added.' }),
    isEnabled: t.boolean({
      description: 'Off: nothing is noted for it, and what waits is not sent.',
      resolve: (row) => row.disabledAt === null,
    }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was switched off, by a service or because the receiver answered 410.',
    }),
    previousSecretUntil: t.expose('previousSecretUntil', {
      type: 'DateTime',
      nullable: true,
      description: 'Until when the secret before the present one signs too.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
  }),
})

/** The payload of a mutation that gives back the endpoint and nothing else; or the new secret too. */
const endpointField = { type: WebhookEndpoint, description: 'The endpoint as it is now.' }
const secretField = {
  description: 'What its requests are signed with: whsec_ and base64. Shown here and never again.',
}

const url =
  'https, without credentials, at most 2,048 characters; its address must be a public one. (WEBHOOK_ALLOW_PRIVATE opens http and private addresses.)'
const eventTypes = 'Each once; docs/webhooks.md has them all.'
const endpointId = 'The id of a WebhookEndpoint.'

const CreateWebhookEndpointInput = builder.inputType('CreateWebhookEndpointInput', {
  description: 'An endpoint.',
  fields: (t) => ({
    url: t.string({ required: true, description: url }),
    eventTypes: t.stringList({ required: true, description: eventTypes }),
  }),
})

const UpdateWebhookEndpointInput = builder.inputType('UpdateWebhookEndpointInput', {
  description: 'What is to be another way; what is left out stays.',
  fields: (t) => ({
    endpointId: t.id({ required: true, description: endpointId }),
    url: t.string({ description: url }),
    eventTypes: t.stringList({ description: eventTypes }),
    isEnabled: t.boolean({ description: 'Switched on again, it is sent what waits.' }),
  }),
})

const RotateWebhookSecretInput = builder.inputType('RotateWebhookSecretInput', {
  description: 'Whose secret.',
  fields: (t) => ({ endpointId: t.id({ required: true, description: endpointId }) }),
})

const DeleteWebhookEndpointInput = builder.inputType('DeleteWebhookEndpointInput', {
  description: 'Which endpoint.',
  fields: (t) => ({ endpointId: t.id({ required: true, description: endpointId }) }),
})

const CreateWebhookEndpointPayload = builder.simpleObject('CreateWebhookEndpointPayload', {
  description: 'What createWebhookEndpoint did.',
  fields: (t) => ({ endpoint: t.field(endpointField), secret: t.string(secretField) }),
})

const UpdateWebhookEndpointPayload = builder.simpleObject('UpdateWebhookEndpointPayload', {
  description: 'What updateWebhookEndpoint did.',
  fields: (t) => ({ endpoint: t.field(endpointField) }),
})

const RotateWebhookSecretPayload = builder.simpleObject('RotateWebhookSecretPayload', {
  description: 'What rotateWebhookSecret did.',
  fields: (t) => ({ endpoint: t.field(endpointField), secret: t.string(secretField) }),
})

const DeleteWebhookEndpointPayload = builder.simpleObject('DeleteWebhookEndpointPayload', {
  description: 'What deleteWebhookEndpoint did.',
  fields: (t) => ({ deletedId: t.id({ description: 'The id that the endpoint had.' }) }),
})

const service = 'Only for a service; else FORBIDDEN.'
const known = `${service} NOT_FOUND for an unknown endpoint.`

builder.queryField('webhookEndpoints', (t) =>
  t.field({
    type: [WebhookEndpoint],
    nullable: true,
    description: `All endpoints, the oldest first. ${service}`,
    resolve: (_root, _args, ctx) => webhookEndpoints(ctx),
  }),
)

builder.mutationFields((t) => ({
  createWebhookEndpoint: t.field({
    type: CreateWebhookEndpointPayload,
    nullable: true,
    description: `Registers an endpoint, which is told of what happens from now on. At most 16: CONFLICT. ${service}`,
    args: { input: t.arg({ type: CreateWebhookEndpointInput, required: true, description: 'The endpoint.' }) },
    resolve: (_root, { input }, ctx) => createWebhookEndpoint(ctx, input),
  }),
  updateWebhookEndpoint: t.field({
    type: UpdateWebhookEndpointPayload,
    nullable: true,
    description: `Changes an endpoint; what waits goes by it too. ${known}`,
    args: { input: t.arg({ type: UpdateWebhookEndpointInput, required: true, description: 'The change.' }) },
    resolve: async (_root, { input }, ctx) => ({ endpoint: await updateWebhookEndpoint(ctx, input) }),
  }),
  rotateWebhookSecret: t.field({
    type: RotateWebhookSecretPayload,
    nullable: true,
    description: `Gives an endpoint a new secret. For 24 hours the one before signs too; one before that no longer. ${known}`,
    args: { input: t.arg({ type: RotateWebhookSecretInput, required: true, description: 'Whose.' }) },
    resolve: (_root, { input }, ctx) => rotateWebhookSecret(ctx, input.endpointId),
  }),
  deleteWebhookEndpoint: t.field({
    type: DeleteWebhookEndpointPayload,
    nullable: true,
    description: `Removes an endpoint with all that waits for it and what was sent. ${known}`,
    args: { input: t.arg({ type: DeleteWebhookEndpointInput, required: true, description: 'Which.' }) },
    resolve: async (_root, { input }, ctx) => {
      await deleteWebhookEndpoint(ctx, input.endpointId)
      return { deletedId: input.endpointId }
    },
  }),
}))
