import { type RequestContext, requireService, requireUser } from '../../context.ts'
import type { PaymentStatus } from '../../db/generated/enums.ts'
import { formatAmount, isCurrency } from '../../lib/currencies.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { requireText } from '../../lib/text.ts'
import type { Locked } from '../conversations/change.ts'
import type { MessageRow } from '../messages/message.ts'
import { runAction } from './action.ts'
import { conversationIdOf, loadSubjects, lockedSubject, type SubjectTable } from './subjects.ts'
import { PAYMENT_TRANSITIONS, requireTransition } from './transitions.ts'

export interface PaymentRow {
  id: string
  conversationId: string
  seq: number
  payerId: string | null
  payeeId: string | null
  /** In the currency's minor unit; at most 2^53 - 1. */
  amount: number
  currency: string
  description: string | null
  status: PaymentStatus
  providerReference: string | null
  createdAt: Date
  updatedAt: Date
}

export const PAYMENTS: SubjectTable = {
  table: 'payments',
  // pg gives a bigint as text; within 2^53 nothing is lost.
  columns: `s.id, s.conversation_id AS "conversationId", s.seq, s.payer_id AS "payerId", s.payee_id AS "payeeId",
    s.amount::float8 AS amount, s.currency, s.description, s.status, s.provider_reference AS "providerReference",
    s.created_at AS "createdAt", s.updated_at AS "updatedAt"`,
}

const MAX_DESCRIPTION = 1_000
const MAX_REFERENCE = 255

export interface InitiatePaymentInput {
  conversationId: string
  payeeId: string
  amount: number
  currency: string
  description?: string | null | undefined
  idempotencyKey?: string | null | undefined
}

/** Notes that the viewer is about to pay another participant; the host's payment provider does it. */
export async function initiatePayment(
  ctx: RequestContext,
  input: InitiatePaymentInput,
): Promise<{ payment: PaymentRow; message: MessageRow }> {
  const payer = requireUser(ctx)
  const conversationId = requireUuid('Conversation', input.conversationId, 'conversationId')
  const payeeId = requireUuid('User', input.payeeId, 'payeeId')
  const { amount, currency } = input
  if (payeeId === payer.id) throw new BadUserInputError('The payee must be somebody else.', 'payeeId')
  if (!Number.isSafeInteger(amount) || amount < 1) {
    throw new BadUserInputError('amount must be a whole number from 1 on, in the minor unit of the currency.', 'amount')
  }
  if (!isCurrency(currency))
    throw new BadUserInputError('currency must be a code of ISO 4217, such as EUR.', 'currency')
  const description = input.description == null ? null : requireText(input.description, 'description', MAX_DESCRIPTION)
  const request = { conversationId, payeeId, amount, currency, description }
  const place = {
    conversationId,
    field: 'conversationId',
    operation: 'initiatePayment',
    key: input.idempotencyKey,
    request,
  }
  const done = await runAction(ctx, place, async ({ query, view }) => {
    const [payee] = await query(
      'SELECT FROM participants WHERE conversation_id = $1 AND user_id = $2 AND left_at IS NULL',
      [conversationId, payeeId],
    )
    if (!payee) throw new BadUserInputError('The payee is not in the conversation.', 'payeeId')
    const id = newId(ctx.clock)
    await query(
      `INSERT INTO payments (id, conversation_id, seq, payer_id, payee_id, amount, currency, description)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [id, conversationId, view.lastSeq + 1, payer.id, payeeId, amount, currency, description],
    )
    return { kind: 'PAYMENT', subjectId: id, body: newsOf('INITIATED', { amount, currency, description }) }
  })
  return paymentOf(ctx, done)
}

const NEWS: Record<PaymentStatus, string> = {
  INITIATED: 'initiated',
  PROCESSING: 'in progress',
  SUCCEEDED: 'made',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  REFUNDED: 'refunded',
}

function newsOf(
  status: PaymentStatus,
  { amount, currency, description }: Pick<PaymentRow, 'amount' | 'currency' | 'description'>,
) {
  const news = `Payment of ${formatAmount(amount, currency)} ${NEWS[status]}`
  return description === null ? news : `${news}: ${description}`
}

export interface UpdatePaymentStatusInput {
  paymentId: string
  status: PaymentStatus
  providerReference?: string | null | undefined
}

/** Moves a payment on; for a service. @throws ConflictError for a status that doesn't follow the present one. */
export async function updatePaymentStatus(
  ctx: RequestContext,
  input: UpdatePaymentStatusInput,
): Promise<{ payment: PaymentRow; message: MessageRow }> {
  requireService(ctx)
  const id = requireUuid('Payment', input.paymentId, 'paymentId')
  const { status } = input
  const reference =
    input.providerReference == null ? null : requireText(input.providerReference, 'providerReference', MAX_REFERENCE)
  const conversationId = await conversationIdOf(ctx, PAYMENTS, id, 'paymentId')
  const place = { conversationId, field: 'paymentId', operation: 'updatePaymentStatus', request: null }
  const change = async (locked: Locked) => {
    const payment = await lockedSubject<PaymentRow>(locked, PAYMENTS, id, 'paymentId')
    requireTransition(PAYMENT_TRANSITIONS, payment.status, status)
    await locked.query(
      `UPDATE payments SET status = $2, provider_reference = coalesce($3, provider_reference), updated_at = clock_timestamp()
        WHERE id = $1`,
      [id, status, reference],
    )
    return { kind: 'PAYMENT' as const, subjectId: id, body: newsOf(status, payment) }
  }
  return paymentOf(ctx, await runAction(ctx, place, change, { despiteClose: true }))
}

async function paymentOf(ctx: RequestContext, { subjectId, message }: { subjectId: string; message: MessageRow }) {
  const [payment] = await loadSubjects<PaymentRow>(ctx, PAYMENTS, [subjectId])
  return { payment: payment!, message }
}
