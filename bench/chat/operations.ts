// What the workloads with a database ask, of every side in the same words: Parley and the peers' schema both have it.

/** What a list of messages shows of each. */
const MESSAGE = 'id seq kind body createdAt sender { id displayName avatarUrl }'

export const SEND = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { deduplicated message { ${MESSAGE} idempotencyKey } }
}`

export const PAGE = `query Page($id: ID!, $before: String) {
  conversation(id: $id) {
    id
    messages(last: 50, before: $before) {
      edges { cursor node { ${MESSAGE} } }
      pageInfo { hasPreviousPage startCursor }
    }
  }
}`

export const LIST = `query List {
  conversations(first: 50) {
    edges {
      cursor
      node {
        id kind title lastSeq lastMessageAt
        lastMessage { ${MESSAGE} }
        viewerState { lastReadSeq unreadCount }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}`

/** A mutation that asks for nothing of the database: only the way in and out is left. */
export const NOTHING = 'mutation Nothing { __typename }'
