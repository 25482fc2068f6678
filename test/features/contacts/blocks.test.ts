import type { ExecutionResult } from 'graphql'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  BlockedUsersDocument,
  type BlockedUsersQuery,
  BlockUserDocument,
  ContactUpdatedDocument,
  ConversationDocument,
  CreateDisputeDocument,
  DeactivateUserDocument,
  EditMessageDocument,
  MarkReadDocument,
  MessageAddedDocument,
  ReadReceiptDocument,
  SendMessageDocument,
  SetTypingDocument,
  StartDirectConversationDocument,
  TypingDocument,
  UnblockUserDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createGroup, insertUsers, userId } from '../conversations/support.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, send, startDirect, uuidOf } from '../support.ts'
import { ask, befriend, block, remove, respond, startUnlimited, unblock } from './support.ts'

let scene: Scene
let count = 0
let names: { ada: string; bo: string; cy: string }
let ids: { ada: string; bo: string; cy: string }
let ada: TestClient
let bo: TestClient

beforeAll(async () => {
  scene = await startUnlimited()
})
afterAll(() => scene.close())
beforeEach(async () => {
  count++
  names = { ada: `ada ${count}`, bo: `bo ${count}`, cy: `cy ${count}` }
  await insertUsers(scene, Object.values(names))
  ids = { ada: await userId(scene, names.ada), bo: await userId(scene, names.bo), cy: await userId(scene, names.cy) }
  ;[ada, bo] = [scene.as(names.ada), scene.as(names.bo)]
})

const blockedBy = async (client: TestClient) => {
  const { blockedUsers } = await client.run(BlockedUsersDocument)
  return blockedUsers!.edges.map(({ node }) => node.externalId)
}

const bothMutations = [BlockUserDocument, UnblockUserDocument as unknown as typeof BlockUserDocument]

/** Code, field and words of a refusal: all that it tells. */
function refusal({ data, errors }: ExecutionResult<object>) {
  expect(Object.values(data ?? {})).toEqual([null])
  expect(errors).toHaveLength(1)
  const { message, extensions } = errors![0]!
  return { message, ...extensions }
}
const TAKES_NONE = { message: 'This user takes no messages.', code: 'FORBIDDEN' }

test('a block is noted once, and ended', async () => {
  for (let time = 0; time < 2; time++) {
    const { blockUser } = await ada.run(BlockUserDocument, { input: { userId: ids.bo } })
    expect(blockUser!.user.externalId).toBe(names.bo)
  }
  expect(await blockedBy(ada)).toEqual([names.bo])
  expect(await blockedBy(bo)).toEqual([])
  for (let time = 0; time < 2; time++) {
    const { unblockUser } = await ada.run(UnblockUserDocument, { input: { userId: ids.bo } })
    expect(unblockUser!.user.externalId).toBe(names.bo)
  }
  expect(await blockedBy(ada)).toEqual([])
})

test('ending one’s own block leaves that of the other', async () => {
  await block(ada, ids.bo)
  await block(bo, ids.ada)
  await unblock(ada, ids.bo)
  expect(await blockedBy(bo)).toEqual([names.ada])
  const input = { externalId: names.bo }
  expect(refusal(await ada.execute(StartDirectConversationDocument, { input }))).toMatchObject(TAKES_NONE)
})

describe('the list of the blocked', () => {
  test('goes in pages from the newest on', async () => {
    const others = Array.from({ length: 5 }, (_, number) => `${names.ada} dislikes ${number}`)
    await insertUsers(scene, others)
    for (const name of others) await block(ada, await userId(scene, name))
    const paged: string[] = []
    for (let after: string | null | undefined = null; after !== undefined; ) {
      const { blockedUsers }: BlockedUsersQuery = await ada.run(BlockedUsersDocument, { first: 2, after })
      paged.push(...blockedUsers!.edges.map(({ node }) => node.externalId))
      after = blockedUsers!.pageInfo.hasNextPage ? blockedUsers!.pageInfo.endCursor! : undefined
    }
    expect([...paged].sort()).toEqual([...others].sort())
    expect(paged).toEqual(await blockedBy(ada))
    await scene.sql(
      `UPDATE blocks b SET created_at = '2026-01-01'::timestamptz + right(u.external_id, 1)::int * interval '1 s'
         FROM users u WHERE u.id = b.blocked_id AND b.blocker_id = $1`,
      [uuidOf(ids.ada)],
    )
    expect(await blockedBy(ada)).toEqual([...others].reverse())
  })

  test.each([
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ after: 'x' }, 'after'],
  ])('is refused with %j', async (variables, field) => {
    expect(refusalIn(await ada.execute(BlockedUsersDocument, variables))).toEqual({ code: 'BAD_USER_INPUT', field })
  })
})

describe('is refused', () => {
  test.each<[string, () => string, string]>([
    ['oneself', () => ids.ada, 'BAD_USER_INPUT'],
    ['an unknown user', () => encodeId('User', crypto.randomUUID()), 'NOT_FOUND'],
    ['an id of another type', () => missingConversation, 'BAD_USER_INPUT'],
    ...GARBAGE.map(
      (garbage) => [garbage.slice(0, 20), () => garbage, 'BAD_USER_INPUT'] as [string, () => string, string],
    ),
  ])('blocking or unblocking %j', async (_what, whom, code) => {
    const input = { userId: whom() }
    for (const document of bothMutations) {
      expect(refusalIn(await ada.execute(document, { input }))).toEqual({ code, field: 'userId' })
    }
    expect(await blockedBy(ada)).toEqual([])
  })

  test('to a service that acts for nobody', async () => {
    const input = { userId: ids.bo }
    for (const document of bothMutations) {
      expect(refusalIn(await scene.asService().execute(document, { input }))).toEqual({ code: 'FORBIDDEN' })
    }
    expect(refusalIn(await scene.asService().execute(BlockedUsersDocument))).toEqual({ code: 'FORBIDDEN' })
  })
})

describe.each([
  ['the blocker', 'ada', 'bo'],
  ['the blocked one', 'bo', 'ada'],
] as const)('to %s', (_who, me, other) => {
  let client: TestClient
  beforeEach(() => {
    client = scene.as(names[me])
  })

  test('a new direct conversation is refused, named either way', async () => {
    await block(ada, ids.bo)
    const refused = async (input: { externalId: string } | { userId: string }) =>
      refusal(await client.execute(StartDirectConversationDocument, { input }))
    expect(await refused({ externalId: names[other] })).toEqual({ ...TAKES_NONE, field: 'externalId' })
    expect(await refused({ userId: ids[other] })).toEqual({ ...TAKES_NONE, field: 'userId' })
    await unblock(ada, ids.bo)
    await startDirect(client, names[other])
  })

  test('the conversation stays, to be read and not written to', async () => {
    const conversationId = await startDirect(ada, names.bo)
    const sent = await send(client, conversationId, 'before')
    await block(ada, ids.bo)
    expect(await startDirect(client, names[other])).toBe(conversationId)
    const { conversation } = await client.run(ConversationDocument, { id: conversationId })
    expect(conversation!.lastSeq).toBe(sent.seq)
    await client.run(MarkReadDocument, { input: { conversationId } })
    const field = 'conversationId'
    for (const answer of [
      await client.execute(SendMessageDocument, { input: { conversationId, body: 'hello' } }),
      await client.execute(SetTypingDocument, { input: { conversationId, isTyping: true } }),
      await client.execute(SetTypingDocument, { input: { conversationId, isTyping: false } }),
      await client.execute(CreateDisputeDocument, { input: { conversationId, reason: 'reason' } }),
    ]) {
      expect(refusal(answer)).toEqual({ ...TAKES_NONE, field })
    }
    await unblock(ada, ids.bo)
    await client.run(SetTypingDocument, { input: { conversationId, isTyping: true } })
    expect((await send(client, conversationId, 'after')).seq).toBe(sent.seq + 1)
  })

  test('it answers as a deactivated user does', async () => {
    const blockedId = await startDirect(client, names[other])
    const goneId = await startDirect(client, names.cy)
    await block(ada, ids.bo)
    await scene.asService().run(DeactivateUserDocument, { input: { externalId: names.cy } })
    const answers = async (conversationId: string, externalId: string) => [
      refusal(await client.execute(SendMessageDocument, { input: { conversationId, body: 'hello' } })),
      refusal(await client.execute(SetTypingDocument, { input: { conversationId, isTyping: true } })),
      (await startDirect(client, externalId)) === conversationId,
    ]
    expect(await answers(blockedId, names[other])).toEqual(await answers(goneId, names.cy))
  })

  test('a message that was sent before is answered the same, sent again', async () => {
    const conversationId = await startDirect(ada, names.bo)
    const sent = await send(client, conversationId, 'before', { idempotencyKey: 'key' })
    await block(ada, ids.bo)
    const input = { conversationId, body: 'before', idempotencyKey: 'key' }
    const { sendMessage } = await client.run(SendMessageDocument, { input })
    expect(sendMessage).toMatchObject({ deduplicated: true, message: { id: sent.id } })
  })

  test('what is in groups goes on, and what it says of others', async () => {
    const groupId = await createGroup(ada, names.bo, names.cy)
    const withCy = await startDirect(client, names.cy)
    await block(ada, ids.bo)
    const stream = await scene.as(names[other]).subscribe(MessageAddedDocument, { conversationId: groupId })
    await send(client, groupId, 'to all')
    expect((await stream.next()).messageAdded.body).toBe('to all')
    await client.run(SetTypingDocument, { input: { conversationId: groupId, isTyping: true } })
    await send(client, withCy, 'to Cy')
    stream.stop()
  })
})

test('the blocked one is told nothing', async () => {
  const conversationId = await startDirect(ada, names.bo)
  const message = await send(bo, conversationId, 'hello')
  const variables = { conversationId }
  const streams = [
    await bo.subscribe(MessageAddedDocument, variables),
    await bo.subscribe(ReadReceiptDocument, variables),
    await bo.subscribe(TypingDocument, variables),
    await bo.subscribe(ContactUpdatedDocument),
  ]
  const before = await bo.run(ConversationDocument, { id: conversationId })
  await block(ada, ids.bo)
  const { conversation } = await bo.run(ConversationDocument, { id: conversationId })
  expect({ conversation }).toEqual(before)
  await bo.run(EditMessageDocument, { input: { messageId: message.id, body: 'changed' } })
  await unblock(ada, ids.bo)
  const sent = await send(ada, conversationId, 'first')
  expect((await streams[0]!.next()) as object).toMatchObject({ messageAdded: { id: sent.id } })
  for (const stream of streams.slice(2)) expect(stream.waiting()).toEqual([])
  for (const stream of streams) stream.stop()
})

describe('a change waits', () => {
  let other: pg.Client
  beforeAll(async () => {
    other = new pg.Client(scene.databaseUrl)
    await other.connect()
  })
  afterAll(() => other.end())

  /** That a request is answered only after a lock that somebody else holds was given back. */
  async function expectWaits(request: () => Promise<unknown>, lock: string, values: unknown[]) {
    await other.query('BEGIN')
    await other.query(lock, values)
    const asked = request()
    let answered = false
    void asked.then(() => {
      answered = true
    })
    await vi.waitFor(
      async () => {
        expect(answered).toBe(false)
        const [row] = await scene.sql(
          `SELECT count(*)::int AS waiting FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        )
        expect(row!.waiting).toBe(1)
      },
      { timeout: 60_000, interval: 20 },
    )
    await other.query('COMMIT')
    await asked
  }

  const changes: [string, () => Promise<() => Promise<unknown>>][] = [
    ['blockUser', async () => () => block(ada, ids.bo)],
    ['unblockUser', async () => () => unblock(ada, ids.bo)],
    ['requestContact', async () => () => ask(ada, names.bo)],
    [
      'respondToContact',
      async () => {
        const { id } = await ask(bo, names.ada)
        return () => respond(ada, id, true)
      },
    ],
    [
      'removeContact',
      async () => {
        const id = await befriend(scene, names.ada, names.bo)
        return () => remove(ada, id)
      },
    ],
  ]

  test.each(changes)('of %s: for a send, by the row of the direct conversation', async (_name, prepare) => {
    const id = uuidOf(await startDirect(ada, names.bo))
    await expectWaits(await prepare(), 'SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE', [id])
  })

  test.each([...changes, ['startDirectConversation', async () => () => startDirect(ada, names.bo)] as const])(
    'of %s: for what else is decided of the pair, before there is a row',
    async (_name, prepare) => {
      const key = [uuidOf(ids.ada), uuidOf(ids.bo)].sort().join('-')
      await expectWaits(await prepare(), 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [key])
    },
  )
})
