import { inboxCursor } from '../lib/cursors.ts'
import type { Gather } from './gather.ts'
import type { Hub } from './hub.ts'
import type { Inbox } from './inbox.ts'

/** The cursor that goes with the updates of a list. */
export interface InboxCursor {
  /** Says that all is followed: comparisons that begin from now on are of use. */
  begin(): void
  /** Says that a conversation is told of now. */
  told(conversationId: string): void
  current(): string
}

/**
 * The cursor that goes with each update: a snapshot, all that it sees having been told. A comparison that has found the
 * feeds to be as far as the table gives a new one, once what was gathered by then has been told too.
 */
export function createInboxCursor(
  epoch: string,
  since: string,
  live: Pick<Hub, 'comparisons' | 'lastComparison'>,
  gather: Pick<Gather, 'waiting'>,
  inbox: Pick<Inbox, 'isSettled'>,
): InboxCursor {
  let cursor = inboxCursor(epoch, since)
  /** The last comparison that is of no use, as it began before the list was followed. */
  let last = Number.POSITIVE_INFINITY
  let next: { snapshot: string; untold: Set<string> } | null = null
  return {
    begin() {
      last = live.comparisons()
    },
    told(conversationId) {
      next?.untold.delete(conversationId)
    },
    current() {
      if (next?.untold.size === 0) {
        cursor = inboxCursor(epoch, next.snapshot)
        next = null
      }
      const comparison = live.lastComparison()
      if (!next && comparison && comparison.number > last && inbox.isSettled()) {
        last = comparison.number
        next = { snapshot: comparison.snapshot, untold: new Set(gather.waiting()) }
      }
      return cursor
    },
  }
}
