import { type GraphQLInputType, getNamedType, isInputObjectType, isListType, isNonNullType } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { idsIn } from '../../../src/features/audit/service.ts'
import { schema } from '../../../src/schema/index.ts'
import {
  AuditEntriesDocument,
  type AuditEntriesQuery,
  type AuditEntriesQueryVariables,
  BlockUserDocument,
  CreateDisputeDocument,
  CreateGroupConversationDocument,
  SendMessageDocument,
  UpdateDisputeStatusDocument,
  UpsertUsersDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createGroup, insertUsers, userId } from '../conversations/support.ts'
import { missingConversation, refusalIn, type Scene, send, startDirect, startScene } from '../support.ts'

let scene: Scene
let host: TestClient
const statements: string[] = []

beforeAll(async () => {
  scene = await startScene({ env: { RATE_LIMIT: '0' }, overrides: { onStatement: (sql) => statements.push(sql) } })
  await insertUsers(scene, ['ada', 'bo', 'cy'])
  host = scene.asService()
})
afterAll(() => scene.close())
beforeEach(async () => {
  await scene.sql('DELETE FROM audit_entries')
})

/** The audit log, newest first. */
async function entries(variables: AuditEntriesQueryVariables = {}) {
  const { auditEntries } = await host.run(AuditEntriesDocument, variables)
  return auditEntries!.edges.map(({ node }) => node)
}

test('what a service does for itself and for a user is noted: who, what, when', async () => {
  const conversationId = await startDirect(scene.asService('ada'), 'bo')
  await send(host, conversationId, 'from the host')
  const [ours, forAda] = await entries()
  expect(ours).toEqual({
    at: expect.stringMatching(/Z$/),
    service: 'host',
    actedFor: null,
    operation: 'sendMessage',
    subject: { conversationId },
  })
  expect(forAda).toMatchObject({
    service: 'host',
    actedFor: { externalId: 'ada' },
    operation: 'startDirectConversation',
    subject: { externalId: 'bo' },
  })
})

test('ids are noted by their names, and nothing else of what was said', async () => {
  const conversationId = await createGroup(scene.as('ada'), 'bo', 'cy')
  const input = { conversationId, body: 'SECRET', metadata: { userId: 'SECRET' }, idempotencyKey: 'SECRET' }
  await scene.asService('ada').run(SendMessageDocument, { input })
  const created = await host.run(CreateDisputeDocument, {
    input: { conversationId, reason: 'SECRET', description: 'SECRET' },
  })
  const disputeId = created.createDispute!.dispute.id
  await host.run(UpdateDisputeStatusDocument, { input: { disputeId, status: 'RESOLVED', resolution: 'SECRET' } })
  const users = [{ externalId: 'new 1', displayName: 'SECRET', email: 'SECRET@example.com' }, { externalId: 'new 2' }]
  await host.run(UpsertUsersDocument, { input: { users } })
  const group = { title: 'SECRET', participantExternalIds: ['bo', 'cy'], metadata: { note: 'SECRET' } }
  await scene.asService('ada').run(CreateGroupConversationDocument, { input: group })
  await scene.asService('cy').run(BlockUserDocument, { input: { userId: await userId(scene, 'bo') } })
  const noted = await entries()
  expect(noted.map(({ operation, subject }) => ({ operation, subject })).reverse()).toEqual([
    { operation: 'sendMessage', subject: { conversationId } },
    { operation: 'createDispute', subject: { conversationId } },
    { operation: 'updateDisputeStatus', subject: { disputeId } },
    { operation: 'upsertUsers', subject: { externalId: ['new 1', 'new 2'] } },
    { operation: 'createGroupConversation', subject: { participantExternalIds: ['bo', 'cy'] } },
    { operation: 'blockUser', subject: { userId: await userId(scene, 'bo') } },
  ])
  expect(JSON.stringify(await scene.sql('SELECT * FROM audit_entries'))).not.toContain('SECRET')
})

test('several in one request are noted each', async () => {
  const conversationId = await createGroup(scene.as('ada'), 'bo', 'cy')
  const response = await fetch(`${scene.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await host.token}` },
    body: JSON.stringify({
      query: `mutation ($id: ID!) {
        one: sendMessage(input: { conversationId: $id, body: "1" }) { deduplicated }
        two: sendMessage(input: { conversationId: $id, body: "2" }) { deduplicated }
      }`,
      variables: { id: conversationId },
    }),
  })
  expect(((await response.json()) as { errors?: unknown }).errors).toBeUndefined()
  expect((await entries()).map(({ operation }) => operation)).toEqual(['sendMessage', 'sendMessage'])
})

test('what is refused is noted as well', async () => {
  const input = { conversationId: missingConversation, body: 'hello' }
  expect(refusalIn(await host.execute(SendMessageDocument, { input }))).toMatchObject({ code: 'NOT_FOUND' })
  expect(await entries()).toMatchObject([
    { operation: 'sendMessage', subject: { conversationId: missingConversation } },
  ])
})

test('what users do with tokens of their own is not, nor what a service reads', async () => {
  const conversationId = await startDirect(scene.as('ada'), 'bo')
  await send(scene.as('ada'), conversationId, 'hello')
  await entries()
  expect(await scene.sql('SELECT * FROM audit_entries')).toEqual([])
})

test('what can’t be noted is not done', async () => {
  const conversationId = await startDirect(scene.as('ada'), 'bo')
  const messages = () => scene.sql('SELECT * FROM messages')
  const before = await messages()
  await scene.sql('ALTER TABLE audit_entries RENAME TO elsewhere')
  try {
    for (const client of [host, scene.asService('bo')]) {
      const answer = await client.execute(SendMessageDocument, { input: { conversationId, body: 'hello' } })
      expect(refusalIn(answer)).toEqual({ code: 'UNAVAILABLE' })
    }
    expect(await messages()).toEqual(before)
    await send(scene.as('bo'), conversationId, 'hello')
  } finally {
    await scene.sql('ALTER TABLE elsewhere RENAME TO audit_entries')
  }
  await send(host, conversationId, 'hello')
})

test('many at once cost few statements, and all are noted', async () => {
  const conversationId = await createGroup(scene.as('ada'), 'bo', 'cy')
  statements.length = 0
  await Promise.all(Array.from({ length: 200 }, (_, number) => send(host, conversationId, `${number}`)))
  const [row] = await scene.sql('SELECT count(*)::int AS count FROM audit_entries')
  expect(row!.count).toBe(200)
  const notes = statements.filter((sql) => /INSERT INTO audit_entries/.test(sql))
  expect(notes.length).toBeLessThan(200)
})

describe('ids are found', () => {
  test.each<[object, object]>([
    [
      { input: { conversationId: 'a', userIds: ['b', 'c'], externalIds: ['d'] } },
      { conversationId: 'a', userIds: ['b', 'c'], externalIds: 'd' },
    ],
    [{ input: { users: [{ externalId: 'a' }, { externalId: 'b' }] } }, { externalId: ['a', 'b'] }],
    [{ id: 'a' }, { id: 'a' }],
    [{ input: { endpointId: null, contactId: undefined } }, {}],
    [
      {
        input: { body: 'a', metadata: { id: 'b', deep: { userId: 'c' } }, idempotencyKey: 'd', providerReference: 'e' },
      },
      {},
    ],
    [{ input: { userId: 'a\0b' } }, {}],
    [{ input: { userId: '\ud800' } }, {}],
    [{ input: { userId: 'x'.repeat(256) } }, {}],
    [{ input: { mutedUntil: new Date(0), userId: 'a' } }, { userId: 'a' }],
  ])('in %j', (args, ids) => {
    expect(idsIn(args)).toEqual(ids)
  })

  test('no more than 1,000 of them', () => {
    const userIds = Array.from({ length: 100_000 }, (_, number) => `${number}`)
    expect((idsIn({ userIds }).userIds as string[]).length).toBe(1_000)
  })

  test('in no argument whose value is not one', () => {
    const names = new Set<string>()
    const visit = (name: string, type: GraphQLInputType) => {
      const named = getNamedType(type)
      if (isInputObjectType(named)) for (const field of Object.values(named.getFields())) visit(field.name, field.type)
      else if (
        Object.keys(idsIn({ [name]: isListType(isNonNullType(type) ? type.ofType : type) ? ['x'] : 'x' })).length
      )
        names.add(name)
    }
    for (const field of Object.values(schema.getMutationType()!.getFields())) {
      for (const arg of field.args) visit(arg.name, arg.type)
    }
    // A new one is to be looked at: is it an id, and nothing that somebody said?
    expect([...names].sort()).toMatchInlineSnapshot(`
      [
        "contactId",
        "conversationId",
        "deliveryId",
        "disputeId",
        "endpointId",
        "externalId",
        "externalIds",
        "messageId",
        "participantExternalIds",
        "participantIds",
        "payeeId",
        "paymentId",
        "replyToId",
        "subjectId",
        "userId",
        "userIds",
      ]
    `)
  })
})

describe('the log', () => {
  test('goes in pages from the newest on, of a user and an operation if asked for', async () => {
    const conversationId = await createGroup(scene.as('ada'), 'bo', 'cy')
    for (let number = 0; number < 3; number++) {
      await send(host, conversationId, 'hello')
      await send(scene.asService('ada'), conversationId, 'hello')
      await scene.asService('bo').run(BlockUserDocument, { input: { userId: await userId(scene, 'cy') } })
    }
    const all = await entries()
    expect(all.map(({ actedFor }) => actedFor?.externalId)).toEqual(
      Array.from({ length: 9 }, (_, index) => ['bo', 'ada', undefined][index % 3]),
    )
    const paged: typeof all = []
    for (let after: string | null | undefined = null; after !== undefined; ) {
      const { auditEntries }: AuditEntriesQuery = await host.run(AuditEntriesDocument, { first: 4, after })
      paged.push(...auditEntries!.edges.map(({ node }) => node))
      after = auditEntries!.pageInfo.hasNextPage ? auditEntries!.pageInfo.endCursor! : undefined
    }
    expect(paged).toEqual(all)
    const adaId = await userId(scene, 'ada')
    expect(await entries({ actedForId: adaId })).toEqual(all.filter(({ actedFor }) => actedFor?.externalId === 'ada'))
    expect(await entries({ operation: 'blockUser' })).toEqual(all.filter(({ operation }) => operation === 'blockUser'))
    expect(await entries({ actedForId: adaId, operation: 'blockUser' })).toEqual([])
    const { auditEntries } = await host.run(AuditEntriesDocument, { operation: 'sendMessage', first: 1 })
    const rest = await entries({ operation: 'sendMessage', after: auditEntries!.pageInfo.endCursor! })
    expect(rest).toEqual(all.filter(({ operation }) => operation === 'sendMessage').slice(1))
  })

  test('is for services that act for nobody', async () => {
    for (const client of [scene.as('ada'), scene.asService('ada')]) {
      expect(refusalIn(await client.execute(AuditEntriesDocument))).toEqual({ code: 'FORBIDDEN' })
    }
  })

  test.each([
    [{ first: 0 }, 'first'],
    [{ after: 'x' }, 'after'],
    [{ after: `a.${'9'.repeat(19)}` }, 'after'],
    [{ actedForId: 'x' }, 'actedForId'],
    [{ actedForId: missingConversation }, 'actedForId'],
  ])('is refused with %j', async (variables, field) => {
    expect(refusalIn(await host.execute(AuditEntriesDocument, variables))).toEqual({ code: 'BAD_USER_INPUT', field })
  })

  test('has nothing of a name that can be none', async () => {
    expect(refusalIn(await host.execute(AuditEntriesDocument, { operation: 'a\0b' }))).toMatchObject({
      field: 'operation',
    })
  })
})
