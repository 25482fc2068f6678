import { afterAll, beforeAll, expect, test } from 'vitest'
import { PAYMENT_TRANSITIONS } from '../../../src/features/integrations/transitions.ts'
import { type PaymentStatus, UpdatePaymentStatusDocument } from '../../generated/graphql.ts'
import type { TestApp } from '../../support/app.ts'
import { expectSound, open, startTwoWith, userId } from '../conversations/support.ts'
import { refusalIn, type Scene } from '../support.ts'
import { historyOf, initiatePayment, movePayment } from './support.ts'

// The provider's news of one payment, which may come in any order and more than once, on both nodes.

let scene: Scene
let second: TestApp
let conversationId: string
let payeeId: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo'))
  conversationId = await open(scene.as('ada'), { kind: 'JOB', subjectId: 'job', participantExternalIds: ['bo'] })
  payeeId = await userId(scene, 'bo')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

const STATUSES = Object.keys(PAYMENT_TRANSITIONS) as PaymentStatus[]

/** Asks for all of these at once, on the one node and the other in turn. */
function moveAtOnce(paymentId: string, statuses: PaymentStatus[]) {
  return Promise.all(
    statuses.map((status, number) =>
      (number % 2 ? scene : second).asService().execute(UpdatePaymentStatusDocument, { input: { paymentId, status } }),
    ),
  )
}

test.each([0, 1, 2, 3, 4, 5])('50 at once leave one legal history, beginning with the status %d', async (from) => {
  const { payment, message } = await initiatePayment(scene.as('ada'), { conversationId, payeeId })
  const wanted = Array.from({ length: 50 }, (_, number) => STATUSES[(number + from) % STATUSES.length]!)
  const answers = await moveAtOnce(payment.id, wanted)
  const steps = answers
    .flatMap((answer, index) => {
      if (!answer.errors) return [{ seq: answer.data!.updatePaymentStatus!.message.seq, status: wanted[index]! }]
      expect(refusalIn(answer)).toEqual({ code: 'CONFLICT', field: 'status' })
      return []
    })
    .sort((one, other) => one.seq - other.seq)
  expect(steps.length).toBeGreaterThan(0)
  let status: PaymentStatus = 'INITIATED'
  let seq = message.seq
  for (const step of steps) {
    expect(PAYMENT_TRANSITIONS[status]).toContain(step.status)
    expect(step.seq).toBe(seq + 1)
    ;({ status, seq } = step)
  }
  const last = (await historyOf(scene.as('ada'), conversationId)).at(-1)!
  expect(last).toMatchObject({ seq, subject: { id: payment.id, paymentStatus: status } })
})

test('50 times the same status: one is done', async () => {
  const { payment } = await initiatePayment(scene.as('ada'), { conversationId, payeeId })
  const answers = await moveAtOnce(payment.id, Array(50).fill('SUCCEEDED'))
  expect(answers.filter(({ errors }) => !errors)).toHaveLength(1)
  await movePayment(scene.asService(), payment.id, 'REFUNDED')
})
