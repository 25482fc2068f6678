import { print } from 'graphql'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'
import { ConversationEventsDocument, type ConversationEventsSubscription } from '../generated/graphql.ts'
import type { TestApp, TestClient } from '../support/app.ts'
import { streamOf } from '../support/stream.ts'
import type { Events } from './events.ts'

/** A subscription to a conversation's events over a socket of its own, from which the client may stop reading. */
export async function pausableSocket({ url }: TestApp, client: TestClient, conversationId: string, after: string) {
  let socket!: WebSocket
  class Captured extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      socket = this
    }
  }
  const graphql = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: Captured,
    retryAttempts: 0,
    connectionParams: async () => ({ authorization: `Bearer ${await client.token}`, actAs: 'bo' }),
  })
  const query = { query: print(ConversationEventsDocument), variables: { conversationId, after } }
  const stream: Events = streamOf((sink) => graphql.subscribe<ConversationEventsSubscription>(query, sink))
  return { stream, pause: () => socket.pause(), resume: () => socket.resume(), close: async () => graphql.dispose() }
}
