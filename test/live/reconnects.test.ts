import { print } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { type Scene, startScene } from '../features/support.ts'
import {
  ConversationEventsDocument,
  type ConversationEventsSubscription,
  CreateGroupConversationDocument,
  MessageSeqsDocument,
  type MessageSeqsSubscription,
  SendMessageDocument,
  UpsertUsersDocument,
} from '../generated/graphql.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

// A node's connections are all cut at once, and 500 sockets with 2,000 subscriptions come back within the same seconds.

const SOCKETS = 500
const CONVERSATIONS = 250
/** Of each socket: all events of two conversations, and the messages of two others. */
const PER_SOCKET = 4

let scene: Scene
let proxy: TcpProxy
let database: TestDatabase
let slowDatabase: TcpProxy
let statements: string[] = []

beforeAll(async () => {
  const inner = await createTestDatabase()
  const url = new URL(inner.url)
  slowDatabase = await createTcpProxy({ port: Number(url.port) })
  url.host = `127.0.0.1:${slowDatabase.port}`
  database = inner
  scene = await startScene({
    databaseUrl: url.href,
    env: { MAX_UNAUTHENTICATED_SOCKETS: '1000', DATABASE_POOL_SIZE: '20' },
    overrides: { onStatement: (sql) => statements.push(sql) },
  })
  proxy = await createTcpProxy({ port: Number(new URL(scene.url).port) })
})
afterAll(async () => {
  await proxy.close()
  await scene.close()
  await slowDatabase.close()
  await database.drop()
})

/** What a client has of one conversation, and where it goes on from. */
interface Held {
  seqs: number[]
  cursor: string | null
}

/** A client with a socket of its own, which after a break subscribes again from its last cursors. */
class Phone {
  readonly held: Held[]
  connects = 0
  private readonly client: Client
  private readonly stops: (() => void)[] = []

  readonly conversationIds: string[]
  private readonly changed: () => void

  constructor(token: string, conversationIds: string[], changed: () => void) {
    this.conversationIds = conversationIds
    this.changed = changed
    this.held = conversationIds.map(() => ({ seqs: [], cursor: null }))
    this.client = createClient({
      url: `ws://127.0.0.1:${proxy.port}/graphql`,
      webSocketImpl: WebSocket,
      // This test comes back by itself, as a subscription's cursor goes on.
      retryAttempts: 0,
      connectionParams: { authorization: `Bearer ${token}` },
      on: { connected: () => void this.connects++ },
    })
  }

  /** Subscribes to all of its conversations, and does so again whenever a subscription breaks off. */
  start(): void {
    this.conversationIds.forEach((_, index) => {
      this.subscribe(index)
    })
  }

  private subscribe(index: number): void {
    const held = this.held[index]!
    const variables = { conversationId: this.conversationIds[index]!, after: held.cursor }
    const again = () => setTimeout(() => this.subscribe(index), 100)
    const add = (seq: number | undefined, cursor: string) => {
      if (seq !== undefined) held.seqs.push(seq)
      held.cursor = cursor
      this.changed()
    }
    if (index % 2) {
      const query = print(MessageSeqsDocument)
      this.stops[index] = this.client.subscribe<MessageSeqsSubscription>(
        { query, variables },
        {
          next: ({ data }) => (data ? add(data.messageAdded.seq, data.messageAdded.cursor) : again()),
          error: again,
          complete: () => {},
        },
      )
    } else {
      const query = print(ConversationEventsDocument)
      this.stops[index] = this.client.subscribe<ConversationEventsSubscription>(
        { query, variables },
        {
          next: ({ data }) => {
            if (!data) return again()
            const event = data.conversationEvents
            add(event.__typename === 'MessageAddedEvent' ? event.message.seq : undefined, event.cursor)
          },
          error: again,
          complete: () => {},
        },
      )
    }
  }

  async stop(): Promise<void> {
    for (const stop of this.stops) stop()
    await this.client.dispose()
  }
}

test('500 sockets with 2,000 subscriptions are cut and come back: each has all, and reads are made together', {
  timeout: 300_000,
}, async () => {
  const host = scene.asService()
  const names = Array.from({ length: SOCKETS }, (_, index) => `user-${index}`)
  await host.run(UpsertUsersDocument, { input: { users: names.map((externalId) => ({ externalId })) } })
  /** Conversation `n` has the users of which `n` is one of their four. */
  const placesOf = (user: number) =>
    Array.from({ length: PER_SOCKET }, (_, k) => (user * PER_SOCKET + k * 61) % CONVERSATIONS)
  const ids: string[] = []
  for (let number = 0; number < CONVERSATIONS; number++) {
    const participantExternalIds = names.filter((_, user) => placesOf(user).includes(number))
    const input = { title: `Room ${number}`, participantExternalIds }
    const { createGroupConversation } = await host.run(CreateGroupConversationDocument, { input })
    ids.push(createGroupConversation!.conversation.id)
  }

  let wake = () => {}
  const phones = await Promise.all(
    names.map(async (name, user) => {
      const places = [...new Set(placesOf(user))].map((number) => ids[number]!)
      return new Phone(await scene.as(name).token, places, () => wake())
    }),
  )
  const sent = new Map<string, number>(ids.map((id) => [id, 0]))
  /** As clients do, tries again with the same key where the node has too much to do. */
  async function sendTo(conversationId: string, idempotencyKey: string): Promise<void> {
    const input = { conversationId, body: 'hello', idempotencyKey }
    let seq: number | undefined
    while (seq === undefined) seq = (await host.execute(SendMessageDocument, { input })).data?.sendMessage?.message.seq
    sent.set(conversationId, seq)
  }
  let rounds = 0
  /** Sends a message to each conversation, a few at a time. */
  const sendToAll = async () => {
    const key = `round ${++rounds}`
    const waiting = [...ids]
    const lane = async () => {
      for (let id = waiting.pop(); id; id = waiting.pop()) await sendTo(id, key)
    }
    await Promise.all(Array.from({ length: 10 }, lane))
  }
  const hasAll = ({ conversationIds, held }: Phone) =>
    conversationIds.every((id, index) => held[index]!.seqs.at(-1) === sent.get(id))
  const allHaveAll = async () => {
    while (!phones.every(hasAll)) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  const subscriptions = phones.flatMap(({ conversationIds }) => conversationIds).length
  expect([phones.length, subscriptions]).toEqual([SOCKETS, SOCKETS * PER_SOCKET])
  for (const phone of phones) phone.start()
  // Those of conversationEvents say that they have begun; the others are told of a first message until all have it.
  while (!phones.every(({ held }) => held.every(({ cursor }) => cursor !== null))) {
    await sendToAll()
  }
  await allHaveAll()

  const firstSeqs = phones.map(({ held }) => held.map(({ seqs }) => seqs[0]!))
  statements = []
  const connectsBefore = phones.map(({ connects }) => connects)
  // As far away as another zone, so that what is asked for meanwhile can go together however fast this machine is.
  slowDatabase.delay(50)
  proxy.cut()
  await sendToAll()
  await sendToAll()
  await allHaveAll()
  slowDatabase.restore()
  const during = statements
  // All came by new connections.
  expect(phones.every(({ connects }, index) => connects > connectsBefore[index]!)).toBe(true)
  for (const [user, { conversationIds, held }] of phones.entries()) {
    for (const [index, { seqs }] of held.entries()) {
      const first = firstSeqs[user]![index]!
      const last = sent.get(conversationIds[index]!)!
      expect(seqs).toEqual(Array.from({ length: last - first + 1 }, (_, number) => first + number))
    }
  }
  const reads = during.filter((sql) => !/send_message|audit_entries/.test(sql))
  const kinds = new Map<string, number>()
  for (const sql of reads) {
    const kind = sql.replace(/\s+/g, ' ').slice(0, 90)
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  // A line for each kind of statement, the most frequent first, for whoever sees this fail.
  const figures = [...kinds].sort((one, other) => other[1] - one[1]).map(([kind, times]) => `${times} × ${kind}`)
  expect(reads.length, figures.join('\n')).toBeLessThan(SOCKETS / 2)
  await Promise.all(phones.map((phone) => phone.stop()))
})
