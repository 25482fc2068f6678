import type { Change, Changes, Ended, Position } from '../features/conversations/changes.ts'
import type { MessageRow } from '../features/messages/message.ts'
import { MAX_RECEIPTS } from '../features/reads/receipts.ts'
import type { Faults } from './faults.ts'
import type { FeedEvent } from './feed.ts'

/** A viewer's place in a conversation. */
export interface Place {
  /** Null to a service, whose access ends with the conversation alone. */
  userId: string | null
  /** The conversation's version when access was found to be given. */
  since: number
  /** Messages from this seq on are to be seen. */
  from: number
}

/**
 * One subscriber's way through one conversation: reads what it missed from the table, holds what happens meanwhile, and
 * passes on both, each change once and in order, as far as the viewer may see it.
 */
export interface Reader {
  /** Takes an event of the feed. Held until the reader is live. */
  receive(event: FeedEvent): void
  /** Says where the reader stands, and what its viewer may see. */
  start(place: Place, at: Position): void
  /** Reads a page of what was missed, and passes it on. False once live, or over. */
  readMissed(): Promise<boolean>
  /** Lets through what is held, and what comes, for a reader that has missed nothing. */
  goLive(): void
  isLive(): boolean
  /** How far all has been passed on. */
  position(): Position
}

export interface ReaderTo {
  readChanges(after: Position): Promise<Changes>
  pass(event: FeedEvent): void
  /** Access is over: nothing is passed on from now on. */
  end(): void
  faults: Faults
}

/** What may be held; beyond it the table is read once more. */
const MAX_HELD = 1_000

export function createReader({ readChanges, pass, end, faults }: ReaderTo): Reader {
  let place: Place | null = null
  let at: Position = { version: 0, seq: 0 }
  let held: FeedEvent[] = []
  let overflown = false
  let state: 'holding' | 'live' | 'over' = 'holding'

  function receive(event: FeedEvent) {
    if (place && event.type === 'ended') return heed(event.ended)
    if (state === 'live') return take(event)
    if (state === 'over') return
    if (held.length < MAX_HELD) return void held.push(event)
    // What is durable is read again; of the receipts, the newest of each is all that matters.
    held = newestReceipts([...held, event])
    overflown = true
  }

  function heed(ended: Ended) {
    const { userId, since } = place!
    const isOver = ended === 'ALL' || ended.some((each) => each.userId === userId && each.version > since)
    if (!isOver || state === 'over' || faults.endAccess === false) return
    state = 'over'
    held = []
    end()
  }

  function take(event: FeedEvent) {
    if (state === 'over') return
    if ('position' in event) takeChange(event)
    else if (event.type === 'ended') heed(event.ended)
    else pass(event)
  }

  function takeChange(change: Change) {
    const { position } = change
    const isNew = change.type === 'message' ? position.seq > at.seq : position.version > at.version
    if (!isNew) return takeKnown(change)
    at = further(at, position)
    passVisible(change)
  }

  function takeKnown(change: Change) {
    // New to a feed that was behind, with an edit that was not known here yet.
    if (change.type === 'message' && change.message.version > at.version && isEdited(change.message)) {
      return passVisible({ ...change, type: 'message-changed', position: at })
    }
    if (faults.dropRepeats === false) {
      at = further(at, change.position)
      passVisible(change)
    }
  }

  function passVisible(change: Change) {
    if (!('message' in change) || change.message.seq >= place!.from) pass(change)
  }

  function goLive() {
    // What was dropped has to be read.
    if (overflown || state === 'over') return
    state = 'live'
    const waiting = held
    held = []
    waiting.forEach(take)
  }

  return {
    receive,
    start(given, position) {
      place = given
      at = position
      for (const event of held) if (event.type === 'ended') heed(event.ended)
    },
    async readMissed() {
      if (state !== 'holding') return false
      overflown = false
      const { changes, ended, to, more } = await readChanges(at)
      heed(ended)
      changes.forEach(take)
      at = further(at, to)
      if (!more) goLive()
      return state === 'holding'
    },
    goLive,
    isLive: () => state === 'live',
    position: () => at,
  }
}

function newestReceipts(events: readonly FeedEvent[]): FeedEvent[] {
  const receipts = events.filter((event) => event.type === 'read')
  // The newest first, so that a map keeps them in that order.
  const byUser = new Map<string, FeedEvent>()
  for (const receipt of receipts.reverse()) if (!byUser.has(receipt.userId)) byUser.set(receipt.userId, receipt)
  return [...byUser.values()].slice(0, MAX_RECEIPTS).reverse()
}

const isEdited = ({ editedAt, deletedAt }: MessageRow) => editedAt !== null || deletedAt !== null

function further(one: Position, other: Position): Position {
  // Which is how it is but while something is resumed.
  if (other.version >= one.version && other.seq >= one.seq) return other
  return { version: Math.max(one.version, other.version), seq: Math.max(one.seq, other.seq) }
}
