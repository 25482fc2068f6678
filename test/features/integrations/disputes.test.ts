import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CloseConversationDocument,
  CreateDisputeDocument,
  type CreateDisputeInput,
  DeactivateUserDocument,
  UpdateDisputeStatusDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { insertUsers, open, startWith } from '../conversations/support.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, startDirect } from '../support.ts'
import { createDispute, expectRefused, historyOf, moveDispute, whileFailing, written } from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let eve: TestClient
let host: TestClient
let conversationId: string
let jobs = 0

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'eve')
  ;[ada, bo, eve, host] = [scene.as('ada'), scene.as('bo'), scene.as('eve'), scene.asService()]
})
afterAll(() => scene.close())
beforeEach(async () => {
  conversationId = await open(ada, { kind: 'JOB', subjectId: `job ${++jobs}`, participantExternalIds: ['bo'] })
})

describe('opening a dispute', () => {
  test('writes it, and a message that tells of it', async () => {
    const { dispute, message } = await createDispute(ada, { conversationId, reason: 'Late', description: 'By a week' })
    expect(dispute).toEqual({
      id: expect.any(String),
      conversation: { id: conversationId },
      openedBy: { externalId: 'ada' },
      reason: 'Late',
      description: 'By a week',
      status: 'OPEN',
      resolution: null,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    })
    expect(message).toMatchObject({
      seq: 1,
      kind: 'DISPUTE',
      body: 'Dispute opened: Late',
      metadata: {},
      sender: { externalId: 'ada' },
      subject: { __typename: 'Dispute', ...dispute },
    })
    expect(await historyOf(bo, conversationId)).toEqual([message])
  })

  test('by a service is nobody’s', async () => {
    const { dispute, message } = await createDispute(host, { conversationId })
    expect(dispute.openedBy).toBeNull()
    expect(message).toMatchObject({ sender: null, kind: 'DISPUTE' })
    expect(await historyOf(ada, conversationId)).toEqual([message])
  })

  test('by a service that acts for a user is the user’s', async () => {
    const { dispute, message } = await createDispute(scene.asService('ada'), { conversationId })
    expect(dispute.openedBy).toEqual({ externalId: 'ada' })
    expect(message.sender).toMatchObject({ externalId: 'ada' })
    await moveDispute(ada, dispute.id, 'WITHDRAWN')
  })

  test.each<[string, () => Partial<CreateDisputeInput>, string, string]>([
    ['a blank reason', () => ({ reason: ' ' }), 'BAD_USER_INPUT', 'reason'],
    ['a reason that is too long', () => ({ reason: 'x'.repeat(1_001) }), 'BAD_USER_INPUT', 'reason'],
    ['a NUL character', () => ({ reason: 'a\0b' }), 'BAD_USER_INPUT', 'reason'],
    ['half a character', () => ({ description: '\ud83d' }), 'BAD_USER_INPUT', 'description'],
    ['a blank description', () => ({ description: '' }), 'BAD_USER_INPUT', 'description'],
    ['a description that is too long', () => ({ description: 'x'.repeat(10_001) }), 'BAD_USER_INPUT', 'description'],
    ['an empty key', () => ({ idempotencyKey: '' }), 'BAD_USER_INPUT', 'idempotencyKey'],
    ['an unknown conversation', () => ({ conversationId: missingConversation }), 'NOT_FOUND', 'conversationId'],
    [
      'an id of another type',
      () => ({ conversationId: encodeId('User', crypto.randomUUID()) }),
      'BAD_USER_INPUT',
      'conversationId',
    ],
  ])('with %s is refused, and nothing is written', async (_what, input, code, field) => {
    const whole = { conversationId, reason: 'reason', ...input() }
    await expectRefused(scene, ada, CreateDisputeDocument, whole, { code, field })
  })

  test('is refused to an outsider as if there were no conversation', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    await expectRefused(scene, eve, CreateDisputeDocument, { conversationId, reason: 'reason' }, refusal)
  })

  test('takes 1,000 and 10,000 characters, which may be emoji', async () => {
    const [reason, description] = ['😀'.repeat(1_000), '😀'.repeat(10_000)]
    const { dispute, message } = await createDispute(ada, { conversationId, reason, description })
    expect(dispute).toMatchObject({ reason, description })
    expect(message.body).toBe(`Dispute opened: ${reason}`)
  })
})

describe('with a key', () => {
  const key = 'key'

  test('the same request again gets the same', async () => {
    const first = await createDispute(ada, { conversationId, idempotencyKey: key })
    expect(await createDispute(ada, { conversationId, idempotencyKey: key })).toEqual(first)
    await moveDispute(host, first.dispute.id, 'UNDER_REVIEW')
    const again = await createDispute(ada, { conversationId, idempotencyKey: key })
    expect(again).toMatchObject({
      dispute: { id: first.dispute.id, status: 'UNDER_REVIEW' },
      message: { id: first.message.id },
    })
    await host.run(CloseConversationDocument, { input: { conversationId } })
    expect(await createDispute(ada, { conversationId, idempotencyKey: key })).toEqual(again)
    expect(await historyOf(ada, conversationId)).toHaveLength(2)
  })

  test('16 at once make one', async () => {
    const all = await Promise.all(
      Array.from({ length: 16 }, () => createDispute(ada, { conversationId, idempotencyKey: 'at once' })),
    )
    expect(new Set(all.map(({ dispute, message }) => `${dispute.id} ${message.id}`)).size).toBe(1)
    expect(await historyOf(ada, conversationId)).toHaveLength(1)
  })

  test('another request is CONFLICT, and another actor’s key is another', async () => {
    const idempotencyKey = 'used'
    const { dispute } = await createDispute(ada, { conversationId, idempotencyKey })
    const refusal = { code: 'CONFLICT', field: 'idempotencyKey' }
    const input = { conversationId, reason: 'Another', idempotencyKey }
    await expectRefused(scene, ada, CreateDisputeDocument, input, refusal)
    const other = await createDispute(bo, { ...input })
    expect(other.dispute.id).not.toBe(dispute.id)
  })
})

describe('moving a dispute on', () => {
  test('by a service tells the conversation, and what came of it', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    const review = await moveDispute(host, dispute.id, 'UNDER_REVIEW')
    expect(review.message).toMatchObject({ body: 'Dispute under review', sender: null, kind: 'DISPUTE' })
    const resolved = await moveDispute(host, dispute.id, 'RESOLVED', { resolution: 'Half is paid back' })
    expect(resolved.dispute).toMatchObject({
      ...dispute,
      status: 'RESOLVED',
      resolution: 'Half is paid back',
      updatedAt: expect.any(String),
    })
    expect(resolved.message).toMatchObject({ seq: 3, body: 'Dispute resolved: Half is paid back' })
    const history = await historyOf(bo, conversationId)
    expect(history.map(({ subject }) => subject)).toEqual(Array(3).fill({ __typename: 'Dispute', ...resolved.dispute }))
  })

  test('keeps the resolution that a later status leaves out', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    await moveDispute(host, dispute.id, 'UNDER_REVIEW', { resolution: 'So far' })
    const { dispute: rejected } = await moveDispute(host, dispute.id, 'REJECTED')
    expect(rejected.resolution).toBe('So far')
  })

  test('with a resolution longer than a message may be, the message has its beginning', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    const resolution = '😀'.repeat(10_000)
    const done = await moveDispute(host, dispute.id, 'RESOLVED', { resolution })
    expect(done.dispute.resolution).toBe(resolution)
    expect([...done.message.body!]).toHaveLength(10_000)
    expect(done.message.body).toMatch(/^Dispute resolved: (😀)+$/u)
  })

  test('to withdrawn is for whoever opened it', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    const { dispute: withdrawn, message } = await moveDispute(ada, dispute.id, 'WITHDRAWN')
    expect(withdrawn.status).toBe('WITHDRAWN')
    expect(message).toMatchObject({ body: 'Dispute withdrawn', sender: { externalId: 'ada' } })
  })

  test('of nobody is not withdrawn by a participant', async () => {
    const { dispute } = await createDispute(host, { conversationId })
    const input = { disputeId: dispute.id, status: 'WITHDRAWN' } as const
    await expectRefused(scene, ada, UpdateDisputeStatusDocument, input, { code: 'FORBIDDEN' })
  })

  test.each([
    ['a blank resolution', ' '],
    ['a resolution that is too long', 'x'.repeat(10_001)],
    ['a NUL character', '\0'],
  ])('with %s is refused', async (_what, resolution) => {
    const { dispute } = await createDispute(ada, { conversationId })
    const input = { disputeId: dispute.id, status: 'RESOLVED', resolution } as const
    const refusal = { code: 'BAD_USER_INPUT', field: 'resolution' }
    await expectRefused(scene, host, UpdateDisputeStatusDocument, input, refusal)
  })

  test('of an unknown one answers an outsider as one that is there', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    const answers = await Promise.all(
      [dispute.id, encodeId('Dispute', crypto.randomUUID())].map((disputeId) =>
        eve.execute(UpdateDisputeStatusDocument, { input: { disputeId, status: 'WITHDRAWN' } }),
      ),
    )
    expect(refusalIn(answers[0]!)).toEqual({ code: 'NOT_FOUND', field: 'disputeId' })
    expect(answers[0]!.errors).toEqual(answers[1]!.errors)
  })

  test.each(GARBAGE)('with %j for an id is refused', async (disputeId) => {
    const refusal = { code: 'BAD_USER_INPUT', field: 'disputeId' }
    await expectRefused(scene, host, UpdateDisputeStatusDocument, { disputeId, status: 'RESOLVED' }, refusal)
  })
})

describe('in a closed conversation', () => {
  test('participants get CONFLICT, and the host goes on', async () => {
    const { dispute } = await createDispute(ada, { conversationId })
    await host.run(CloseConversationDocument, { input: { conversationId } })
    const refusal = { code: 'CONFLICT', field: 'conversationId' }
    const withdraw = { disputeId: dispute.id, status: 'WITHDRAWN' } as const
    await expectRefused(scene, ada, CreateDisputeDocument, { conversationId, reason: 'reason' }, refusal)
    await expectRefused(scene, ada, UpdateDisputeStatusDocument, withdraw, refusal)
    await expectRefused(scene, scene.asService('ada'), UpdateDisputeStatusDocument, withdraw, refusal)
    const { message } = await moveDispute(host, dispute.id, 'RESOLVED')
    expect((await historyOf(bo, conversationId)).at(-1)).toEqual(message)
  })
})

describe('in a direct conversation with one who was deactivated', () => {
  test('participants are refused as their messages are, and the host goes on', async () => {
    const other = `gone ${jobs}`
    await insertUsers(scene, [other])
    const directId = await startDirect(ada, other)
    const { dispute } = await createDispute(ada, { conversationId: directId })
    await host.run(DeactivateUserDocument, { input: { externalId: other } })
    const refusal = { code: 'FORBIDDEN', field: 'conversationId' }
    await expectRefused(scene, ada, CreateDisputeDocument, { conversationId: directId, reason: 'reason' }, refusal)
    await moveDispute(host, dispute.id, 'REJECTED')
    expect(await historyOf(ada, directId)).toHaveLength(2)
  })
})

describe('what fails halfway writes nothing', () => {
  test.each([
    'INSERT ON messages',
    'UPDATE ON conversations',
    'UPDATE ON idempotency_keys',
    'INSERT ON disputes',
  ] as const)('opening: %s', async (on) => {
    const input = { conversationId, reason: 'reason', idempotencyKey: on }
    const before = await written(scene)
    await whileFailing(scene, on, async () => {
      expect(refusalIn(await ada.execute(CreateDisputeDocument, { input }))).toMatchObject({
        code: 'INTERNAL_SERVER_ERROR',
      })
    })
    expect(await written(scene)).toEqual(before)
    await createDispute(ada, input)
  })

  test.each(['INSERT ON messages', 'UPDATE ON conversations', 'UPDATE ON disputes'] as const)(
    'moving on: %s',
    async (on) => {
      const { dispute } = await createDispute(ada, { conversationId })
      const before = await written(scene)
      await whileFailing(scene, on, async () => {
        const input = { disputeId: dispute.id, status: 'RESOLVED' } as const
        expect(refusalIn(await host.execute(UpdateDisputeStatusDocument, { input }))).toMatchObject({
          code: 'INTERNAL_SERVER_ERROR',
        })
      })
      expect(await written(scene)).toEqual(before)
      await moveDispute(host, dispute.id, 'RESOLVED')
    },
  )
})
