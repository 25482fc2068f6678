import { CombinedGraphQLErrors } from '@apollo/client'
import { expect, test } from 'vitest'
import { createParleyClient, followMessages, sendMessage } from '../../examples/apollo.ts'
import { ChatDocument, ChatMessageAddedDocument, InboxUpdatedDocument } from '../generated/graphql.ts'
import { type Chat, describeChat, numbered } from './chat.ts'

const { startConversation } = describeChat('Apollo Client', openChat)

async function openChat({ options, conversationId, screen, subscribed }: Chat) {
  const client = createParleyClient(options)
  const query = client.watchQuery({ query: ChatDocument, variables: { conversationId } })
  const watching = query.subscribe(({ data, dataState, loading }) => {
    if (dataState === 'complete' && !loading) screen.show(data.conversation!.messages.edges.map(({ node }) => node))
  })
  const inEffect = subscribed()
  const following = followMessages(client, conversationId)
  await inEffect
  // While it asks anew, as it does once connected, it does not show what else comes into its cache.
  while (query.getCurrentResult().loading) await screen.changed()

  const pageInfo = () =>
    client.readQuery({ query: ChatDocument, variables: { conversationId } })!.conversation!.messages.pageInfo
  return {
    client,
    following,
    pageInfo,
    loadOlder: () => query.fetchMore({ variables: { before: pageInfo().startCursor } }),
    async send(body: string, key: string) {
      const { data } = await sendMessage(client, conversationId, body, key)
      return data!.sendMessage!.message
    },
    close() {
      following.unsubscribe()
      watching.unsubscribe()
      client.stop()
    },
  }
}

test('Apollo Client knows whether there are older messages', async () => {
  const chat = await startConversation(51)
  const { client, pageInfo, loadOlder, close } = await openChat(chat)
  await chat.screen.shows(...numbered(2, 51))
  expect(pageInfo().hasPreviousPage).toBe(true)
  await chat.bobSends('message 52')
  await chat.screen.shows(...numbered(2, 52))
  expect(pageInfo().hasPreviousPage).toBe(true)
  await loadOlder()
  expect(pageInfo().hasPreviousPage).toBe(false)
  await client.refetchQueries({ include: 'active' })
  expect(pageInfo().hasPreviousPage).toBe(false)
  close()
})

test('Apollo Client asks anew where an event tells that others were missed', async () => {
  const chat = await startConversation(1)
  const { client, following, close } = await openChat(chat)
  // Keeps the connection, so that nothing but the event tells.
  const inboxFollowed = chat.subscribed()
  const inbox = client.subscribe({ query: InboxUpdatedDocument }).subscribe(() => {})
  await inboxFollowed
  following.unsubscribe()
  await chat.bobSends('message 2')

  const followedAgain = chat.subscribed()
  const again = followMessages(client, chat.conversationId)
  await followedAgain
  await chat.bobSends('message 3')
  await chat.screen.shows(...numbered(1, 3))
  chat.screen.expectNoRepeats()
  again.unsubscribe()
  inbox.unsubscribe()
  close()
})

test('Apollo Client is told why something is refused', async () => {
  const { options } = await startConversation()
  const { conversationId } = await startConversation()
  const client = createParleyClient(options)
  const sent = sendMessage(client, conversationId, 'mine', 'key').catch((error: unknown) => error)
  const followed = new Promise<{ error?: unknown }>((resolve) => {
    client.subscribe({ query: ChatMessageAddedDocument, variables: { conversationId } }).subscribe(resolve)
  })
  for (const error of [await sent, (await followed).error]) {
    expect(CombinedGraphQLErrors.is(error) && error.errors).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }])
  }
})
