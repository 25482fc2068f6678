import { SendMessageDocument, StartDirectConversationDocument, ViewerDocument } from '../generated/graphql.ts'
import type { TestApp, TestClient } from '../support/app.ts'

/** Opens the direct conversation of a client and another user; gives back its id. */
export async function openDirect(client: TestClient, externalId: string): Promise<string> {
  const { startDirectConversation } = await client.run(StartDirectConversationDocument, { input: { externalId } })
  return startDirectConversation!.conversation.id
}

export async function sendTo(client: TestClient, conversationId: string, body = 'hello') {
  const { sendMessage } = await client.run(SendMessageDocument, { input: { conversationId, body } })
  return sendMessage!.message
}

/** Ada, Bob and Carl exist, and Ada has a conversation with each. */
export async function adaWithTwo(app: TestApp) {
  const ada = app.as('ada')
  for (const name of ['bob', 'carl']) await app.as(name).run(ViewerDocument)
  const [withBob, withCarl] = [await openDirect(ada, 'bob'), await openDirect(ada, 'carl')]
  return { url: app.url, authorization: `Bearer ${await ada.token}`, withBob, withCarl }
}
