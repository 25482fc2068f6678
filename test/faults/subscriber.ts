import { type MessageNode, messageOf, request, run } from './api.ts'
import { HEAD, INBOX_CURSOR, INBOX_UPDATED, MESSAGE_ADDED, MESSAGES } from './documents.ts'
import type { History, Received } from './history.ts'
import { type Place, type Resumable, stayConnected } from './resumable.ts'

/** A client that gets the new messages of a conversation or of the whole inbox, and resumes from its last cursor. */
export interface Subscriber extends Resumable {
  received: Received
}

export interface SubscriberOptions {
  history: History
  name: string
  user: string
  /** Null: the whole inbox. */
  scope: string | null
  pick: () => Place | null
}

export function subscribe({ history, name, user, scope, pick }: SubscriberOptions): Subscriber {
  const received: Received = { name, user, scope, connections: [], arrivals: [], end: () => resumable.end(), from: {} }
  history.subscribers.push(received)
  let cursor: string | null = null

  const resumable = stayConnected({
    user,
    pick,
    async prepare(node) {
      if (cursor === null) {
        const start = await startOf(node.url, user, scope)
        if (!start) return null
        cursor = start.cursor
        if (scope !== null) received.from[scope] = start.lastSeq
      }
      const connection = received.connections.push({ node: node.name, after: cursor, at: history.now() }) - 1
      const messages = {
        query: MESSAGE_ADDED,
        variables: { conversationId: scope, after: cursor },
        next({ messageAdded }: { messageAdded: MessageNode }) {
          received.arrivals.push({ at: history.now(), connection, message: messageOf(messageAdded) })
          if (scope !== null) cursor = messageAdded.cursor
          return null
        },
      }
      if (scope !== null) return [messages]
      // Messages carry no cursor of the inbox, its updates do.
      const updates = {
        query: INBOX_UPDATED,
        variables: { after: cursor },
        next({ inboxUpdated }: { inboxUpdated: { cursor: string } }) {
          cursor = inboxUpdated.cursor
          return null
        },
      }
      return [messages, updates]
    },
  })
  return { ...resumable, received }
}

/** Where a subscription begins that misses nothing from now on; null where the user may not read it. */
async function startOf(
  url: string,
  user: string,
  scope: string | null,
): Promise<{ cursor: string; lastSeq: number } | null> {
  if (scope === null) {
    const { conversations } = await run<{ conversations: { cursor: string } }>(url, user, INBOX_CURSOR, {})
    return { ...conversations, lastSeq: 0 }
  }
  const { conversation } = await run<{ conversation: { cursor: string; lastSeq: number } | null }>(url, user, HEAD, {
    id: scope,
  })
  return conversation
}

/** All messages of a conversation that a user may read, oldest first. */
export async function readAll(url: string, user: string, id: string): Promise<MessageNode[]> {
  const nodes: MessageNode[] = []
  let after: string | null = null
  for (;;) {
    const answer: Awaited<ReturnType<typeof request<MessagesPage>>> = await request<MessagesPage>(url, user, MESSAGES, {
      id,
      after,
    })
    if (answer.outcome !== 'ok') throw new Error(`messages of ${id} for ${user}: ${answer.code}`)
    const page: Page | undefined = answer.data.conversation?.messages
    if (!page) return nodes
    nodes.push(...page.edges.map(({ node }) => node))
    if (!page.pageInfo.hasNextPage) return nodes
    after = page.pageInfo.endCursor
  }
}

interface Page {
  edges: { node: MessageNode }[]
  pageInfo: { hasNextPage: boolean; endCursor: string }
}

interface MessagesPage {
  conversation: { messages: Page } | null
}
