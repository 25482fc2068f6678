import { PaymentStatus as Statuses } from '../../db/generated/enums.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { Conversation, conversationOf } from '../conversations/schema.ts'
import { Message } from '../messages/schema.ts'
import { User } from '../users/schema.ts'
import { initiatePayment, PAYMENTS, type PaymentRow, updatePaymentStatus } from './payments.ts'
import { loadSubjects } from './subjects.ts'
import { subjectsOfEach } from './subjects-schema.ts'

const PaymentStatus = builder.enumType('PaymentStatus', {
  description: 'How far a payment has come.',
  values: {
    [Statuses.INITIATED]: { description: 'Somebody wants to pay.' },
    [Statuses.PROCESSING]: { description: 'The provider is at it.' },
    [Statuses.SUCCEEDED]: { description: 'The money has moved.' },
    [Statuses.FAILED]: { description: 'It has not. Final.' },
    [Statuses.CANCELLED]: { description: 'Called off before it moved. Final.' },
    [Statuses.REFUNDED]: { description: 'The money has moved back. Final.' },
  },
})

export const Payment = loadableNode<PaymentRow>('Payment', {
  id: nodeId((row: PaymentRow) => row.id),
  load: (ids: string[], ctx) => loadSubjects<PaymentRow>(ctx, PAYMENTS, ids) as Promise<PaymentRow[]>,
})

Payment.implement({
  description:
    "`amount` in the currency's minor unit (cents); `currency` as ISO 4217. Parley moves no money: the host's provider does.",
  fields: (t) => ({
    conversation: t.field({
      type: Conversation,
      description: 'Where it belongs.',
      resolve: (row, _args, ctx) => conversationOf(ctx, row),
    }),
    payer: t.field({ type: User, nullable: true, description: 'Who pays.', resolve: (row) => row.payerId }),
    payee: t.field({ type: User, nullable: true, description: 'Who is paid.', resolve: (row) => row.payeeId }),
    amount: t.expose('amount', { type: 'SafeInt', description: "In the currency's minor unit: 1250 for EUR 12.50." }),
    currency: t.exposeString('currency', { description: 'ISO 4217, such as EUR.' }),
    description: t.exposeString('description', { nullable: true, description: 'What it is for.' }),
    status: t.field({ type: PaymentStatus, description: 'How far it has come.', resolve: (row) => row.status }),
    providerReference: t.exposeString('providerReference', {
      nullable: true,
      description: 'What the payment provider knows it by.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was initiated.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When its status last changed.' }),
  }),
})

const PaymentConnection = builder.connectionObject(
  { type: Payment, name: 'PaymentConnection', description: 'A page of payments.' },
  { name: 'PaymentEdge', description: 'One of payments in a page.' },
)

builder.objectField(Conversation, 'payments', (t) =>
  t.field({
    type: PaymentConnection,
    description: 'The payments of this conversation, oldest first. From 1 to 100, 50 if left out.',
    args: {
      first: t.arg.int({ description: 'How many, from the oldest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: subjectsOfEach<PaymentRow>(PAYMENTS),
  }),
)

const InitiatePaymentInput = builder.inputType('InitiatePaymentInput', {
  description: 'A payment from the viewer to another participant.',
  fields: (t) => ({
    conversationId: t.id({ required: true, description: 'Where both are.' }),
    payeeId: t.id({ required: true, description: 'Who is to be paid.' }),
    amount: t.field({
      type: 'SafeInt',
      required: true,
      description: "From 1 on, in the currency's minor unit: 1250 for EUR 12.50.",
    }),
    currency: t.string({ required: true, description: 'ISO 4217, such as EUR.' }),
    description: t.string({ description: 'What it is for: at most 1,000 characters.' }),
    idempotencyKey: t.string({ description: '1 to 255 characters: the same request with the same key is done once.' }),
  }),
})

const InitiatePaymentPayload = builder.simpleObject('InitiatePaymentPayload', {
  description: 'What initiatePayment did.',
  fields: (t) => ({
    payment: t.field({ type: Payment, description: 'The payment as it is now.' }),
    message: t.field({ type: Message, description: 'What the conversation was told.' }),
  }),
})

const UpdatePaymentStatusInput = builder.inputType('UpdatePaymentStatusInput', {
  description: 'How a payment goes on.',
  fields: (t) => ({
    paymentId: t.id({ required: true, description: 'The payment.' }),
    status: t.field({ type: PaymentStatus, required: true, description: 'One that may follow the present one.' }),
    providerReference: t.string({ description: 'What the payment provider knows it by: at most 255 characters.' }),
  }),
})

const UpdatePaymentStatusPayload = builder.simpleObject('UpdatePaymentStatusPayload', {
  description: 'What updatePaymentStatus did.',
  fields: (t) => ({
    payment: t.field({ type: Payment, description: 'The payment as it is now.' }),
    message: t.field({ type: Message, description: 'What the conversation was told.' }),
  }),
})

builder.mutationFields((t) => ({
  initiatePayment: t.field({
    type: InitiatePaymentPayload,
    nullable: true,
    description:
      'Notes that the viewer is about to pay another participant, and tells the conversation of it. NOT_FOUND for a conversation that one is not in, CONFLICT for a closed one or a key that was used with another request.',
    args: { input: t.arg({ type: InitiatePaymentInput, required: true, description: 'The payment.' }) },
    resolve: (_root, { input }, ctx) => initiatePayment(ctx, input),
  }),
  updatePaymentStatus: t.field({
    type: UpdatePaymentStatusPayload,
    nullable: true,
    description:
      'Moves a payment on, and tells the conversation of it. For a service, FORBIDDEN to others. CONFLICT for a status that does not follow the present one, a late or repeated one too.',
    args: { input: t.arg({ type: UpdatePaymentStatusInput, required: true, description: 'The change.' }) },
    resolve: (_root, { input }, ctx) => updatePaymentStatus(ctx, input),
  }),
}))
