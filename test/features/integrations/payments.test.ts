import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CloseConversationDocument,
  InitiatePaymentDocument,
  type InitiatePaymentInput,
  LeaveConversationDocument,
  UpdatePaymentStatusDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { open, startWith, userId } from '../conversations/support.ts'
import { missingConversation, refusalIn, type Scene } from '../support.ts'
import { expectRefused, historyOf, initiatePayment, movePayment, whileFailing, written } from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let host: TestClient
let boId: string
let conversationId: string
let jobs = 0

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'eve')
  ;[ada, bo, host] = [scene.as('ada'), scene.as('bo'), scene.asService()]
  boId = await userId(scene, 'bo')
})
afterAll(() => scene.close())
beforeEach(async () => {
  conversationId = await open(ada, { kind: 'JOB', subjectId: `job ${++jobs}`, participantExternalIds: ['bo', 'cy'] })
})

describe('initiating a payment', () => {
  test('notes it, and tells the conversation', async () => {
    const { payment, message } = await initiatePayment(ada, {
      conversationId,
      payeeId: boId,
      description: 'Half of it',
    })
    expect(payment).toEqual({
      id: expect.any(String),
      conversation: { id: conversationId },
      payer: { externalId: 'ada' },
      payee: { externalId: 'bo' },
      amount: 1250,
      currency: 'EUR',
      description: 'Half of it',
      paymentStatus: 'INITIATED',
      providerReference: null,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    })
    expect(message).toMatchObject({
      seq: 1,
      kind: 'PAYMENT',
      body: 'Payment of EUR 12.50 initiated: Half of it',
      sender: { externalId: 'ada' },
      subject: { __typename: 'Payment', ...payment },
    })
    expect(await historyOf(bo, conversationId)).toEqual([message])
  })

  test('is for a user, or for a service that acts for one', async () => {
    const input = { conversationId, payeeId: boId, amount: 1, currency: 'EUR' }
    await expectRefused(scene, host, InitiatePaymentDocument, input, { code: 'FORBIDDEN' })
    const { payment } = await initiatePayment(scene.asService('ada'), input)
    expect(payment.payer).toEqual({ externalId: 'ada' })
  })

  test.each<[string, () => Partial<InitiatePaymentInput>, string, string]>([
    ['no amount', () => ({ amount: 0 }), 'BAD_USER_INPUT', 'amount'],
    ['a negative amount', () => ({ amount: -1 }), 'BAD_USER_INPUT', 'amount'],
    ['a fraction', () => ({ amount: 1.5 }), 'BAD_USER_INPUT', 'amount'],
    ['an amount of 2^53', () => ({ amount: 2 ** 53 }), 'BAD_USER_INPUT', 'amount'],
    ['a text for an amount', () => ({ amount: '12' as unknown as number }), 'BAD_USER_INPUT', 'amount'],
    ['an unknown currency', () => ({ currency: 'EUX' }), 'BAD_USER_INPUT', 'currency'],
    ['a currency in small letters', () => ({ currency: 'eur' }), 'BAD_USER_INPUT', 'currency'],
    ['a symbol for a currency', () => ({ currency: '€' }), 'BAD_USER_INPUT', 'currency'],
    ['gold', () => ({ currency: 'XAU' }), 'BAD_USER_INPUT', 'currency'],
    ['no currency', () => ({ currency: '' }), 'BAD_USER_INPUT', 'currency'],
    ['a blank description', () => ({ description: ' ' }), 'BAD_USER_INPUT', 'description'],
    ['a description that is too long', () => ({ description: 'x'.repeat(1_001) }), 'BAD_USER_INPUT', 'description'],
    ['an unknown conversation', () => ({ conversationId: missingConversation }), 'NOT_FOUND', 'conversationId'],
    ['an unknown payee', () => ({ payeeId: encodeId('User', crypto.randomUUID()) }), 'BAD_USER_INPUT', 'payeeId'],
    ['an id that is no user’s', () => ({ payeeId: missingConversation }), 'BAD_USER_INPUT', 'payeeId'],
  ])('with %s is refused, and nothing is written', async (_what, input, code, field) => {
    const whole = { conversationId, payeeId: boId, amount: 1, currency: 'EUR', ...input() }
    await expectRefused(scene, ada, InitiatePaymentDocument, whole, { code, field })
  })

  test('to oneself, an outsider, or one who has left is refused', async () => {
    const refusal = { code: 'BAD_USER_INPUT', field: 'payeeId' }
    await scene.as('cy').run(LeaveConversationDocument, { input: { conversationId } })
    for (const payee of ['ada', 'eve', 'cy']) {
      const input = { conversationId, payeeId: await userId(scene, payee), amount: 1, currency: 'EUR' }
      await expectRefused(scene, ada, InitiatePaymentDocument, input, refusal)
    }
  })

  test('by an outsider is refused as if there were no conversation', async () => {
    const input = { conversationId, payeeId: boId, amount: 1, currency: 'EUR' }
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    await expectRefused(scene, scene.as('eve'), InitiatePaymentDocument, input, refusal)
  })
})

test.each([
  [1, 'EUR', 'EUR 0.01'],
  [1_250, 'EUR', 'EUR 12.50'],
  [1_250, 'JPY', 'JPY 1,250'],
  [1_250, 'KWD', 'KWD 1.250'],
  [5, 'KWD', 'KWD 0.005'],
  [1_250, 'CLF', 'CLF 0.1250'],
  // ISO 4217 has two digits for these, of which nobody makes use.
  [125_000, 'HUF', 'HUF 1,250.00'],
  [125_000, 'IDR', 'IDR 1,250.00'],
  [Number.MAX_SAFE_INTEGER, 'EUR', 'EUR 90,071,992,547,409.91'],
  [Number.MAX_SAFE_INTEGER, 'JPY', 'JPY 9,007,199,254,740,991'],
])('%d in the minor unit of %s reads %s', async (amount, currency, text) => {
  const { payment, message } = await initiatePayment(ada, { conversationId, payeeId: boId, amount, currency })
  expect(payment).toMatchObject({ amount, currency })
  expect(message.body).toBe(`Payment of ${text} initiated`)
})

describe('with a key', () => {
  test('the same request again gets the same, after a close too, and another CONFLICT', async () => {
    const input = { conversationId, payeeId: boId, idempotencyKey: 'key' }
    const first = await initiatePayment(ada, input)
    expect(await initiatePayment(ada, input)).toEqual(first)
    await host.run(CloseConversationDocument, { input: { conversationId } })
    expect(await initiatePayment(ada, input)).toEqual(first)
    const refusal = { code: 'CONFLICT', field: 'idempotencyKey' }
    for (const other of [{ amount: 1251 }, { currency: 'USD' }, { description: 'more' }]) {
      const whole = { amount: 1250, currency: 'EUR', ...input, ...other }
      await expectRefused(scene, ada, InitiatePaymentDocument, whole, refusal)
    }
    expect(await historyOf(ada, conversationId)).toHaveLength(1)
  })
})

describe('moving a payment on', () => {
  test('tells each step, and keeps the provider’s reference', async () => {
    const { payment } = await initiatePayment(ada, { conversationId, payeeId: boId, description: 'Half' })
    const processing = await movePayment(host, payment.id, 'PROCESSING', { providerReference: 'pi_1' })
    expect(processing.payment).toMatchObject({ paymentStatus: 'PROCESSING', providerReference: 'pi_1' })
    const made = await movePayment(host, payment.id, 'SUCCEEDED')
    expect(made.payment).toEqual({
      ...payment,
      paymentStatus: 'SUCCEEDED',
      providerReference: 'pi_1',
      updatedAt: expect.any(String),
    })
    await movePayment(host, payment.id, 'REFUNDED')
    const history = await historyOf(bo, conversationId)
    expect(history.map(({ body }) => body)).toEqual([
      'Payment of EUR 12.50 initiated: Half',
      'Payment of EUR 12.50 in progress: Half',
      'Payment of EUR 12.50 made: Half',
      'Payment of EUR 12.50 refunded: Half',
    ])
    expect(history.map(({ sender }) => sender?.externalId)).toEqual(['ada', undefined, undefined, undefined])
  })

  test.each([
    ['a blank reference', { providerReference: ' ' }, 'providerReference'],
    ['a long reference', { providerReference: 'x'.repeat(256) }, 'providerReference'],
  ])('with %s is refused', async (_what, more, field) => {
    const { payment } = await initiatePayment(ada, { conversationId, payeeId: boId })
    const input = { paymentId: payment.id, status: 'SUCCEEDED', ...more } as const
    await expectRefused(scene, host, UpdatePaymentStatusDocument, input, { code: 'BAD_USER_INPUT', field })
  })

  test('of an unknown one is NOT_FOUND', async () => {
    const input = { paymentId: encodeId('Payment', crypto.randomUUID()), status: 'SUCCEEDED' } as const
    await expectRefused(scene, host, UpdatePaymentStatusDocument, input, { code: 'NOT_FOUND', field: 'paymentId' })
  })

  test('goes on in a closed conversation, where participants initiate none', async () => {
    const { payment } = await initiatePayment(ada, { conversationId, payeeId: boId })
    await host.run(CloseConversationDocument, { input: { conversationId } })
    const input = { conversationId, payeeId: boId, amount: 1, currency: 'EUR' }
    const refusal = { code: 'CONFLICT', field: 'conversationId' }
    await expectRefused(scene, ada, InitiatePaymentDocument, input, refusal)
    const { message } = await movePayment(host, payment.id, 'SUCCEEDED')
    expect((await historyOf(ada, conversationId)).at(-1)).toEqual(message)
  })
})

describe('what fails halfway writes nothing', () => {
  test.each(['INSERT ON messages', 'UPDATE ON idempotency_keys'] as const)('initiating: %s', async (on) => {
    const input = { conversationId, payeeId: boId, amount: 1, currency: 'EUR', idempotencyKey: on }
    const before = await written(scene)
    await whileFailing(scene, on, async () => {
      const answer = await ada.execute(InitiatePaymentDocument, { input })
      expect(refusalIn(answer)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
    })
    expect(await written(scene)).toEqual(before)
    await initiatePayment(ada, input)
  })

  test.each(['INSERT ON messages', 'UPDATE ON conversations'] as const)('moving on: %s', async (on) => {
    const { payment } = await initiatePayment(ada, { conversationId, payeeId: boId })
    const before = await written(scene)
    await whileFailing(scene, on, async () => {
      const input = { paymentId: payment.id, status: 'SUCCEEDED' } as const
      const answer = await host.execute(UpdatePaymentStatusDocument, { input })
      expect(refusalIn(answer)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
    })
    expect(await written(scene)).toEqual(before)
  })
})
