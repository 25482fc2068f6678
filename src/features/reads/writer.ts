import type { Db } from '../../db/client.ts'
import type { Clock } from '../../lib/clock.ts'
import { groupBy } from '../../lib/group.ts'

/** Writes read positions, those that come close together in one statement. */
export interface ReadWriter {
  /** Resolves once the position is written: with the time, or null where it had been read that far before. */
  advance(conversationId: string, userId: string, seq: number): Promise<Date | null>
}

interface Waiting {
  conversationId: string
  userId: string
  seq: number
  resolve: (readAt: Date | null) => void
  reject: (error: unknown) => void
}

/** Scrolling marks as read many times a second; one write a quarter of a second is as good. */
const GATHER_MS = 250
const MAX_BATCH = 1_000

/** One for each node. The first of a while is written at once; what follows within 250 ms goes together. */
export function createReadWriter(db: Pick<Db, 'query'>, clock: Clock): ReadWriter {
  const waiting: Waiting[] = []
  let resting = false

  function flush() {
    resting = waiting.length > 0
    if (!resting) return
    const batch = waiting.splice(0, MAX_BATCH)
    setTimeout(flush, GATHER_MS)
    void write(batch)
  }

  async function write(batch: Waiting[]) {
    try {
      // The furthest of each participant, as one statement can change a row only once.
      const furthest = new Map<string, Waiting>()
      for (const each of batch) {
        const key = each.conversationId + each.userId
        const known = furthest.get(key)
        if (!known || known.seq < each.seq) furthest.set(key, each)
      }
      const rows = [...furthest.values()]
      const readAt = new Date(clock.now())
      const moved = await db.query<{ key: string; seq: number }>(
        `SELECT conversation_id::text || user_id AS key, seq FROM mark_read($1, $2, $3, $4)`,
        [rows.map((row) => row.conversationId), rows.map((row) => row.userId), rows.map((row) => row.seq), readAt],
      )
      const movedTo = new Map(moved.map(({ key, seq }) => [key, seq]))
      // Of several calls of one participant, the furthest tells the others of it.
      for (const each of batch) {
        const key = each.conversationId + each.userId
        each.resolve(furthest.get(key) === each && movedTo.has(key) ? readAt : null)
      }
    } catch (error) {
      const byConversation = groupBy(batch, ({ conversationId }) => conversationId)
      if (byConversation.size === 1) for (const each of batch) each.reject(error)
      // One conversation that is stuck must not take the others along.
      else for (const group of byConversation.values()) void write(group)
    }
  }

  return {
    advance: (conversationId, userId, seq) =>
      new Promise((resolve, reject) => {
        waiting.push({ conversationId, userId, seq, resolve, reject })
        if (!resting) flush()
      }),
  }
}
