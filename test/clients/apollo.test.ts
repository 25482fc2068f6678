import { createParleyClient, openChat } from '../../examples/apollo.ts'
import { ChatDocument } from '../generated/graphql.ts'
import { describeChat } from './chat.ts'

describeChat('Apollo Client', ({ options, conversationId, show, closed }) => {
  const client = createParleyClient(options)
  // As useQuery does: the cache tells of every change.
  const watching = client
    .watchQuery({ query: ChatDocument, variables: { conversationId }, fetchPolicy: 'cache-only' })
    .subscribe(({ data, dataState }) => dataState === 'complete' && data.conversation && show(data.conversation))
  const chat = openChat(client, conversationId, closed)
  return {
    ...chat,
    close() {
      chat.close()
      watching.unsubscribe()
      client.stop()
    },
  }
})
