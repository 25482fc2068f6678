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

export function createReader(to: ReaderTo): Reader {
  return new PlacedReader(to)
}

const NOTHING: FeedEvent[] = []

/** A class, so that each of thousands is one object and no closures. */
class PlacedReader implements Reader {
  private readonly to: ReaderTo
  private place: Place | null = null
  // Two numbers and no position: to keep a new object in an old one costs more than the rest of taking an event.
  private version = 0
  private seq = 0
  private held = NOTHING
  private overflown = false
  private state: 'holding' | 'live' | 'over' = 'holding'

  constructor(to: ReaderTo) {
    this.to = to
  }

  receive(event: FeedEvent) {
    if (this.place && event.type === 'ended') return this.heed(event.ended)
    if (this.state === 'live') return this.take(event)
    if (this.state === 'over') return
    if (this.held === NOTHING) this.held = []
    if (this.held.length < MAX_HELD) return void this.held.push(event)
    // What is durable is read again; of the receipts, the newest of each is all that matters.
    this.held = newestReceipts([...this.held, event])
    this.overflown = true
  }

  private heed(ended: Ended) {
    const { userId, since } = this.place!
    const isOver = ended === 'ALL' || ended.some((each) => each.userId === userId && each.version > since)
    if (!isOver || this.state === 'over' || this.to.faults.endAccess === false) return
    this.state = 'over'
    this.held = NOTHING
    this.to.end()
  }

  private take(event: FeedEvent) {
    if (this.state === 'over') return
    if (isChange(event)) this.takeChange(event)
    else if (event.type === 'ended') this.heed(event.ended)
    else this.to.pass(event)
  }

  private takeChange(change: Change) {
    const { position } = change
    const isNew = change.type === 'message' ? position.seq > this.seq : position.version > this.version
    if (!isNew) return this.takeKnown(change)
    this.advance(position)
    this.passVisible(change)
  }

  private takeKnown(change: Change) {
    // New to a feed that was behind, with an edit that was not known here yet.
    if (change.type === 'message' && change.message.version > this.version && isEdited(change.message)) {
      return this.passVisible({ ...change, type: 'message-changed', position: this.position() })
    }
    if (this.to.faults.dropRepeats === false) {
      this.advance(change.position)
      this.passVisible(change)
    }
  }

  private advance({ version, seq }: Position) {
    if (version > this.version) this.version = version
    if (seq > this.seq) this.seq = seq
  }

  private passVisible(change: Change) {
    if (!('message' in change) || change.message.seq >= this.place!.from) this.to.pass(change)
  }

  goLive() {
    // What was dropped has to be read.
    if (this.overflown || this.state === 'over') return
    this.state = 'live'
    const waiting = this.held
    this.held = NOTHING
    for (const event of waiting) this.take(event)
  }

  start(place: Place, { version, seq }: Position) {
    this.place = place
    this.version = version
    this.seq = seq
    for (const event of this.held) if (event.type === 'ended') this.heed(event.ended)
  }

  async readMissed(): Promise<boolean> {
    if (this.state !== 'holding') return false
    this.overflown = false
    const { changes, ended, to, more } = await this.to.readChanges(this.position())
    this.heed(ended)
    for (const change of changes) this.take(change)
    this.advance(to)
    if (!more) this.goLive()
    return this.isHolding()
  }

  private isHolding() {
    return this.state === 'holding'
  }

  isLive() {
    return this.state === 'live'
  }

  position(): Position {
    return { version: this.version, seq: this.seq }
  }
}

const isChange = (event: FeedEvent): event is Change => 'position' in event

function newestReceipts(events: readonly FeedEvent[]): FeedEvent[] {
  const receipts = events.filter((event) => event.type === 'read')
  // The newest first, so that a map keeps them in that order.
  const byUser = new Map<string, FeedEvent>()
  for (const receipt of receipts.reverse()) if (!byUser.has(receipt.userId)) byUser.set(receipt.userId, receipt)
  return [...byUser.values()].slice(0, MAX_RECEIPTS).reverse()
}

const isEdited = ({ editedAt, deletedAt }: MessageRow) => editedAt !== null || deletedAt !== null
