import {
  AddParticipantsDocument,
  type AddParticipantsInput,
  CreateGroupConversationDocument,
  LeaveConversationDocument,
} from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'

/** The id of a new group of the client and others, who are known already. */
export async function createGroup(client: TestClient, ...externalIds: string[]): Promise<string> {
  const input = { title: 'Group', participantExternalIds: externalIds }
  const { createGroupConversation } = await client.run(CreateGroupConversationDocument, { input })
  return createGroupConversation!.conversation.id
}

/** Lets users into a conversation. */
export async function add(
  client: TestClient,
  conversationId: string,
  externalIds: string[],
  more: Pick<AddParticipantsInput, 'withHistory'> = {},
): Promise<void> {
  await client.run(AddParticipantsDocument, { input: { conversationId, externalIds, ...more } })
}

export async function leave(client: TestClient, conversationId: string): Promise<void> {
  await client.run(LeaveConversationDocument, { input: { conversationId } })
}
