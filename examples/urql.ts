import { Client, type CombinedError, fetchExchange, subscriptionExchange } from '@urql/core'
import {
  ChatDocument,
  ChatEventsDocument,
  OlderMessagesDocument,
  SendChatMessageDocument,
} from '../test/generated/graphql.ts'
import { applyEvent, type Chat, reloaded, withMessages } from './chat.ts'
import { createFetch, createSocket, type ParleyOptions } from './connection.ts'
import { follow } from './follow.ts'
import { mergePages, pendingMessage, shownMessages } from './messages.ts'
import { retried } from './retry.ts'

/** A client that sends queries and mutations over HTTP, and subscriptions over WebSocket. */
export function createParleyClient(options: ParleyOptions): Client {
  const socket = createSocket(options)
  const overSocket = subscriptionExchange({
    forwardSubscription: ({ query = '', variables }) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
    }),
  })
  return new Client({
    url: options.url,
    preferGetMethod: false,
    fetch: createFetch(options),
    // cacheExchange would ask for whole pages again after each message sent; openChat keeps the messages.
    exchanges: [fetchExchange, overSocket],
  })
}

/** Shows a conversation, now and whenever it changes. */
export function openChat(
  client: Client,
  conversationId: string,
  show: (chat: Chat) => void,
  closed: (error?: unknown) => void,
) {
  let chat: Chat | undefined
  let lastSend: Promise<unknown> = Promise.resolve()
  function update(change: (chat: Chat) => Chat) {
    if (!chat) return
    chat = change(chat)
    show({ ...chat, messages: shownMessages(chat.messages) })
  }
  const errorsIn = (error: unknown) => (error as CombinedError).graphQLErrors ?? []
  const query = () => client.query(ChatDocument, { conversationId }).toPromise().then(requireData)

  const close = follow({
    async load(signal) {
      const { conversation } = await retried(query, errorsIn, signal)
      if (conversation) {
        const loaded = reloaded(chat, conversation)
        chat = loaded
        update(() => loaded)
      }
      return conversation?.cursor
    },
    subscribe: (after, next) => client.subscription(ChatEventsDocument, { conversationId, after }).subscribe(next),
    apply: (event) => update((chat) => applyEvent(chat, event)),
    closed,
  })

  return {
    close,
    async loadOlder() {
      const before = chat?.messages.pageInfo.startCursor
      const { conversation } = await client
        .query(OlderMessagesDocument, { conversationId, before })
        .toPromise()
        .then(requireData)
      update((chat) => ({ ...chat, messages: mergePages(chat.messages, conversation!.messages) }))
    },
    /** Shows a message at once, and sends it until it is stored. Throws where it is refused; it stays pending then. */
    send(body: string, idempotencyKey: string = crypto.randomUUID()) {
      update((chat) => withMessages(chat, pendingMessage(body, idempotencyKey)))
      const variables = { input: { conversationId, body, idempotencyKey } }
      const mutate = () => client.mutation(SendChatMessageDocument, variables).toPromise().then(requireData)
      // One after the other, so that they are stored in this order.
      const sent = lastSend.then(async () => {
        const { message } = (await retried(mutate, errorsIn)).sendMessage!
        update((chat) => withMessages(chat, message))
        return message
      })
      lastSend = sent.catch(() => {})
      return sent
    },
  }
}

function requireData<Data>({ data, error }: { data?: Data | undefined; error?: CombinedError | undefined }): Data {
  if (error) throw error
  return data!
}
