import { CombinedError } from '@urql/core'
import { expect, test } from 'vitest'
import { createParleyClient, openChat } from '../../examples/urql.ts'
import { ChatMessageAddedDocument, SendChatMessageDocument } from '../generated/graphql.ts'
import { type Chat, describeChat } from './chat.ts'

const { startConversation } = describeChat('urql', async ({ options, conversationId, screen, subscribed }: Chat) => {
  const inEffect = subscribed()
  const chat = openChat(createParleyClient(options), conversationId, screen.show)
  await inEffect
  return {
    ...chat,
    async send(body: string, key: string) {
      const { data, error } = await chat.send(body, key)
      if (error) throw error
      return data!.sendMessage!.message
    },
  }
})

test('urql is told why something is refused', async () => {
  const { options } = await startConversation()
  const { conversationId } = await startConversation()
  const { client } = createParleyClient(options)
  const sent = await client.mutation(SendChatMessageDocument, { input: { conversationId, body: 'mine' } })
  const followed = await new Promise<{ error?: CombinedError }>((resolve) => {
    client.subscription(ChatMessageAddedDocument, { conversationId }).subscribe(resolve)
  })
  for (const { error } of [sent, followed]) {
    expect(error).toBeInstanceOf(CombinedError)
    expect(error!.graphQLErrors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }])
  }
})
