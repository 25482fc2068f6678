import type { ConversationEvent, MessagePayload } from '../bus/topics.ts'
import type { Changes } from '../features/messages/changes.ts'
import type { MessageRow } from '../features/messages/message.ts'
import type { UserProfile } from '../features/users/user.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'

/** What a feed tells its subscribers. */
export type FeedEvent =
  | { type: 'message'; message: MessageRow }
  /** Participants or the conversation's own fields changed. */
  | { type: 'changed'; ended: Ended }
  | { type: 'read'; user: UserProfile; lastReadSeq: number; readAt: Date }
  | { type: 'typing'; user: UserProfile; expiresAt: Date | null }

/** Whose access ended, or ended and began anew, at which version; ALL when the conversation was deleted. */
export type Ended = { userId: string; version: number }[] | 'ALL'

export type FeedSubscriber = (conversationId: string, event: FeedEvent) => void

/**
 * What happens in one conversation, for its subscribers on this node: each durable change once and in the order of
 * versions, whatever the bus repeats, swaps or loses.
 */
export interface Feed {
  readonly subscribers: Set<FeedSubscriber>
  /** Takes an event from the bus. */
  receive(event: ConversationEvent): void
  /** The table's version, read after the bus was listened to: where the feed begins, or what it must have by now. */
  head(version: number): void
  close(): void
}

const RETRY_MS = 1_000

/** `readChanges` gives what the table holds beyond a version, in order. */
export function createFeed(
  conversationId: string,
  readChanges: (conversationId: string, afterVersion: number) => Promise<Changes>,
  log: Logger,
  clock: Clock,
): Feed {
  const subscribers = new Set<FeedSubscriber>()
  /** The last version passed on; null until the first head is known. */
  let passed: number | null = null
  /** What came beyond the next version, by its first version; null where the table has to be read. */
  const ahead = new Map<number, Passing | null>()
  const typists = new Map<string, { user: UserProfile; timer: NodeJS.Timeout }>()
  let filling = false
  let retry: NodeJS.Timeout | undefined
  let closed = false

  function tell(event: FeedEvent) {
    for (const subscriber of subscribers) subscriber(conversationId, event)
  }

  function pass({ event, version }: Passing) {
    if (event.type === 'message' && event.message.senderId) stopTyping(event.message.senderId)
    passed = version
    tell(event)
  }

  /** Passes on what follows without a gap; what is left then waits for the hole before it to be read. */
  function drain() {
    if (passed === null || filling) return
    for (let next = ahead.get(passed + 1); next; next = ahead.get(passed + 1)) {
      ahead.delete(passed + 1)
      pass(next)
    }
    for (const from of ahead.keys()) if (from <= passed) ahead.delete(from)
    if (ahead.size > 0) void fill(passed)
  }

  async function fill(from: number) {
    filling = true
    const known = [...ahead.keys()]
    try {
      const { messages, ended, version } = await readChanges(conversationId, from)
      if (closed) return
      // Versions that no message carries are other changes. They come before the messages, so that nobody gets what was
      // sent after access ended, be it anew since.
      if (ended.length > 0 || version - from > messages.length) tell({ type: 'changed', ended })
      for (const message of messages) pass({ event: { type: 'message', message }, version: message.version })
      // Events come after their commit, so a table that has none of it tells of another history: it is the truth.
      if (version <= from) for (const early of known) ahead.delete(early)
      passed = Math.max(from, version)
      filling = false
      drain()
    } catch (error) {
      if (closed) return
      // The table can't be read just now; nothing is passed on before the hole, so nothing is lost or swapped.
      log.warn({ err: error, conversationId }, 'the changes of a conversation could not be read; trying again')
      retry = setTimeout(() => {
        filling = false
        drain()
      }, RETRY_MS)
    }
  }

  function stopTyping(userId: string) {
    const typist = typists.get(userId)
    if (!typist) return
    clearTimeout(typist.timer)
    typists.delete(userId)
    tell({ type: 'typing', user: typist.user, expiresAt: null })
  }

  function startTyping(user: UserProfile, expiresAt: Date) {
    clearTimeout(typists.get(user.id)?.timer)
    const timer = setTimeout(() => stopTyping(user.id), Math.max(0, expiresAt.getTime() - clock.now()))
    typists.set(user.id, { user, timer })
    tell({ type: 'typing', user, expiresAt })
  }

  return {
    subscribers,
    receive(event) {
      switch (event.type) {
        case 'message':
          ahead.set(event.version, event.message && passingMessage(event.message))
          return drain()
        case 'changed': {
          const { from, version, joined, ended } = event
          // By the first of its versions: those who joined have theirs from then on.
          const at = (userId: string) => ({ userId, version: from })
          const whose: Ended = ended === 'ALL' ? ended : [...joined, ...ended].map(at)
          ahead.set(from, { event: { type: 'changed', ended: whose }, version })
          return drain()
        }
        case 'read':
          return tell({ ...event, readAt: new Date(event.readAt) })
        case 'typing':
          return event.expiresAt ? startTyping(event.user, new Date(event.expiresAt)) : stopTyping(event.user.id)
        default:
          return event satisfies never
      }
    },
    head(version) {
      passed ??= version
      if (version > passed && !ahead.has(version)) ahead.set(version, null)
      drain()
    },
    close() {
      closed = true
      clearTimeout(retry)
      for (const { timer } of typists.values()) clearTimeout(timer)
    },
  }
}

/** A durable change, and the last of the versions that it took. */
interface Passing {
  event: Extract<FeedEvent, { type: 'message' | 'changed' }>
  version: number
}

function passingMessage(payload: MessagePayload): Passing {
  const message = { ...payload, createdAt: new Date(payload.createdAt) }
  return { event: { type: 'message', message }, version: message.version }
}
