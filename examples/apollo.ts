import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
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
export function createParleyClient(options: ParleyOptions): ApolloClient {
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(createSocket(options)),
      new HttpLink({ uri: options.url, fetch: createFetch(options) }),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        // Kept in their list, where an older version never takes the place of a newer one.
        Message: { keyFields: false },
        Conversation: {
          fields: {
            messages: {
              keyArgs: false,
              merge: (held, page) => (held ? mergePages(held, page) : page),
              read: (held) => held && shownMessages(held),
            },
            participants: { merge: false },
          },
        },
      },
    }),
  })
}

/** Keeps a conversation in the cache up to date. `useQuery(ChatDocument)` shows it, with the fetchPolicy `cache-only`. */
export function openChat(client: ApolloClient, conversationId: string, closed: (error?: unknown) => void) {
  const chat = { query: ChatDocument, variables: { conversationId } }
  const { cache } = client
  const read = () => cache.readQuery(chat)?.conversation
  const update = (change: (chat: Chat) => Chat) =>
    void cache.updateQuery(chat, (data) => data?.conversation && { conversation: change(data.conversation) })
  const errorsIn = (error: unknown) => (CombinedGraphQLErrors.is(error) ? error.errors : [])
  let lastSend: Promise<unknown> = Promise.resolve()

  const close = follow({
    async load(signal) {
      const { data } = await retried(() => client.query({ ...chat, fetchPolicy: 'no-cache' }), errorsIn, signal)
      const conversation = data?.conversation
      if (conversation) {
        const loaded = reloaded(read(), conversation)
        cache.batch({
          update() {
            cache.evict({ id: cache.identify(conversation)!, fieldName: 'messages' })
            cache.writeQuery({ ...chat, data: { conversation: loaded } })
          },
        })
      }
      return conversation?.cursor
    },
    subscribe: (after, next) =>
      client
        .subscribe({ query: ChatEventsDocument, variables: { conversationId, after }, fetchPolicy: 'no-cache' })
        .subscribe(next),
    apply: (event) => update((chat) => applyEvent(chat, event)),
    closed,
  })

  return {
    close,
    /** The cache merges them into those that it has. */
    loadOlder: () =>
      client.query({
        query: OlderMessagesDocument,
        variables: { conversationId, before: read()?.messages.pageInfo.startCursor },
        fetchPolicy: 'network-only',
      }),
    /** Shows a message at once, and sends it until it is stored. Throws where it is refused; it stays pending then. */
    send(body: string, idempotencyKey: string = crypto.randomUUID()) {
      update((chat) => withMessages(chat, pendingMessage(body, idempotencyKey)))
      const variables = { input: { conversationId, body, idempotencyKey } }
      const mutate = () => client.mutate({ mutation: SendChatMessageDocument, variables, fetchPolicy: 'no-cache' })
      // One after the other, so that they are stored in this order.
      const sent = lastSend.then(async () => {
        const { data } = await retried(mutate, errorsIn)
        const { message } = data!.sendMessage!
        update((chat) => withMessages(chat, message))
        return message
      })
      lastSend = sent.catch(() => {})
      return sent
    },
  }
}
