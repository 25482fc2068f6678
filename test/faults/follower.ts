import { isDeepStrictEqual } from 'node:util'
import { type MessageNode, run } from './api.ts'
import { CONVERSATION_EVENTS, SNAPSHOT } from './documents.ts'
import { type Place, type Resumable, stayConnected } from './resumable.ts'
import { readAll } from './subscriber.ts'

/** A client that holds a copy of a conversation, and keeps it up by the events alone. */
export interface Follower extends Resumable {
  name: string
  /** I7: what differs between the copy and what is read afresh; empty where they are the same. */
  differences(url: string): Promise<string[]>
  /** What should not have come. */
  problems: string[]
}

/** A conversation as a client shows it. */
interface Copy {
  title: string
  messages: Record<number, { version: number; body: string | null }>
  roles: Record<string, string>
  reads: Record<string, number>
}

type Event = { cursor: string } & (
  | { __typename: 'MessageAddedEvent' | 'MessageUpdatedEvent'; message: MessageNode }
  | {
      __typename: 'ParticipantChangedEvent'
      change: string
      user: Named
      participant: { role: string; lastReadSeq: number } | null
    }
  | { __typename: 'ConversationUpdatedEvent'; conversation: { title: string } }
  | { __typename: 'ReadReceiptEvent'; receipt: { participant: { user: Named; lastReadSeq: number } } }
  | { __typename: 'CaughtUpEvent' | 'AccessRevokedEvent' }
  | { __typename: 'ResetRequiredEvent'; reason: string }
)

interface Named {
  externalId: string
}

export function follow({ user, id, pick }: { user: string; id: string; pick: () => Place | null }): Follower {
  const name = `copy of ${user}`
  const problems: string[] = []
  let copy: Copy | undefined
  let cursor: string | undefined

  function apply(event: Event) {
    const { title, messages, roles, reads } = copy!
    switch (event.__typename) {
      case 'MessageAddedEvent':
      case 'MessageUpdatedEvent': {
        const { seq, version, body, sender } = event.message
        // Whoever sends has read.
        if (event.__typename === 'MessageAddedEvent' && sender) advance(sender, seq)
        if (event.__typename === 'MessageUpdatedEvent' && !messages[seq])
          problems.push(`${name}: update of unknown ${seq}`)
        if (version >= (messages[seq]?.version ?? 0)) messages[seq] = { version, body }
        return
      }
      case 'ParticipantChangedEvent':
        delete roles[event.user.externalId]
        if (!event.participant) return
        roles[event.user.externalId] = event.participant.role
        return advance(event.user, event.participant.lastReadSeq)
      case 'ConversationUpdatedEvent':
        copy = { title: event.conversation.title ?? title, messages, roles, reads }
        return
      case 'ReadReceiptEvent': {
        const { user, lastReadSeq } = event.receipt.participant
        return advance(user, lastReadSeq)
      }
      case 'ResetRequiredEvent':
        problems.push(`${name}: a reset for ${event.reason}`)
        return
      default:
        return
    }
  }

  function advance({ externalId }: Named, seq: number) {
    copy!.reads[externalId] = Math.max(seq, copy!.reads[externalId] ?? 0)
  }

  const resumable = stayConnected({
    user,
    pick,
    async prepare(node) {
      if (!copy) {
        const snapshot = await read(node.url, user, id)
        copy = snapshot.copy
        cursor = snapshot.cursor
      }
      return [
        {
          query: CONVERSATION_EVENTS,
          variables: { id, after: cursor },
          next({ conversationEvents: event }: { conversationEvents: Event }) {
            apply(event)
            cursor = event.cursor
            return null
          },
        },
      ]
    },
  })

  return {
    ...resumable,
    name,
    problems,
    async differences(url) {
      const fresh = (await read(url, user, id)).copy
      // Of somebody who has left, receipts say nothing any more.
      const reads = Object.fromEntries(Object.entries(copy!.reads).filter(([reader]) => fresh.roles[reader]))
      const held: Copy = { ...copy!, reads: { ...zeros(fresh.roles), ...reads } }
      return (Object.keys(fresh) as (keyof Copy)[])
        .filter((part) => !isDeepStrictEqual(held[part], fresh[part]))
        .map((part) => `I7: ${name} differs in ${part}: ${firstDifference(held[part], fresh[part])}`)
    },
  }
}

const zeros = (roles: Record<string, string>) => Object.fromEntries(Object.keys(roles).map((reader) => [reader, 0]))

function firstDifference(held: Copy[keyof Copy], fresh: Copy[keyof Copy]): string {
  if (typeof held === 'string' || typeof fresh === 'string') return `${held} for ${fresh}`
  const keys = new Set([...Object.keys(held), ...Object.keys(fresh)])
  const of = (part: object, key: string) => (part as Record<string, unknown>)[key]
  const key = [...keys].find((each) => !isDeepStrictEqual(of(held, each), of(fresh, each)))!
  return `${key} is ${JSON.stringify(of(held, key))} for ${JSON.stringify(of(fresh, key))}`
}

interface Snapshot {
  conversation: {
    cursor: string
    title: string
    participants: { edges: { node: { role: string; lastReadSeq: number; user: Named } }[] }
  }
}

/** A fresh read; the cursor is read first, so that what the rest has beyond it comes again. */
async function read(url: string, user: string, id: string): Promise<{ copy: Copy; cursor: string }> {
  const { conversation } = await run<Snapshot>(url, user, SNAPSHOT, { id })
  const participants = conversation.participants.edges.map(({ node }) => node)
  const messages = await readAll(url, user, id)
  return {
    cursor: conversation.cursor,
    copy: {
      title: conversation.title,
      messages: Object.fromEntries(messages.map(({ seq, version, body }) => [seq, { version, body }])),
      roles: Object.fromEntries(participants.map(({ user, role }) => [user.externalId, role])),
      reads: Object.fromEntries(participants.map(({ user, lastReadSeq }) => [user.externalId, lastReadSeq])),
    },
  }
}
