import type { ChatMessageFragment } from '../test/generated/graphql.ts'

// One list of the messages that queries, mutations and events bring, in whatever order and however often.

/** More than any seq of a stored message. */
const PENDING = 2 ** 31

/** What merging needs to know of a message. */
interface Mergeable {
  seq: number
  version: number
  cursor: string
  idempotencyKey: string | null
}

export const isStored = ({ seq }: { seq: number }) => seq < PENDING

/** A copy to show until the message is stored; its seq puts it after those that are. */
export function pendingMessage(body: string, idempotencyKey: string): ChatMessageFragment {
  const now = Date.now()
  return {
    __typename: 'Message',
    id: idempotencyKey,
    seq: now,
    version: 0,
    cursor: '',
    body,
    idempotencyKey,
    createdAt: new Date(now).toISOString(),
    editedAt: null,
    deletedAt: null,
    sender: null,
  }
}

/** One list by seq with the newest version of each message. A pending copy goes when the message of its key is there. */
export function mergeMessages<Message extends Mergeable>(messages: readonly Message[]): Message[] {
  const newest = new Map<number | string | null, Message>()
  for (const message of messages) {
    const key = isStored(message) ? message.seq : message.idempotencyKey
    if (message.version >= (newest.get(key)?.version ?? 0)) newest.set(key, message)
  }
  for (const message of messages) if (isStored(message)) newest.delete(message.idempotencyKey)
  return [...newest.values()].sort((one, other) => one.seq - other.seq)
}

interface Page<Message> {
  edges: readonly { node: Message }[]
  pageInfo: { startCursor: string | null }
}

/** Merges a page into those that are held. Whether there are older ones is told by the page that begins first. */
export function mergePages<Message extends Mergeable, Held extends Page<Message>>(held: Held, page: Held): Held {
  const nodes = mergeMessages([...held.edges, ...page.edges].map(({ node }) => node))
  const first = page.edges[startOf(page)]?.node.seq ?? PENDING
  const { pageInfo } = first < (held.edges[startOf(held)]?.node.seq ?? PENDING) ? page : held
  return { ...held, edges: nodes.map((node) => ({ node })), pageInfo }
}

/** Those to show: an event may bring the new version of one that is older than the pages that are held. */
export function shownMessages<Message extends Mergeable, Held extends Page<Message>>(held: Held): Held {
  return { ...held, edges: held.edges.slice(startOf(held)) }
}

/** Where the first page begins. */
function startOf<Message extends Mergeable>({ edges, pageInfo }: Page<Message>): number {
  // -1 where there is no page yet.
  return Math.max(
    0,
    edges.findIndex(({ node }) => node.cursor === pageInfo.startCursor),
  )
}
