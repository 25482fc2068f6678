import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { createClient } from 'graphql-ws'
import { ChatMessageAddedDocument, SendChatMessageDocument } from '../test/generated/graphql.ts'
import { addMessage, mergePages } from './apollo-cache.ts'
import { pendingMessage } from './messages.ts'

/** `token` is asked for with every request and connection; `webSocketImpl` is for platforms without a WebSocket. */
export interface ParleyOptions {
  url: string
  token: () => string | Promise<string>
  webSocketImpl?: unknown
}

/** A client that sends queries and mutations over HTTP, and subscriptions over WebSocket. */
export function createParleyClient({ url, token, webSocketImpl }: ParleyOptions): ApolloClient {
  const authorization = async () => ({ authorization: `Bearer ${await token()}` })
  const socket = createClient({
    url: url.replace('http', 'ws'),
    connectionParams: authorization,
    retryAttempts: Number.POSITIVE_INFINITY,
    webSocketImpl,
    // For what was sent while there was no connection.
    on: { connected: () => void client.refetchQueries({ include: 'active' }) },
  })
  const withToken = new SetContextLink(async () => ({ headers: await authorization() }))
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(socket),
      withToken.concat(new HttpLink({ uri: url })),
    ),
    cache: new InMemoryCache({
      typePolicies: { Conversation: { fields: { messages: { keyArgs: false, merge: mergePages } } } },
    }),
    // A page that is asked for again joins those that are held, instead of replacing them.
    defaultOptions: { watchQuery: { refetchWritePolicy: 'merge' } },
  })
  return client
}

/** Puts each new message of a conversation into the cache, until it is unsubscribed from. */
export function followMessages(client: ApolloClient, conversationId: string) {
  return client
    .subscribe({ query: ChatMessageAddedDocument, variables: { conversationId } })
    .subscribe(({ data }) => data && addMessage(client.cache, conversationId, data.messageAdded))
}

/** Sends a message, which is shown at once. If it fails it stays pending: send it again with the same key. */
export function sendMessage(client: ApolloClient, conversationId: string, body: string, idempotencyKey: string) {
  addMessage(client.cache, conversationId, pendingMessage(body, idempotencyKey))
  return client.mutate({
    mutation: SendChatMessageDocument,
    variables: { input: { conversationId, body, idempotencyKey } },
    update: (cache, { data }) => data?.sendMessage && addMessage(cache, conversationId, data.sendMessage.message),
  })
}
