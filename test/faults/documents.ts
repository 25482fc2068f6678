// The operations of the fault tests' clients, as text: they are sent as they are, by plain clients.

const MESSAGE = 'id seq version cursor body idempotencyKey sender { externalId }'

export const SEND = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { deduplicated message { ${MESSAGE} } }
}`

export const MARK_READ = 'mutation ($input: MarkReadInput!) { markRead(input: $input) { conversation { id } } }'

export const SET_TYPING = 'mutation ($input: SetTypingInput!) { setTyping(input: $input) { expiresAt } }'

export const UPDATE =
  'mutation ($input: UpdateConversationInput!) { updateConversation(input: $input) { conversation { id } } }'

export const UPSERT_USERS =
  'mutation ($input: UpsertUsersInput!) { upsertUsers(input: $input) { users { id externalId } } }'

export const CREATE_GROUP =
  'mutation ($input: CreateGroupConversationInput!) { createGroupConversation(input: $input) { conversation { id } } }'

export const ADD =
  'mutation ($input: AddParticipantsInput!) { addParticipants(input: $input) { conversation { id lastSeq } } }'

export const REMOVE =
  'mutation ($input: RemoveParticipantInput!) { removeParticipant(input: $input) { conversation { id } } }'

export const MESSAGES = `query ($id: ID!, $after: String) {
  conversation(id: $id) {
    messages(first: 100, after: $after) { edges { node { ${MESSAGE} } } pageInfo { hasNextPage endCursor } }
  }
}`

/** Where the whole inbox stands. */
export const INBOX_CURSOR = 'query { conversations(first: 1) { cursor } }'

/** Where a conversation stands. */
export const HEAD = 'query ($id: ID!) { conversation(id: $id) { cursor lastSeq version } }'

export const MESSAGE_ADDED = `subscription ($conversationId: ID, $after: String) {
  messageAdded(conversationId: $conversationId, after: $after) { ${MESSAGE} }
}`

export const INBOX_UPDATED = 'subscription ($after: String) { inboxUpdated(after: $after) { cursor } }'

export const TYPING = `subscription ($conversationId: ID!) {
  typing(conversationId: $conversationId) { isTyping user { externalId } }
}`

export const CONVERSATION_EVENTS = `subscription ($id: ID!, $after: String) {
  conversationEvents(conversationId: $id, after: $after) {
    __typename cursor
    ... on MessageAddedEvent { message { ${MESSAGE} } }
    ... on MessageUpdatedEvent { message { ${MESSAGE} } }
    ... on ParticipantChangedEvent { change user { externalId } participant { role lastReadSeq } }
    ... on ConversationUpdatedEvent { conversation { title } }
    ... on ReadReceiptEvent { receipt { participant { lastReadSeq user { externalId } } } }
    ... on ResetRequiredEvent { reason }
  }
}`

/** All of a conversation but its messages. */
export const SNAPSHOT = `query ($id: ID!) {
  conversation(id: $id) {
    cursor title
    participants(first: 100) { edges { node { role lastReadSeq user { externalId } } } }
  }
}`

export const EDIT = 'mutation ($input: EditMessageInput!) { editMessage(input: $input) { message { id } } }'

export const DELETE = 'mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { message { id } } }'
