import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { type Client, createClient } from 'graphql-sse'
import { expect } from 'vitest'
import type { Overrides } from '../../../src/app.ts'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  ConversationDetailsDocument,
  type ConversationDetailsFragment,
  CreateGroupConversationDocument,
  DeleteConversationDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  MessageAddedDocument,
  OpenConversationDocument,
  type OpenConversationInput,
  ReadReceiptDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  SetTypingDocument,
  TypingDocument,
  UpdateConversationDocument,
} from '../../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../../support/app.ts'
import { checkInvariants } from '../../support/invariants.ts'
import { provideRedis } from '../../support/redis.ts'
import { streamOf } from '../../support/stream.ts'
import { type Row, type Scene, startScene, uuidOf } from '../support.ts'

// What the tests of groups, jobs and rooms share.

/** A server with users of these externalIds, whom it knows already; nobody is limited in how much they do. */
export async function startWith(first: string | Overrides, ...rest: string[]): Promise<Scene> {
  const [overrides, externalIds] = typeof first === 'string' ? [{}, [first, ...rest]] : [first, rest]
  const scene = await startScene({ env: { RATE_LIMIT: '0' }, overrides })
  await insertUsers(scene, externalIds)
  return scene
}

/** The same over two nodes, which hear of each other by Redis. `close` stops all of it. */
export async function startTwoWith(...externalIds: string[]): Promise<{ scene: Scene; second: TestApp }> {
  const redis = await provideRedis()
  const env = { RATE_LIMIT: '0', REDIS_URL: redis.url }
  const scene = await startScene({ env })
  const second = await startApp({ env, databaseUrl: scene.databaseUrl })
  await insertUsers(scene, externalIds)
  async function close() {
    await second.close()
    await scene.close()
    await redis.stop()
  }
  return { scene: { ...scene, close }, second }
}

/** Makes users behind the API, as their first requests would. */
export async function insertUsers({ sql }: Scene, externalIds: string[]): Promise<void> {
  await sql(
    `INSERT INTO users (id, external_id, username, display_name, words)
          SELECT gen_random_uuid(), name, name, name, ARRAY[name] FROM unnest($1::text[]) AS given (name)`,
    [externalIds],
  )
}

/** The global ids of users, in the order of the names. */
export async function userIds<Names extends string[]>(
  { sql }: Scene,
  ...externalIds: Names
): Promise<{ [Index in keyof Names]: string }> {
  const rows = await sql('SELECT id FROM users WHERE external_id = ANY($1) ORDER BY array_position($1, external_id)', [
    externalIds,
  ])
  return rows.map(({ id }) => encodeId('User', String(id))) as { [Index in keyof Names]: string }
}

/** The global id of a user. */
export async function userId(scene: Scene, externalId: string): Promise<string> {
  const [id] = await userIds(scene, externalId)
  return id
}

/** The id of a new group of the client, who owns it, and others. */
export async function createGroup(client: TestClient, ...others: string[]): Promise<string> {
  const input = { title: 'Group', participantExternalIds: others }
  const { createGroupConversation } = await client.run(CreateGroupConversationDocument, { input })
  return createGroupConversation!.conversation.id
}

/** The id of a conversation that is opened, if it is not there. */
export async function open(client: TestClient, input: OpenConversationInput): Promise<string> {
  const { openConversation } = await client.run(OpenConversationDocument, { input })
  return openConversation!.conversation.id
}

/** A conversation as the client sees it, or null. */
export async function see(client: TestClient, id: string): Promise<ConversationDetailsFragment | null | undefined> {
  const { conversation } = await client.run(ConversationDetailsDocument, { id })
  return conversation
}

/** Who takes part, and as what. */
export async function rolesIn(client: TestClient, id: string): Promise<Record<string, string>> {
  const conversation = await see(client, id)
  return Object.fromEntries(conversation!.participants.edges.map(({ node }) => [node.user.externalId, node.role]))
}

/** Gives a participant a role, by whoever may. */
export async function setRole(
  client: TestClient,
  conversationId: string,
  userId: string,
  role: 'OWNER' | 'ADMIN' | 'MEMBER',
): Promise<void> {
  await client.run(SetParticipantRoleDocument, { input: { conversationId, userId, role } })
}

/** The conversation's counter, and what its rows are stamped with, by their name. */
export async function versionsOf(
  { sql }: Scene,
  id: string,
): Promise<{ version: number; stamps: Record<string, number> }> {
  const [head] = await sql('SELECT version FROM conversations WHERE id = $1', [uuidOf(id)])
  const rows = await sql(
    `SELECT 'details' AS name, details_version AS version FROM conversations WHERE id = $1
      UNION ALL SELECT u.external_id, p.version FROM participants p JOIN users u ON u.id = p.user_id
                 WHERE p.conversation_id = $1
      UNION ALL SELECT 'm' || seq, version FROM messages WHERE conversation_id = $1`,
    [uuidOf(id)],
  )
  return {
    version: Number(head!.version),
    stamps: Object.fromEntries(rows.map((row) => [String(row.name), Number(row.version)])),
  }
}

/** All that a change may write, in every table. */
export async function everything({ sql }: Scene): Promise<Record<string, Row[]>> {
  const tables = ['users', 'conversations', 'participants', 'messages', 'read_advances', 'idempotency_keys']
  const contents: Record<string, Row[]> = {}
  for (const table of tables) contents[table] = await sql(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)
  return contents
}

/** That what the operations left in the tables is sound. */
export async function expectSound({ sql }: Scene): Promise<void> {
  expect(await checkInvariants(sql)).toEqual([])
}

export type Way = 'HTTP' | 'WebSocket' | 'event stream'

/**
 * The data of one operation over a way in. A refusal is thrown by all of them alike: its message holds the errors as
 * JSON.
 */
export async function askOver<Data, Variables extends Record<string, unknown>>(
  way: Way,
  { url }: Scene,
  client: TestClient,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const query = document as TypedDocumentNode<Data, Record<string, unknown>>
  const values: Record<string, unknown> = variables
  if (way === 'HTTP') {
    const { data, errors } = await client.execute(query, values)
    if (errors || !data) throw new Error(JSON.stringify(errors))
    return data
  }
  if (way === 'WebSocket') return (await client.subscribe(query, values)).next()
  const sse = await eventStreamsOf(url, client)
  const stream = streamOf<Data>((sink) => sse.subscribe({ query: print(document), variables }, sink))
  return stream.next().finally(() => sse.dispose())
}

/** A client for event streams, with the token of another client. */
export async function eventStreamsOf(url: string, client: TestClient): Promise<Client> {
  const headers = { authorization: `Bearer ${await client.token}` }
  return createClient({ url: `${url}/graphql`, headers, retryAttempts: 0 })
}

/** The extensions of the one error that an operation was refused with. */
export async function refusal(asked: Promise<unknown>): Promise<unknown> {
  const failure: Error = await asked.then(
    (data) => Promise.reject(new Error(`not refused: ${JSON.stringify(data)}`)),
    (error) => error,
  )
  const [error, ...more] = JSON.parse(failure.message)
  expect(more).toEqual([])
  return error.extensions
}

/** An operation and its variables, for tables of different ones. */
export type Request = [
  document: TypedDocumentNode<unknown, Record<string, unknown>>,
  variables: Record<string, unknown>,
]

export function request<Input extends object>(
  document: TypedDocumentNode<unknown, { input: Input }>,
  input: Input,
): Request {
  return [document as Request[0], { input }]
}

/** Every mutation of a conversation that names another participant or nobody, as somebody who takes part may ask it. */
export function mutationsOf(conversationId: string, userId: string): Request[] {
  return [
    request(SendMessageDocument, { conversationId, body: 'hello' }),
    request(SetTypingDocument, { conversationId, isTyping: true }),
    request(MarkReadDocument, { conversationId }),
    request(SetConversationStateDocument, { conversationId, isPinned: true }),
    request(UpdateConversationDocument, { conversationId, title: 'Renamed' }),
    request(AddParticipantsDocument, { conversationId, userIds: [userId] }),
    request(RemoveParticipantDocument, { conversationId, userId }),
    request(SetParticipantRoleDocument, { conversationId, userId, role: 'ADMIN' }),
    request(LeaveConversationDocument, { conversationId }),
    request(CloseConversationDocument, { conversationId }),
    request(ReopenConversationDocument, { conversationId }),
    request(DeleteConversationDocument, { conversationId }),
  ]
}

/** All that can be followed of one conversation. */
export const SUBSCRIPTIONS = [MessageAddedDocument, TypingDocument, ReadReceiptDocument] as TypedDocumentNode<
  unknown,
  { conversationId: string }
>[]
