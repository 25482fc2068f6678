import { Client, fetchExchange, subscriptionExchange } from '@urql/core'
import { createClient } from 'graphql-ws'
import {
  ChatDocument,
  ChatMessageAddedDocument,
  type ChatMessageFragment,
  SendChatMessageDocument,
} from '../test/generated/graphql.ts'
import { isStored, mergeMessages, pendingMessage } from './messages.ts'

/** `token` is asked for with every request and connection; `webSocketImpl` is for platforms without a WebSocket. */
export interface ParleyOptions {
  url: string
  token: () => string | Promise<string>
  webSocketImpl?: unknown
}

/** A client that sends queries and mutations over HTTP, and subscriptions over its WebSocket. */
export function createParleyClient({ url, token, webSocketImpl }: ParleyOptions) {
  const authorization = async () => ({ authorization: `Bearer ${await token()}` })
  const socket = createClient({
    url: url.replace('http', 'ws'),
    connectionParams: authorization,
    retryAttempts: Number.POSITIVE_INFINITY,
    webSocketImpl,
  })
  const overSocket = subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
    }),
  })
  const client = new Client({
    url,
    fetch: async (input, init) => fetch(input, { ...init, headers: { ...init?.headers, ...(await authorization()) } }),
    // cacheExchange would ask for whole pages again after each message sent; openChat keeps the messages.
    exchanges: [fetchExchange, overSocket],
  })
  return { client, socket }
}

/** Shows the messages of a conversation, now and whenever they change. */
export function openChat(
  { client, socket }: ReturnType<typeof createParleyClient>,
  conversationId: string,
  show: (messages: ChatMessageFragment[]) => void,
) {
  let messages: ChatMessageFragment[] = []
  function add(...more: ChatMessageFragment[]) {
    messages = mergeMessages([...messages, ...more])
    show(messages)
  }
  async function load(before?: string) {
    const { data } = await client.query(ChatDocument, { conversationId, before })
    add(...(data?.conversation?.messages.edges.map(({ node }) => node) ?? []))
  }
  const followed = client
    .subscription(ChatMessageAddedDocument, { conversationId })
    .subscribe(({ data }) => data && add(data.messageAdded))
  // Now, and for what was sent while there was no connection.
  void load()
  const stop = socket.on('connected', () => void load())

  return {
    loadOlder: () => load(messages.find(isStored)?.cursor),
    /** Shows the message at once. If sending fails it stays pending: send it again with the same key. */
    async send(body: string, idempotencyKey: string) {
      add(pendingMessage(body, idempotencyKey))
      const result = await client.mutation(SendChatMessageDocument, { input: { conversationId, body, idempotencyKey } })
      if (result.data?.sendMessage) add(result.data.sendMessage.message)
      return result
    },
    close() {
      followed.unsubscribe()
      stop()
    },
  }
}
