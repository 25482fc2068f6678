import { randomUUID } from 'node:crypto'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { type ExecutionResult, print } from 'graphql'
import { createClient } from 'graphql-sse'
import pg from 'pg'
import { expect } from 'vitest'
import { decodeId, encodeId } from '../../src/lib/ids.ts'
import {
  type MessageFieldsFragment,
  SendMessageDocument,
  type SendMessageInput,
  StartDirectConversationDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient, type TestOptions } from '../support/app.ts'
import { type Stream, streamOf } from '../support/stream.ts'

// What the tests of all operations share: users, conversations, the tables behind the API, and refusals.

export type Row = Record<string, unknown>

export interface Scene extends TestApp {
  /** Runs SQL on a connection of the test's own, to see or make what no operation can. */
  sql(text: string, values?: unknown[]): Promise<Row[]>
}

/** A server together with a connection to its database. */
export async function startScene(options?: TestOptions): Promise<Scene> {
  const app = await startApp(options)
  const client = new pg.Client(app.databaseUrl)
  client.on('error', () => {})
  await client.connect()
  return {
    ...app,
    sql: async (text, values) => (await client.query<Row>(text, values)).rows,
    async close() {
      await client.end()
      await app.close()
    },
  }
}

/** Clients of users who are already known to the server. */
export async function usersOf<Names extends string[]>(
  app: TestApp,
  ...names: Names
): Promise<{ [Index in keyof Names]: TestClient }> {
  const clients = names.map((name) => app.as(name))
  await Promise.all(clients.map((client) => client.run(ViewerDocument)))
  return clients as { [Index in keyof Names]: TestClient }
}

/** The id of the direct conversation with another user, which is opened if need be. */
export async function startDirect(client: TestClient, externalId: string): Promise<string> {
  const { startDirectConversation } = await client.run(StartDirectConversationDocument, { input: { externalId } })
  return startDirectConversation!.conversation.id
}

/** Sends a message and gives it back as it was stored. */
export async function send(
  client: TestClient,
  conversationId: string,
  body: string,
  more: Partial<SendMessageInput> = {},
): Promise<MessageFieldsFragment> {
  const { sendMessage } = await client.run(SendMessageDocument, { input: { conversationId, body, ...more } })
  return sendMessage!.message
}

/** Sends `m1`, `m2`, … one after the other. */
export async function sendMany(client: TestClient, conversationId: string, count: number): Promise<void> {
  for (let number = 1; number <= count; number++) await send(client, conversationId, `m${number}`)
}

/** The uuid in a global id, by which the tables know it. */
export function uuidOf(globalId: string): string {
  return decodeId(globalId)!.key[0]!
}

/** The id of a conversation that does not exist. */
export const missingConversation = encodeId('Conversation', randomUUID())

/** What is no id at all. */
export const GARBAGE = ['', ' ', 'x', '0', 'Q29udmVyc2F0aW9uOng', "' OR 1=1 --", '💥', 'a'.repeat(10_000)]

/** Opens a group behind the API, which can't open any yet: its participants joined one second after the other. */
export async function insertGroup({ sql }: Scene, externalIds: string[]): Promise<string> {
  const id = randomUUID()
  await sql(
    `INSERT INTO conversations (id, kind, title, version, details_version) VALUES ($1, 'GROUP', 'Group', $2, 1)`,
    [id, externalIds.length + 1],
  )
  await sql(
    `INSERT INTO participants (conversation_id, user_id, version, joined_at)
          SELECT $1, u.id, 1 + number, '2026-01-01'::timestamptz + number * interval '1 s'
            FROM unnest($2::text[]) WITH ORDINALITY AS given (external_id, number) JOIN users u USING (external_id)`,
    [id, externalIds],
  )
  return encodeId('Conversation', id)
}

/** All that is stored. */
export async function contentsOf({ sql }: Scene): Promise<Record<string, Row[]>> {
  const tables = ['users', 'conversations', 'participants', 'messages']
  const contents: Record<string, Row[]> = {}
  for (const table of tables) contents[table] = await sql(`SELECT * FROM ${table} ORDER BY 1, 2`)
  return contents
}

export interface Refusal {
  code: string
  field?: string
}

/** That a request is refused for this reason alone, and nothing that is stored has changed. */
export async function expectRefused<Data>(
  scene: Scene,
  request: () => Promise<ExecutionResult<Data>>,
  refusal: Refusal,
): Promise<void> {
  const before = await contentsOf(scene)
  expect(refusalIn(await request())).toEqual(refusal)
  expect(await contentsOf(scene)).toEqual(before)
}

/** Why a result holds no data. */
export function refusalIn<Data>({ data, errors }: ExecutionResult<Data>): unknown {
  if (Object.values(data ?? {}).some((value) => value !== null)) throw new Error(`not refused: ${JSON.stringify(data)}`)
  if (errors?.length !== 1) throw new Error(`not refused once: ${JSON.stringify(errors)}`)
  return errors[0]!.extensions
}

/** Why a subscription did not begin. */
export async function refusalOf(stream: Stream<unknown>): Promise<unknown> {
  const failure: Error = await stream.next().then(
    (data) => Promise.reject(new Error(`not refused: ${JSON.stringify(data)}`)),
    (error) => error,
  )
  const [error, ...more] = JSON.parse(failure.message)
  expect(more).toEqual([])
  return error.extensions
}

/** A subscription over an event stream, once it is in effect or has failed; TestClient's own is over WebSocket. */
export async function subscribeByEventStream<Data, Variables extends Record<string, unknown>>(
  { url }: TestApp,
  client: TestClient,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Stream<Data>> {
  const authorization = `Bearer ${await client.token}`
  let answered!: () => void
  const inEffect = new Promise<void>((resolve) => {
    answered = resolve
  })
  const sse = createClient({
    url: `${url}/graphql`,
    headers: { authorization },
    retryAttempts: 0,
    // The answer's head comes once the subscription is in effect.
    fetchFn: async (...request: Parameters<typeof fetch>) => {
      const response = await fetch(...request)
      answered()
      return response
    },
  })
  const stream = streamOf<Data>((sink) => sse.subscribe<Data>({ query: print(document), variables }, sink))
  await Promise.race([inEffect, stream.ended])
  return stream
}
