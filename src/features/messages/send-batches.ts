import type { Db } from '../../db/client.ts'
import { createLines, type Line, type Waiting } from './send-lines.ts'
import { type Send, type SendRules, type Sent, writeFreeSends, writeSends } from './send-statement.ts'

// Sends are written in batches: what comes in while a batch is being written goes into the next one. So under load many
// share a round trip, a transaction and a wait for the disk, while one that comes alone goes at once. A batch takes the
// conversations whose rows are free; what goes to another one is written by a call of its own, which waits for the row,
// so that a conversation that is stuck holds up nobody else. With 64 sends in flight a message costs Node a quarter of
// the CPU time that it takes with a statement of its own, PostgreSQL a fifth, and into one conversation go ten times as
// many in a second.

/** Writes the sends of one node. */
export interface SendBatches {
  /**
   * Resolves once what became of a send is committed: of one conversation's in the order in which they came.
   * @throws UnavailableError where too much waits, or for too long; the driver's error for what can't be written.
   */
  write(send: Send): Promise<Sent>
}

export interface SendBatchesOptions {
  /** Connections of the database's pool. */
  poolSize: number
  rules: SendRules
}

const WRITERS = 2
const MAX_BATCH = 256
/** Calls that wait for a row. */
const MAX_STUCK = 4
/** SQLSTATEs of a statement that was undone, surely, for what was in it or whom it met: the others may go through. */
const UNDONE = /^(2[1-4]|40(?!003)|4[24]|54|P0|XX00[12])/
const UNDONE_OR_LOCKED = new RegExp(`${UNDONE.source}|^55P03$`)

export function createSendBatches(db: Pick<Db, 'query'>, { poolSize, rules }: SendBatchesOptions): SendBatches {
  const lines = createLines()
  /** Lines with sends that may be taken, in the order of their turns. */
  const ready = new Set<Line>()
  /** Lines whose rows others were at. */
  const stuck = new Set<Line>()
  // Of a small pool too, some connections remain to the others.
  const maxStuck = Math.max(1, Math.min(MAX_STUCK, Math.floor(poolSize / 2) - 1))
  let writing = 0
  let waitingForRow = 0
  let starting: NodeJS.Immediate | undefined

  function start() {
    starting = undefined
    while (writing < WRITERS && ready.size > 0) void writeReady()
    for (const line of stuck) {
      if (waitingForRow === maxStuck) return
      stuck.delete(line)
      void writeStuck(line)
    }
  }

  async function writeReady() {
    writing++
    const batch: Waiting[] = []
    const taken: Line[] = []
    for (const line of ready) {
      if (batch.length === MAX_BATCH) break
      ready.delete(line)
      line.isTaken = true
      taken.push(line)
      batch.push(...line.waiting.splice(0, MAX_BATCH - batch.length))
    }
    const putBack = await write(batch, writeFreeSends, UNDONE_OR_LOCKED)
    for (const { line } of putBack) stuck.add(line)
    for (const line of taken) if (!stuck.has(line)) leave(line)
    writing--
    start()
  }

  /** The line stays here until nothing waits in it: other nodes at its row would pass by whoever doesn't wait. */
  async function writeStuck(line: Line) {
    waitingForRow++
    await write(line.waiting.splice(0, line.waiting[0]?.goesAlone ? 1 : MAX_BATCH), writeSends, UNDONE)
    if (line.waiting.length > 0) stuck.add(line)
    else leave(line)
    waitingForRow--
    start()
  }

  /** Gives back those that wait again: their row is another's, or the call failed and they may not be why. */
  async function write(
    batch: Waiting[],
    call: typeof writeFreeSends | typeof writeSends,
    mayRetry: RegExp,
  ): Promise<Waiting[]> {
    let again: Waiting[] = []
    // All may have been refused meanwhile.
    if (batch.length === 0) return again
    try {
      const sends = batch.map(({ send }) => send)
      const sent = await call(db.query, sends, rules)
      again = batch.filter((_, place) => sent[place] === null)
      for (const [place, each] of batch.entries()) if (sent[place]) each.resolve(sent[place])
    } catch (error) {
      // Only what the server says was undone: of a connection that was lost nobody knows whether it was committed.
      if (batch.length > 1 && mayRetry.test(String((error as { code?: unknown }).code))) again = batch
      else for (const each of batch) each.reject(error)
      for (const each of again) each.goesAlone = call === writeSends
    }
    for (const each of again.toReversed()) each.line.waiting.unshift(each)
    return again
  }

  function leave(line: Line) {
    line.isTaken = false
    if (line.waiting.length > 0) ready.add(line)
    else lines.close(line)
  }

  return {
    write: (send) =>
      new Promise((resolve, reject) => {
        const line = lines.join(send, resolve, reject)
        if (!line || line.isTaken) return
        ready.add(line)
        // At the end of this turn of the event loop, so that what came in with it goes together.
        if (!starting) starting = setImmediate(start)
      }),
  }
}
