import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { EVENT_TYPES } from '../../src/features/webhooks/event-types.ts'
import { ask, block, remove, respond, unblock } from '../features/contacts/support.ts'
import { add, createGroup, leave } from '../features/groups.ts'
import { send, startDirect, usersOf, uuidOf } from '../features/support.ts'
import {
  CloseConversationDocument,
  CreateDisputeDocument,
  CreateGroupConversationDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  InitiatePaymentDocument,
  MarkReadDocument,
  PostJobUpdateDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  UpdateConversationDocument,
  UpdateDisputeStatusDocument,
  UpdatePaymentStatusDocument,
  UserDocument,
} from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'
import { listen, startWebhookScene, type WebhookScene } from './support.ts'

// Which events there are, when they come, and what they say.

let scene: WebhookScene
let host: TestClient
let ada: TestClient
let bo: TestClient
let cy: TestClient
/** Users' ids. */
let ids: Record<'ada' | 'bo' | 'cy', string>
/** Of ada and bo. */
let id: string
/** The types that came since the file began. */
const seen = new Set<string>()

beforeAll(async () => {
  scene = await startWebhookScene()
  host = scene.asService()
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
  const idOf = async (externalId: string) => (await ada.run(UserDocument, { externalId })).user!.id
  ids = { ada: await idOf('ada'), bo: await idOf('bo'), cy: await idOf('cy') }
  id = await startDirect(ada, 'bo')
  await listen(scene, `${scene.receiver.url}/all`, Object.keys(EVENT_TYPES))
})
afterAll(() => scene.close())
afterEach(() => {
  scene.receiver.received.length = 0
})

/** All that comes of something, by type and data. What was written with it in the outbox says how much that is. */
async function eventsOf(work: () => Promise<unknown>): Promise<{ type: string; data: Record<string, unknown> }[]> {
  await work()
  const [written] = await scene.sql('SELECT count(*)::int FROM webhook_deliveries')
  const received = [...(await scene.receiver.until((all) => all.length === written!.count))]
  await scene.sql('DELETE FROM webhook_deliveries')
  scene.receiver.received.length = 0
  for (const { body } of received) seen.add(body.type)
  return received.map(({ body: { type, data } }) => ({ type, data: { ...data } }))
}

const typesOf = (events: { type: string }[]) => events.map(({ type }) => type)
const user = (name: 'ada' | 'bo' | 'cy') => ({ id: ids[name], externalId: name })

test('messages', async () => {
  const events = await eventsOf(async () => {
    const { id: messageId } = await send(ada, id, 'hello')
    await send(bo, id, 'an answer', { replyToId: messageId })
    await ada.run(EditMessageDocument, { input: { messageId, body: 'hello, Bo' } })
    await ada.run(EditMessageDocument, { input: { messageId, body: 'hello, Bo' } })
    await ada.run(DeleteMessageDocument, { input: { messageId } })
    await ada.run(DeleteMessageDocument, { input: { messageId } })
  })
  expect(typesOf(events)).toEqual(['message.added', 'message.added', 'message.edited', 'message.deleted'])
  const [added, answer, , deleted] = events
  expect(answer!.data).toMatchObject({
    conversationId: id,
    message: { sender: user('bo'), body: 'an answer', replyToId: added!.data.messageId },
  })
  expect(deleted!.data).toMatchObject({
    messageId: added!.data.messageId,
    message: { sender: user('ada'), body: null, deletedAt: expect.any(String) },
  })
})

test('a conversation, from its beginning to its end', async () => {
  let group = ''
  const events = await eventsOf(async () => {
    group = await createGroup(ada, 'bo', 'cy')
    await ada.run(UpdateConversationDocument, { input: { conversationId: group, title: 'Another', tags: ['a'] } })
    await ada.run(UpdateConversationDocument, { input: { conversationId: group, title: 'Another' } })
    await ada.run(CloseConversationDocument, { input: { conversationId: group } })
    await ada.run(ReopenConversationDocument, { input: { conversationId: group } })
    // Nobody else's business.
    await ada.run(SetConversationStateDocument, { input: { conversationId: group, isPinned: true } })
    await ada.run(MarkReadDocument, { input: { conversationId: group } })
  })
  expect(typesOf(events)).toEqual([
    'conversation.created',
    'conversation.updated',
    'conversation.closed',
    'conversation.reopened',
  ])
  expect(events.at(-1)!.data).toEqual({
    conversationId: group,
    conversation: {
      id: group,
      kind: 'GROUP',
      subjectId: null,
      title: 'Another',
      summary: null,
      keyTopics: [],
      tags: ['a'],
      metadata: {},
      closedAt: null,
      createdAt: expect.any(String),
      updatedAt: expect.any(String),
    },
  })
  const [deleted, ...more] = await eventsOf(() =>
    ada.run(DeleteConversationDocument, { input: { conversationId: group } }),
  )
  expect(deleted).toEqual({ type: 'conversation.deleted', data: { conversationId: group, conversation: null } })
  expect(more).toEqual([])
})

test('participants who come, go, and change their roles; not those who are there from the beginning', async () => {
  let group = ''
  const events = await eventsOf(async () => {
    group = await createGroup(ada, 'bo', 'cy')
    const role = (userId: string, to: 'ADMIN') =>
      ada.run(SetParticipantRoleDocument, { input: { conversationId: group, userId, role: to } })
    await role(ids.bo, 'ADMIN')
    await ada.run(RemoveParticipantDocument, { input: { conversationId: group, userId: ids.cy } })
    await leave(bo, group)
    await add(ada, group, ['bo', 'cy'])
  })
  expect(typesOf(events)).toEqual([
    'conversation.created',
    'participant.role_changed',
    'participant.removed',
    'participant.left',
    'participant.joined',
    'participant.joined',
  ])
  expect(events.slice(1).map(({ data }) => data.user)).toEqual(
    expect.arrayContaining([user('bo'), user('cy'), user('bo'), user('bo'), user('cy')]),
  )
  const participant = { id: expect.any(String), role: 'MEMBER', joinedAt: expect.any(String) }
  expect(events.at(-1)!.data).toMatchObject({ conversationId: group, participant })
  const [left] = await eventsOf(() => leave(cy, group))
  expect(left).toEqual({
    type: 'participant.left',
    data: { conversationId: group, user: user('cy'), participant: null },
  })
})

test('disputes, payments and job updates: one event each, though there is a message too', async () => {
  const events = await eventsOf(async () => {
    const { createDispute } = await ada.run(CreateDisputeDocument, { input: { conversationId: id, reason: 'late' } })
    const disputeId = createDispute!.dispute.id
    await host.run(UpdateDisputeStatusDocument, { input: { disputeId, status: 'RESOLVED', resolution: 'refunded' } })
    const { initiatePayment } = await ada.run(InitiatePaymentDocument, {
      input: { conversationId: id, payeeId: ids.bo, amount: 1250, currency: 'EUR' },
    })
    const paymentId = initiatePayment!.payment.id
    await host.run(UpdatePaymentStatusDocument, { input: { paymentId, status: 'SUCCEEDED', providerReference: 'p1' } })
    await host.run(PostJobUpdateDocument, { input: { conversationId: id, status: 'done', note: 'at last' } })
  })
  expect(typesOf(events)).toEqual([
    'dispute.created',
    'dispute.updated',
    'payment.created',
    'payment.updated',
    'job_update.created',
  ])
  const [, dispute, , payment, jobUpdate] = events.map(({ data }) => data)
  expect(dispute).toMatchObject({
    conversationId: id,
    messageId: expect.any(String),
    message: { kind: 'DISPUTE', sender: null },
    dispute: { openedBy: user('ada'), reason: 'late', status: 'RESOLVED', resolution: 'refunded' },
  })
  expect((dispute!.message as { subjectId: string }).subjectId).toBe((dispute!.dispute as { id: string }).id)
  const status = { status: 'SUCCEEDED', providerReference: 'p1' }
  expect(payment).toMatchObject({
    payment: { payer: user('ada'), payee: user('bo'), amount: 1250, currency: 'EUR', ...status },
  })
  expect(jobUpdate).toMatchObject({ jobUpdate: { postedBy: null, status: 'done', note: 'at last' } })
})

test('contacts; not those that are hidden from whom they are asked of', async () => {
  const events = await eventsOf(async () => {
    const asked = await ask(ada, 'bo')
    await respond(bo, asked.id, true)
    await remove(bo, asked.id)
    const again = await ask(ada, 'bo')
    await respond(bo, again.id, false)
  })
  expect(typesOf(events)).toEqual([
    'contact.requested',
    'contact.accepted',
    'contact.removed',
    'contact.requested',
    'contact.declined',
  ])
  expect(events.at(-1)!.data).toEqual({
    contactId: expect.any(String),
    requester: user('ada'),
    addressee: user('bo'),
    contact: { status: 'DECLINED', createdAt: expect.any(String), respondedAt: expect.any(String) },
  })
  const hidden = await eventsOf(async () => {
    await block(bo, ids.cy)
    await ask(cy, 'bo')
  })
  expect(hidden).toEqual([])
  const shown = await eventsOf(async () => {
    await unblock(bo, ids.cy)
    await ask(cy, 'bo')
  })
  expect(typesOf(shown)).toEqual(['contact.requested'])
})

test('every type has come', () => {
  expect([...seen].sort()).toEqual(Object.keys(EVENT_TYPES).sort())
})

test('an endpoint is told of an action once, as what it wants: the action, or else the message', async () => {
  await scene.sql('DELETE FROM webhook_endpoints')
  const wants = { both: ['message.added', 'dispute.created'], action: ['dispute.created'], message: ['message.added'] }
  for (const [name, types] of Object.entries(wants)) await listen(scene, `${scene.receiver.url}/${name}`, types)
  await listen(scene, `${scene.receiver.url}/none`, ['contact.removed'])
  await ada.run(CreateDisputeDocument, { input: { conversationId: id, reason: 'again' } })
  await scene.receiver.until((all) => all.length === 3)
  const rows = await scene.sql(
    `SELECT substring(e.url from '[a-z]+$') AS name, d.event_type FROM webhook_deliveries d
       JOIN webhook_endpoints e ON e.id = d.endpoint_id ORDER BY 1`,
  )
  expect(rows).toEqual([
    { name: 'action', event_type: 'dispute.created' },
    { name: 'both', event_type: 'dispute.created' },
    { name: 'message', event_type: 'message.added' },
  ])
})

test('what is imported makes no event, and what is rolled back none either', async () => {
  await scene.sql('DELETE FROM webhook_endpoints')
  await listen(scene, `${scene.receiver.url}/all`, Object.keys(EVENT_TYPES))
  const imported = randomUUID()
  await scene.sql(
    `INSERT INTO conversations (id, kind, version, details_version, xid, last_seq) VALUES ($1, 'GENERAL', 3, 1, NULL, 1)`,
    [imported],
  )
  await scene.sql(
    `INSERT INTO participants (conversation_id, user_id, version, joined_version, xid, state_xid)
          VALUES ($1, $2, 2, 2, NULL, NULL)`,
    [imported, uuidOf(ids.ada)],
  )
  await scene.sql(`INSERT INTO messages (conversation_id, seq, version, body, xid) VALUES ($1, 1, 3, 'old', NULL)`, [
    imported,
  ])
  const refused = await ada.execute(CreateGroupConversationDocument, {
    input: { title: 'x', participantExternalIds: ['bo', 'nobody'] },
  })
  expect(refused.errors).toHaveLength(1)
  await scene.sql('BEGIN')
  await scene.sql(`SELECT send_message($1, NULL, 'TEXT', 'x', '{}', NULL, NULL, NULL, NULL, false, false, false)`, [
    uuidOf(id),
  ])
  expect(await scene.sql('SELECT event_type FROM webhook_deliveries')).toHaveLength(1)
  await scene.sql('ROLLBACK')
  expect(await scene.sql('SELECT event_type FROM webhook_deliveries')).toEqual([])
})
