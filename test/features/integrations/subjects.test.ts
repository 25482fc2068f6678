import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  ActionMessagesDocument,
  AddParticipantsDocument,
  CreateDisputeDocument,
  DeleteConversationDocument,
  DisputesDocument,
  JobUpdatesDocument,
  LeaveConversationDocument,
  PaymentsDocument,
  RemoveParticipantDocument,
  SubjectNodesDocument,
  UpdateDisputeStatusDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import { createGroup, expectSound, startTwoWith, userId } from '../conversations/support.ts'
import { refusalIn, type Scene, uuidOf } from '../support.ts'
import {
  createDispute,
  expectRefused,
  historyOf,
  initiatePayment,
  moveDispute,
  movePayment,
  postJobUpdate,
  whileFailing,
} from './support.ts'

// Who sees disputes, payments and job updates, and how they come live. Ada is on one node, Bo and Cy are on the other.

let scene: Scene
let second: TestApp
let ada: TestClient
let bo: TestClient
let cy: TestClient
let host: TestClient
let boId: string
let conversationId: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo', 'cy', 'di'))
  ada = scene.as('ada')
  ;[bo, cy] = [second.as('bo'), second.as('cy')]
  host = second.asService()
  boId = await userId(scene, 'bo')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})
beforeEach(async () => {
  conversationId = await createGroup(ada, 'bo', 'cy')
})

/** One of each, and their ids. */
async function oneOfEach(client = ada) {
  const { dispute } = await createDispute(client, { conversationId })
  const { payment } = await initiatePayment(client, { conversationId, payeeId: boId })
  const { jobUpdate } = await postJobUpdate(client, { conversationId })
  return { dispute, payment, jobUpdate, ids: [dispute.id, payment.id, jobUpdate.id] }
}

async function nodesOf(client: TestClient, ids: string[]) {
  const { nodes } = await client.run(SubjectNodesDocument, { ids })
  return nodes!
}

/** What the three connections hold; null where the conversation is not to be seen. */
async function connectionsOf(client: TestClient, id = conversationId) {
  const { conversation: withDisputes } = await client.run(DisputesDocument, { id })
  const { conversation: withPayments } = await client.run(PaymentsDocument, { id })
  const { conversation: withUpdates } = await client.run(JobUpdatesDocument, { id })
  return [
    withDisputes?.disputes.edges.map(({ node }) => node.id) ?? null,
    withPayments?.payments.edges.map(({ node }) => node.id) ?? null,
    withUpdates?.jobUpdates.edges.map(({ node }) => node.id) ?? null,
  ]
}

describe('live', () => {
  test('each step comes to all, over both nodes, as it is stored, with its subject', async () => {
    const variables = { conversationId }
    const streams = [
      await ada.subscribe(ActionMessagesDocument, variables),
      await bo.subscribe(ActionMessagesDocument, variables),
      await host.subscribe(ActionMessagesDocument, variables),
    ]
    const next = () => Promise.all(streams.map(async (stream) => (await stream.next()).messageAdded))
    const { dispute, message } = await createDispute(ada, { conversationId })
    expect(await next()).toEqual([message, message, message])
    const moved = await moveDispute(host, dispute.id, 'RESOLVED', { resolution: 'Paid back' })
    expect(await next()).toEqual([moved.message, moved.message, moved.message])
    const { payment, message: initiated } = await initiatePayment(ada, { conversationId, payeeId: boId })
    expect(await next()).toEqual([initiated, initiated, initiated])
    const made = await movePayment(host, payment.id, 'SUCCEEDED')
    expect(await next()).toEqual([made.message, made.message, made.message])
    const { message: posted } = await postJobUpdate(bo, { conversationId })
    expect(await next()).toEqual([posted, posted, posted])
    expect((await historyOf(cy, conversationId)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    for (const stream of streams) stream.stop()
  })

  test('it comes again to whoever resumes, as it is now', async () => {
    const { dispute, message } = await createDispute(ada, { conversationId })
    const second = await moveDispute(host, dispute.id, 'UNDER_REVIEW')
    const stream = await bo.subscribe(ActionMessagesDocument, { conversationId, after: message.cursor })
    expect((await stream.next()).messageAdded).toEqual(second.message)
    stream.stop()
  })

  test('what fails, and what is done a second time, comes to nobody', async () => {
    const { dispute, message } = await createDispute(ada, { conversationId, idempotencyKey: 'key' })
    const stream = await bo.subscribe(ActionMessagesDocument, { conversationId })
    await whileFailing(scene, 'UPDATE ON idempotency_keys', async () => {
      const input = { conversationId, reason: 'reason', idempotencyKey: 'another' }
      expect((await ada.execute(CreateDisputeDocument, { input })).errors).toHaveLength(1)
    })
    expect(await createDispute(ada, { conversationId, idempotencyKey: 'key' })).toMatchObject({
      message: { id: message.id },
    })
    const input = { disputeId: dispute.id, status: 'OPEN' } as const
    expect((await host.execute(UpdateDisputeStatusDocument, { input })).errors).toHaveLength(1)
    const after = await postJobUpdate(ada, { conversationId })
    expect((await stream.next()).messageAdded).toEqual(after.message)
    stream.stop()
  })
})

describe('they are seen', () => {
  test('by participants and services, as nodes and in connections', async () => {
    const { dispute, payment, jobUpdate, ids } = await oneOfEach()
    for (const client of [ada, bo, host]) {
      expect(await nodesOf(client, ids)).toEqual([
        { __typename: 'Dispute', ...dispute },
        { __typename: 'Payment', ...payment },
        { __typename: 'JobUpdate', ...jobUpdate },
      ])
      expect(await connectionsOf(client)).toEqual(ids.map((id) => [id]))
    }
  })

  test('by nobody else', async () => {
    const { ids } = await oneOfEach()
    expect(await nodesOf(second.as('di'), ids)).toEqual([null, null, null])
    expect(await connectionsOf(second.as('di'))).toEqual([null, null, null])
  })

  test('no more after removal or leaving', async () => {
    const { ids } = await oneOfEach()
    await ada.run(RemoveParticipantDocument, { input: { conversationId, userId: boId } })
    await cy.run(LeaveConversationDocument, { input: { conversationId } })
    for (const client of [bo, cy]) {
      expect(await nodesOf(client, ids)).toEqual([null, null, null])
      expect(await connectionsOf(client)).toEqual([null, null, null])
    }
    // Of the one who has left it still tells who was to be paid.
    expect((await nodesOf(ada, ids))[1]).toMatchObject({ payee: { externalId: 'bo' } })
  })

  test('by services alone once the conversation is deleted', async () => {
    const { ids } = await oneOfEach()
    await ada.run(DeleteConversationDocument, { input: { conversationId } })
    expect(await nodesOf(ada, ids)).toEqual([null, null, null])
    const [row] = await scene.sql(
      'SELECT count(*)::int FROM disputes d JOIN conversations c ON c.id = d.conversation_id WHERE c.deleted_at IS NOT NULL',
    )
    expect(row!.count).toBe(1)
  })

  describe('by whoever came to the group later', () => {
    const add = (withHistory: boolean) =>
      ada.run(AddParticipantsDocument, { input: { conversationId, externalIds: ['di'], withHistory } })

    test('from then on, by every way', async () => {
      const earlier = await oneOfEach()
      await add(false)
      const di = second.as('di')
      const later = await oneOfEach()
      await moveDispute(host, earlier.dispute.id, 'UNDER_REVIEW')
      expect(await nodesOf(di, earlier.ids)).toEqual([null, null, null])
      expect((await nodesOf(di, later.ids)).map((node) => node?.id)).toEqual(later.ids)
      expect(await connectionsOf(di)).toEqual(later.ids.map((id) => [id]))
      expect(await connectionsOf(ada)).toEqual(later.ids.map((id, index) => [earlier.ids[index], id]))
      const history = await historyOf(di, conversationId)
      expect(history.map(({ seq }) => seq)).toEqual([4, 5, 6, 7])
      // News of an earlier one can be read, and tells no more than it says.
      expect(history.map(({ subject }) => subject?.id ?? null)).toEqual([...later.ids, null])
      expect(history.at(-1)!.body).toBe('Dispute under review')
    })

    test('from the beginning with the history', async () => {
      const { ids } = await oneOfEach()
      await add(true)
      expect((await nodesOf(second.as('di'), ids)).map((node) => node?.id)).toEqual(ids)
      expect(await connectionsOf(second.as('di'))).toEqual(ids.map((id) => [id]))
    })

    test('also whoever had been there before', async () => {
      const { dispute } = await createDispute(bo, { conversationId, idempotencyKey: 'key' })
      await bo.run(LeaveConversationDocument, { input: { conversationId } })
      await ada.run(AddParticipantsDocument, { input: { conversationId, externalIds: ['bo'] } })
      expect(await nodesOf(bo, [dispute.id])).toEqual([null])
      const withdraw = { disputeId: dispute.id, status: 'WITHDRAWN' } as const
      await expectRefused(scene, bo, UpdateDisputeStatusDocument, withdraw, { code: 'NOT_FOUND', field: 'disputeId' })
      const again = { conversationId, reason: 'Not as agreed', idempotencyKey: 'key' }
      await expectRefused(scene, bo, CreateDisputeDocument, again, { code: 'CONFLICT', field: 'idempotencyKey' })
    })
  })
})

describe('the connections', () => {
  test.each([1, 2, 3, 100])('go in pages of %d, oldest first', async (first) => {
    const made: Record<'disputes' | 'payments' | 'jobUpdates', string[]> = {
      disputes: [],
      payments: [],
      jobUpdates: [],
    }
    for (let number = 0; number < 5; number++) {
      const { ids } = await oneOfEach()
      made.disputes.push(ids[0]!)
      made.payments.push(ids[1]!)
      made.jobUpdates.push(ids[2]!)
    }
    const pages = {
      disputes: async (after: string | null) =>
        (await bo.run(DisputesDocument, { id: conversationId, first, after })).conversation!.disputes,
      payments: async (after: string | null) =>
        (await bo.run(PaymentsDocument, { id: conversationId, first, after })).conversation!.payments,
      jobUpdates: async (after: string | null) =>
        (await bo.run(JobUpdatesDocument, { id: conversationId, first, after })).conversation!.jobUpdates,
    }
    for (const name of ['disputes', 'payments', 'jobUpdates'] as const) {
      const found: string[] = []
      let after: string | null = null
      for (let more = true; more; ) {
        const { edges, pageInfo }: Awaited<ReturnType<(typeof pages)[typeof name]>> = await pages[name](after)
        expect(pageInfo.hasPreviousPage).toBe(after !== null)
        expect([pageInfo.startCursor, pageInfo.endCursor]).toEqual([edges[0]!.cursor, edges.at(-1)!.cursor])
        found.push(...edges.map(({ node }) => node.id))
        more = pageInfo.hasNextPage
        after = pageInfo.endCursor!
      }
      expect(found).toEqual(made[name])
    }
  })

  test('go by the order of the messages, not by the clocks of those who stored them', async () => {
    const first = await createDispute(ada, { conversationId })
    const second = await createDispute(bo, { conversationId })
    // As if the first one's node had been an age ahead.
    const late = 'ffffffff-0000-7000-8000-000000000000'
    await scene.sql('UPDATE disputes SET id = $2 WHERE id = $1', [uuidOf(first.dispute.id), late])
    await scene.sql('UPDATE messages SET subject_id = $2 WHERE subject_id = $1', [uuidOf(first.dispute.id), late])
    const page = async (after?: string) => {
      const { conversation } = await ada.run(DisputesDocument, { id: conversationId, first: 1, after })
      return conversation!.disputes
    }
    const start = await page()
    expect(uuidOf(start.edges[0]!.node.id)).toBe(late)
    expect((await page(start.pageInfo.endCursor!)).edges.map(({ node }) => node.id)).toEqual([second.dispute.id])
  })

  test('are empty where there is nothing', async () => {
    expect(await connectionsOf(bo)).toEqual([[], [], []])
  })

  test('refuse a cursor of another conversation, or of nothing, and sizes out of bounds', async () => {
    await oneOfEach()
    const { conversation } = await ada.run(DisputesDocument, { id: conversationId })
    const foreign = conversation!.disputes.edges[0]!.cursor
    const id = await createGroup(ada, 'bo', 'cy')
    for (const [variables, field] of [
      [{ id, after: foreign }, 'after'],
      [{ id, after: 'x' }, 'after'],
      [{ id, first: 0 }, 'first'],
      [{ id, first: 101 }, 'first'],
    ] as const) {
      for (const document of [DisputesDocument, PaymentsDocument as unknown as typeof DisputesDocument]) {
        expect(refusalIn(await ada.execute(document, variables))).toEqual({ code: 'BAD_USER_INPUT', field })
      }
    }
  })
})
