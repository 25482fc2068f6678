import { UnavailableError } from '../../lib/errors.ts'
import type { Send, Sent } from './send-statement.ts'

// The sends that wait to be written: a line for each conversation, which keeps their order. It is bounded in length and
// in time, so that a conversation that is stuck fills no memory, and clients are told soon that they may try again.

export interface Waiting {
  send: Send
  line: Line
  since: number
  /** A call with it and others failed. */
  goesAlone: boolean
  resolve: (sent: Sent) => void
  reject: (error: unknown) => void
}

/** The sends to one conversation. */
export interface Line {
  id: string
  waiting: Waiting[]
  /** It belongs to one writer at a time. */
  isTaken: boolean
}

export interface Lines {
  /** Puts a send at the end of its line; null, and refused, where too many wait there. */
  join(send: Send, resolve: Waiting['resolve'], reject: Waiting['reject']): Line | null
  /** Forgets a line in which nobody waits. */
  close(line: Line): void
}

/** For each conversation; more are refused at once. */
const MAX_WAITING = 1_000
/** Less than lock_timeout: who came with the first at a row that another keeps is not left to wait for it anew. */
const WAIT_MS = 4_500

export function createLines(): Lines {
  const lines = new Map<string, Line>()
  let timer: NodeJS.Timeout | undefined

  /** One timer for all: whoever comes later has longer to wait. */
  function watch(ms: number) {
    if (!timer) timer = setTimeout(refuseLate, ms).unref()
  }

  function refuseLate() {
    timer = undefined
    const now = performance.now()
    let first = Number.POSITIVE_INFINITY
    for (const { waiting } of lines.values()) {
      while (waiting[0] && waiting[0].since + WAIT_MS <= now) waiting.shift()!.reject(tooMuch())
      if (waiting[0]) first = Math.min(first, waiting[0].since)
    }
    if (Number.isFinite(first)) watch(first + WAIT_MS - now)
  }

  return {
    join(send, resolve, reject) {
      const id = send.conversationId
      const line = lines.get(id) ?? { id, waiting: [], isTaken: false }
      if (line.waiting.length >= MAX_WAITING) {
        reject(tooMuch())
        return null
      }
      lines.set(id, line)
      line.waiting.push({ send, line, since: performance.now(), goesAlone: false, resolve, reject })
      watch(WAIT_MS)
      return line
    },
    close(line) {
      lines.delete(line.id)
    },
  }
}

function tooMuch(): UnavailableError {
  return new UnavailableError('Too much is going on here. Try again.')
}
