import { DeliveryStatus } from '../../db/generated/enums.ts'
import { deliveryCursor } from '../../lib/cursors.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { loaderOf } from '../../schema/loaders.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { connectionOf } from '../../schema/pagination.ts'
import {
  type DeliveryRow,
  loadDeliveries,
  retryWebhookDelivery,
  type TryRow,
  triesOf,
  webhookDeliveries,
} from './deliveries.ts'
import { WebhookEndpoint } from './endpoints-schema.ts'

const WebhookDeliveryStatus = builder.enumType('WebhookDeliveryStatus', {
  description: 'How far a delivery has come.',
  values: {
    [DeliveryStatus.PENDING]: { description: 'Waits, for its turn or for the next try.' },
    [DeliveryStatus.DELIVERED]: { description: 'The receiver has taken it.' },
    [DeliveryStatus.DEAD]: { description: 'Given up after ten tries; `retryWebhookDelivery` sends it again.' },
  },
})

const WebhookTry = builder.objectRef<TryRow>('WebhookTry').implement({
  description: 'One try of a delivery.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: '1, 2, 3, …' }),
    triedAt: t.expose('triedAt', { type: 'DateTime', description: 'When the request was sent.' }),
    httpStatus: t.exposeInt('httpStatus', { nullable: true, description: 'What was answered; null for no answer.' }),
    error: t.exposeString('error', { nullable: true, description: 'Why it failed; null where it did not.' }),
    durationMs: t.exposeInt('durationMs', { description: 'Milliseconds until the answer, or until it was given up.' }),
  }),
})

const tries = loaderOf((positions: string[], ctx) => triesOf(ctx, positions))

export const WebhookDelivery = loadableNode<DeliveryRow>('WebhookDelivery', {
  id: nodeId((row: DeliveryRow) => row.id),
  load: (ids: string[], ctx) => loadDeliveries(ctx, ids) as Promise<DeliveryRow[]>,
})

WebhookDelivery.implement({
  description: 'An event for an endpoint. Its id is the header webhook-id. For services; null to others.',
  fields: (t) => ({
    endpoint: t.field({
      type: WebhookEndpoint,
      nullable: true,
      description: 'Where it goes; null once that is deleted.',
      resolve: (row) => row.endpointId,
    }),
    eventType: t.exposeString('eventType', { description: 'What happened, such as message.added.' }),
    status: t.field({
      type: WebhookDeliveryStatus,
      description: 'How far it has come.',
      resolve: (row) => row.status,
    }),
    tries: t.field({
      type: [WebhookTry],
      description: 'All tries so far, oldest first.',
      resolve: (row, _args, ctx) => tries(ctx).load(row.position),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it happened.' }),
    finishedAt: t.expose('finishedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was delivered or given up.',
    }),
  }),
})

const WebhookDeliveryConnection = builder.connectionObject(
  { type: WebhookDelivery, name: 'WebhookDeliveryConnection', description: 'A page of deliveries.' },
  { name: 'WebhookDeliveryEdge', description: 'A delivery in a page.' },
)

const RetryWebhookDeliveryInput = builder.inputType('RetryWebhookDeliveryInput', {
  description: 'Which delivery.',
  fields: (t) => ({ deliveryId: t.id({ required: true, description: 'The id of a WebhookDelivery that is DEAD.' }) }),
})

const RetryWebhookDeliveryPayload = builder.simpleObject('RetryWebhookDeliveryPayload', {
  description: 'What retryWebhookDelivery did.',
  fields: (t) => ({ delivery: t.field({ type: WebhookDelivery, description: 'The delivery, which waits again.' }) }),
})

const service = 'Only for a service; else FORBIDDEN.'

builder.queryField('webhookDeliveries', (t) =>
  t.field({
    type: WebhookDeliveryConnection,
    nullable: true,
    description: `What was or is to be sent to an endpoint, newest first. What was delivered is kept for 30 days. From 1 to 100, 50 if left out. ${service} NOT_FOUND for an unknown endpoint.`,
    args: {
      endpointId: t.arg.id({ required: true, description: 'The id of a WebhookEndpoint.' }),
      status: t.arg({ type: WebhookDeliveryStatus, description: 'Only those of this status.' }),
      first: t.arg.int({ description: 'How many, from the newest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: async (_root, args, ctx) =>
      connectionOf(await webhookDeliveries(ctx, args), (row) => deliveryCursor(row.endpointId, row.position)),
  }),
)

builder.mutationField('retryWebhookDelivery', (t) =>
  t.field({
    type: RetryWebhookDeliveryPayload,
    nullable: true,
    description: `Sends a dead delivery again, with the same webhook-id and ten tries more, before what waits in its conversation. ${service} NOT_FOUND for an unknown one, CONFLICT for one that is not dead.`,
    args: { input: t.arg({ type: RetryWebhookDeliveryInput, required: true, description: 'Which.' }) },
    resolve: async (_root, { input }, ctx) => ({ delivery: await retryWebhookDelivery(ctx, input.deliveryId) }),
  }),
)
