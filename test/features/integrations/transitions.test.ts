import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type DisputeStatus,
  type PaymentStatus,
  UpdateDisputeStatusDocument,
  UpdatePaymentStatusDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createGroup, setRole, startWith, userId } from '../conversations/support.ts'
import { refusalIn, type Scene, uuidOf } from '../support.ts'
import { createDispute, initiatePayment } from './support.ts'

// Each cell of both tables by every kind of caller. What may follow is written down here once more, from the rules.

const DISPUTES: Record<DisputeStatus, DisputeStatus[]> = {
  OPEN: ['UNDER_REVIEW', 'RESOLVED', 'REJECTED', 'WITHDRAWN'],
  UNDER_REVIEW: ['RESOLVED', 'REJECTED', 'WITHDRAWN'],
  RESOLVED: [],
  REJECTED: [],
  WITHDRAWN: [],
}
const PAYMENTS: Record<PaymentStatus, PaymentStatus[]> = {
  INITIATED: ['PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  PROCESSING: ['SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: ['REFUNDED'],
  FAILED: [],
  CANCELLED: [],
  REFUNDED: [],
}
const statusesOf = <Status extends string>(table: Record<Status, unknown>) => Object.keys(table) as Status[]

let scene: Scene
let conversationId: string

/** Ada opens and pays; Bo is paid. */
const CALLERS: Record<string, () => TestClient> = {
  'whoever opened it or pays': () => scene.as('ada'),
  'another participant, the payee': () => scene.as('bo'),
  'an admin': () => scene.as('adam'),
  'the owner': () => scene.as('olga'),
  'a service': () => scene.asService(),
  'a service that acts for whoever opened it or pays': () => scene.asService('ada'),
  'a service that acts for another participant': () => scene.asService('bo'),
  'an outsider': () => scene.as('eve'),
}
const IS_OPENER = /whoever opened it or pays$/

beforeAll(async () => {
  scene = await startWith('olga', 'adam', 'ada', 'bo', 'eve')
  conversationId = await createGroup(scene.as('olga'), 'adam', 'ada', 'bo')
  await setRole(scene.as('olga'), conversationId, await userId(scene, 'adam'), 'ADMIN')
})
afterAll(() => scene.close())

/** The status of a row, and how much the conversation has heard. */
async function stateOf(table: 'disputes' | 'payments', id: string) {
  const [row] = await scene.sql(
    `SELECT s.status, s.updated_at, c.last_seq, c.version FROM ${table} s JOIN conversations c ON c.id = s.conversation_id
      WHERE s.id = $1`,
    [uuidOf(id)],
  )
  return row as { status: string; updated_at: Date; last_seq: number; version: number }
}

describe.each(Object.keys(CALLERS))('of a dispute, %s', (caller) => {
  test.each(statusesOf(DISPUTES))('from %s', { timeout: 60_000 }, async (from) => {
    const { dispute } = await createDispute(scene.as('ada'), { conversationId })
    for (const to of statusesOf(DISPUTES)) {
      await scene.sql('UPDATE disputes SET status = $2::dispute_status WHERE id = $1', [uuidOf(dispute.id), from])
      const before = await stateOf('disputes', dispute.id)
      const input = { disputeId: dispute.id, status: to }
      const answer = await CALLERS[caller]!().execute(UpdateDisputeStatusDocument, { input })
      const expected =
        caller === 'an outsider'
          ? { code: 'NOT_FOUND', field: 'disputeId' }
          : caller !== 'a service' && !(IS_OPENER.test(caller) && to === 'WITHDRAWN')
            ? { code: 'FORBIDDEN' }
            : !DISPUTES[from].includes(to)
              ? { code: 'CONFLICT', field: 'status' }
              : null
      const what = `${from} to ${to} by ${caller}`
      if (expected) {
        expect(refusalIn(answer), what).toEqual(expected)
        expect(await stateOf('disputes', dispute.id), what).toEqual(before)
      } else {
        expect(answer.errors, what).toBeUndefined()
        expect(answer.data!.updateDisputeStatus!.dispute.status, what).toBe(to)
        const after = await stateOf('disputes', dispute.id)
        expect(after, what).toMatchObject({ status: to, last_seq: before.last_seq + 1, version: before.version + 1 })
      }
    }
  })
})

describe.each(Object.keys(CALLERS))('of a payment, %s', (caller) => {
  test.each(statusesOf(PAYMENTS))('from %s', { timeout: 60_000 }, async (from) => {
    const payeeId = await userId(scene, 'bo')
    const { payment } = await initiatePayment(scene.as('ada'), { conversationId, payeeId })
    for (const to of statusesOf(PAYMENTS)) {
      await scene.sql('UPDATE payments SET status = $2::payment_status WHERE id = $1', [uuidOf(payment.id), from])
      const before = await stateOf('payments', payment.id)
      const input = { paymentId: payment.id, status: to }
      const answer = await CALLERS[caller]!().execute(UpdatePaymentStatusDocument, { input })
      const expected =
        caller !== 'a service'
          ? { code: 'FORBIDDEN' }
          : !PAYMENTS[from].includes(to)
            ? { code: 'CONFLICT', field: 'status' }
            : null
      const what = `${from} to ${to} by ${caller}`
      if (expected) {
        expect(refusalIn(answer), what).toEqual(expected)
        expect(await stateOf('payments', payment.id), what).toEqual(before)
      } else {
        expect(answer.errors, what).toBeUndefined()
        expect(answer.data!.updatePaymentStatus!.payment.paymentStatus, what).toBe(to)
        const after = await stateOf('payments', payment.id)
        expect(after, what).toMatchObject({ status: to, last_seq: before.last_seq + 1, version: before.version + 1 })
      }
    }
  })
})
