import { EventEmitter, once } from 'node:events'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import { type Client, createClient } from 'graphql-sse'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  MessageAddedDocument,
  SendMessageDocument,
  StartDirectConversationDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../support/app.ts'
import { type Stream, streamOf } from '../support/stream.ts'

const server = new EventEmitter()
let app: TestApp
let bob: TestClient
let sse: Client
let conversationId: string

beforeAll(async () => {
  app = await startApp({ overrides: { onSubscribed: () => server.emit('subscribed') } })
  const ada = app.as('ada')
  bob = app.as('bob')
  for (const externalId of ['bob', 'cy']) await app.as(externalId).run(ViewerDocument)
  const { startDirectConversation } = await ada.run(StartDirectConversationDocument, { input: { externalId: 'bob' } })
  conversationId = startDirectConversation!.conversation.id
  sse = connect({ authorization: `Bearer ${await ada.token}` })
})

afterAll(async () => {
  sse.dispose()
  await app.close()
})

function connect(headers: Record<string, string>): Client {
  return createClient({ url: `${app.url}/graphql`, headers, retryAttempts: 0 })
}

function ask<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  client = sse,
): Stream<Data> {
  return streamOf((sink) => client.subscribe({ query: print(document), variables }, sink))
}

describe('graphql-sse, with a connection for each operation', () => {
  test('gets the events of a subscription in their order', async () => {
    const subscribed = once(server, 'subscribed')
    const messages = ask(MessageAddedDocument, { conversationId })
    await subscribed
    for (const body of ['one', 'two']) await bob.run(SendMessageDocument, { input: { conversationId, body } })

    expect(await messages.next()).toMatchObject({
      messageAdded: { seq: 1, body: 'one', conversation: { id: conversationId } },
    })
    expect(await messages.next()).toMatchObject({ messageAdded: { seq: 2, body: 'two' } })
    messages.stop()
    expect(await messages.ended).toEqual({})
  })

  test('gets the answer to a query, and then the end', async () => {
    const viewer = ask(ViewerDocument, {})
    expect(await viewer.next()).toMatchObject({ viewer: { externalId: 'ada' } })
    expect(await viewer.ended).toEqual({})
  })

  test('gets what a mutation did', async () => {
    const sent = ask(SendMessageDocument, { input: { conversationId, body: 'three' } })
    expect(await sent.next()).toMatchObject({ sendMessage: { deduplicated: false, message: { body: 'three' } } })
  })

  test('is told why a subscription is refused, and then the end', async () => {
    const foreign = await bob.run(StartDirectConversationDocument, { input: { externalId: 'cy' } })
    const messages = ask(MessageAddedDocument, { conversationId: foreign.startDirectConversation!.conversation.id })
    await expect(messages.next()).rejects.toThrow('NOT_FOUND')
    expect(await messages.ended).toEqual({})
  })

  test('is refused without a token', async () => {
    const { error } = await ask(ViewerDocument, {}, connect({})).ended
    expect(error).toMatchObject({ response: { status: 401 } })
  })
})
