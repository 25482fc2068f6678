import type { RequestContext } from '../../context.ts'
import { encodeId } from '../../lib/ids.ts'
import { DISPUTES, type DisputeRow } from '../integrations/disputes.ts'
import { JOB_UPDATES, type JobUpdateRow } from '../integrations/job-updates.ts'
import { PAYMENTS, type PaymentRow } from '../integrations/payments.ts'
import { loadSubjects, type SubjectTable } from '../integrations/subjects.ts'
import type { ActionData } from './payloads.ts'
import { time, type UserOf } from './render-objects.ts'

type ActionType = 'dispute.created' | 'dispute.updated' | 'payment.created' | 'payment.updated' | 'job_update.created'

/** What an integration action is about, under its name in ActionData. */
export async function renderSubject(
  ctx: RequestContext,
  userOf: UserOf,
  type: ActionType,
  id: string,
): Promise<Pick<ActionData, 'dispute' | 'payment' | 'jobUpdate'>> {
  async function find<Row extends DisputeRow | PaymentRow | JobUpdateRow>(table: SubjectTable): Promise<Row | null> {
    const [row] = await loadSubjects<Row>(ctx, table, [id])
    return row ?? null
  }

  async function dispute() {
    const row = await find<DisputeRow>(DISPUTES)
    if (!row) return null
    const { reason, description, status, resolution } = row
    const times = { createdAt: time(row.createdAt), updatedAt: time(row.updatedAt) }
    const openedBy = await userOf(row.openedById)
    return { id: encodeId('Dispute', id), openedBy, reason, description, status, resolution, ...times }
  }

  async function payment() {
    const row = await find<PaymentRow>(PAYMENTS)
    if (!row) return null
    const { amount, currency, description, status, providerReference } = row
    const [payer, payee] = await Promise.all([userOf(row.payerId), userOf(row.payeeId)])
    const times = { createdAt: time(row.createdAt), updatedAt: time(row.updatedAt) }
    const money = { amount, currency, description, status, providerReference }
    return { id: encodeId('Payment', id), payer, payee, ...money, ...times }
  }

  async function jobUpdate() {
    const row = await find<JobUpdateRow>(JOB_UPDATES)
    if (!row) return null
    const { status, note, createdAt } = row
    const postedBy = await userOf(row.postedById)
    return { id: encodeId('JobUpdate', id), postedBy, status, note, createdAt: time(createdAt) }
  }

  switch (type) {
    case 'dispute.created':
    case 'dispute.updated':
      return { dispute: await dispute() }
    case 'payment.created':
    case 'payment.updated':
      return { payment: await payment() }
    case 'job_update.created':
      return { jobUpdate: await jobUpdate() }
  }
}
