import type { InboxChange } from './inbox.ts'

/** How telling each is: of what is gathered the most telling wins, and of coming and going the later. */
const RANKS: Record<InboxChange, number> = { STATE: 0, ACTIVITY: 1, JOINED: 2, LEFT: 2 }

/** How often one conversation is told of at most. */
const GATHER_MS = 1_000

/** Passes on the first change of each conversation at once, and the most telling of those that follow after a second. */
export interface Gather {
  add(conversationId: string, change: InboxChange): void
  /** The conversations of which something waits to be told. */
  waiting(): string[]
  close(): void
}

export function createGather(passOn: (conversationId: string, change: InboxChange) => void): Gather {
  /** What came since a conversation was last told of. */
  const resting = new Map<string, { timer: NodeJS.Timeout; change: InboxChange | null }>()

  function tell(conversationId: string, change: InboxChange) {
    resting.set(conversationId, { timer: setTimeout(() => flush(conversationId), GATHER_MS), change: null })
    passOn(conversationId, change)
  }

  function flush(conversationId: string) {
    const change = resting.get(conversationId)?.change
    resting.delete(conversationId)
    if (change) tell(conversationId, change)
  }

  return {
    add(conversationId, change) {
      const entry = resting.get(conversationId)
      if (!entry) tell(conversationId, change)
      else if (!entry.change || RANKS[change] >= RANKS[entry.change]) entry.change = change
    },
    waiting: () => [...resting].filter(([, { change }]) => change).map(([conversationId]) => conversationId),
    close() {
      for (const { timer } of resting.values()) clearTimeout(timer)
      resting.clear()
    },
  }
}
