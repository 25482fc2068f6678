/** The part of Parley's schema that the workloads with a database use, as the peers declare it. */
export const typeDefs = `
  scalar DateTime

  enum MessageKind { TEXT SYSTEM PAYMENT DISPUTE JOB_UPDATE IMAGE FILE VOICE LOCATION }
  enum ConversationKind { DIRECT GROUP JOB SUPPORT GENERAL ROLEPLAY }

  type User { id: ID! displayName: String! avatarUrl: String }

  type Message {
    id: ID!
    seq: Int!
    kind: MessageKind!
    body: String
    idempotencyKey: String
    createdAt: DateTime!
    sender: User
  }

  type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type MessageEdge { cursor: String! node: Message! }
  type MessageConnection { edges: [MessageEdge!]! pageInfo: PageInfo! }

  type ConversationViewerState { lastReadSeq: Int! unreadCount: Int! }

  type Conversation {
    id: ID!
    kind: ConversationKind!
    title: String
    lastSeq: Int!
    lastMessageAt: DateTime
    lastMessage: Message
    viewerState: ConversationViewerState
    messages(last: Int, before: String): MessageConnection!
  }

  type ConversationEdge { cursor: String! node: Conversation! }
  type ConversationConnection { edges: [ConversationEdge!]! pageInfo: PageInfo! }

  type Query {
    conversation(id: ID!): Conversation
    conversations(first: Int, after: String): ConversationConnection!
  }

  input SendMessageInput { conversationId: ID! body: String! idempotencyKey: String! }
  type SendMessagePayload { message: Message! deduplicated: Boolean! }

  type Mutation { sendMessage(input: SendMessageInput!): SendMessagePayload }
`
