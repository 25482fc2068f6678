import type { ConversationEvent, MessagePayload, ParticipantPayload } from '../bus/topics.ts'
import type { Change, ChangeBody, Changes, Ended, Position } from '../features/conversations/changes.ts'
import { messageOf } from '../features/messages/message.ts'
import { MAX_RECEIPTS, type Receipt } from '../features/reads/receipts.ts'
import type { UserProfile } from '../features/users/user.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Faults } from './faults.ts'

/** What a feed tells its subscribers. */
export type FeedEvent =
  | Change
  /** Comes before the changes that are told with it. */
  | { type: 'ended'; ended: Ended }
  | ({ type: 'read' } & Receipt)
  | { type: 'typing'; user: UserProfile; expiresAt: Date | null }

export interface FeedSubscriber {
  receive(event: FeedEvent, conversationId: string): void
}

/**
 * What happens in one conversation, for its subscribers on this node: each durable change once and in order, whatever the
 * bus repeats, swaps or loses.
 */
export interface Feed {
  readonly subscribers: Set<FeedSubscriber>
  /** Takes an event from the bus. */
  receive(event: ConversationEvent): void
  /** The table's position, read after the bus was listened to: where the feed begins, or what it must have by now. */
  head(position: Position): void
  /** Whether all up to this version has been passed on. */
  hasPassed(version: number): boolean
  /** The present receipts, from then on kept up to date. */
  receipts(): Promise<Receipt[]>
  /** Reads the receipts again if they are kept, and tells of those that moved unheard. */
  compareReceipts(): void
  close(): void
}

export interface FeedDeps {
  readChanges(conversationId: string, after: Position): Promise<Changes>
  readReceipts(conversationId: string): Promise<Receipt[]>
  log: Logger
  clock: Clock
  faults: Faults
  /** Calls back at the end of this turn of the event loop. */
  soon: (callback: () => void) => void
}

const RETRY_MS = 1_000

export function createFeed(conversationId: string, deps: FeedDeps): Feed {
  const { readChanges, readReceipts, log, clock, faults, soon } = deps
  const subscribers = new Set<FeedSubscriber>()
  /** What is to be told at the end of this turn. */
  let untold: FeedEvent[] = []
  /** How far has been passed on; null until the first head is known. */
  let at: Position | null = null
  /** What came beyond the next version, by its first version; null where the table has to be read. */
  const ahead = new Map<number, Step | null>()
  const typists = new Map<string, { user: UserProfile; timer: NodeJS.Timeout }>()
  /** By user, once somebody asked for them. */
  let receipts: Promise<Map<string, Receipt>> | null = null
  let filling = false
  let retry: NodeJS.Timeout | undefined
  let closed = false

  function tell(event: FeedEvent) {
    if (untold.push(event) === 1) soon(tellAll)
  }

  function tellAll() {
    const events = untold
    untold = []
    for (const subscriber of subscribers) {
      try {
        for (const event of events) subscriber.receive(event, conversationId)
      } catch (err) {
        log.error({ err, conversationId }, 'a subscriber could not take an event')
      }
    }
  }

  async function endStays(ended: Ended) {
    tell({ type: 'ended', ended })
    if (ended === 'ALL' || receipts === null) return
    const known = await receipts.catch(() => null)
    for (const { userId } of ended) known?.delete(userId)
  }

  function pass(change: Change) {
    if (change.type === 'message' && change.message.senderId) stopTyping(change.message.senderId)
    tell(change)
  }

  /** Takes a step that begins with this version; null: what it is has to be read. */
  function receiveStep(from: number, step: Step | null) {
    // Which is how almost all come.
    if (step && at !== null && from === at.version + 1 && ahead.size === 0 && !filling) return take(step)
    ahead.set(from, step)
    drain()
  }

  /** Passes on what follows without a gap; what is left then waits for the hole before it to be read. */
  function drain() {
    if (at === null || filling) return
    for (let next = ahead.get(at.version + 1); next; next = ahead.get(at.version + 1)) {
      ahead.delete(at.version + 1)
      take(next)
    }
    for (const [from, step] of ahead) {
      if (from > at.version) continue
      ahead.delete(from)
      if (faults.dropRepeats === false && step) take(step)
    }
    if (ahead.size > 0) void fill()
  }

  function take({ changes, ended }: Step) {
    if (ended.length > 0) void endStays(ended)
    for (const { version, change } of changes) {
      at = { version, seq: change.type === 'message' ? Math.max(at!.seq, change.message.seq) : at!.seq }
      // Not by a spread: V8 gives each of its results a hidden class of its own, and compiles what meets them anew.
      pass(Object.assign({ position: at }, change))
    }
  }

  /** Reads what lies before the versions that are ahead, once for all subscribers. */
  async function fill() {
    if (faults.fillHoles === false) return skip()
    filling = true
    const after = at!
    const known = [...ahead.keys()]
    try {
      const { changes, ended, to, more } = await readChanges(conversationId, after)
      if (closed) return
      // Before the messages, so that nobody gets what was sent after access ended, be it anew since.
      if (ended.length > 0) void endStays(ended)
      for (const change of changes) pass(change)
      at = to
      // Events come after their commit, so a table that has none of it tells of another history: it is the truth.
      if (to.version <= after.version && !more) for (const early of known) ahead.delete(early)
      if (more) return void fill()
      filling = false
      compareReceipts()
      drain()
    } catch (error) {
      if (closed) return
      // The table can't be read just now; nothing is passed on before the hole, so nothing is lost or swapped.
      log.warn({ err: error, conversationId }, 'the changes of a conversation could not be read; trying again')
      retry = setTimeout(() => void fill(), RETRY_MS)
    }
  }

  /** In place of fill, where a test wants to see what is lost without it. */
  function skip() {
    const next = Math.min(...ahead.keys())
    if (ahead.get(next) === null) ahead.delete(next)
    at = { ...at!, version: ahead.has(next) ? next - 1 : next }
    drain()
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

  function loadReceipts(): Promise<Map<string, Receipt>> {
    if (!receipts) {
      receipts = readReceipts(conversationId).then(byUser)
      receipts.catch(() => {
        receipts = null
      })
    }
    return receipts
  }

  /** Tells of a receipt, once: positions only go forward. */
  async function passReceipt(receipt: Receipt) {
    if (receipts === null) return tell({ type: 'read', ...receipt })
    const known = await receipts.catch(() => null)
    if (closed) return
    if (known && (known.get(receipt.userId)?.lastReadSeq ?? 0) >= receipt.lastReadSeq) return
    known?.set(receipt.userId, receipt)
    tell({ type: 'read', ...receipt })
  }

  function compareReceipts() {
    if (receipts === null) return
    readReceipts(conversationId).then(
      (now) => now.forEach(passReceipt),
      (err) => log.warn({ err, conversationId }, 'the receipts of a conversation could not be read'),
    )
  }

  return {
    subscribers,
    receive(event) {
      switch (event.type) {
        case 'message':
        case 'message-changed':
          return receiveStep(event.version, event.message && stepOfMessage(event.type, event.message))
        case 'participants':
          return receiveStep(event.from, event.participants && stepOfParticipants(event.from, event.participants))
        case 'details': {
          const changes = [{ version: event.version, change: { type: 'details' as const } }]
          return receiveStep(event.version, { changes, ended: event.deleted ? 'ALL' : [] })
        }
        case 'read':
          return void passReceipt({ ...event, userId: event.user.id, readAt: new Date(event.readAt) })
        case 'typing':
          return event.expiresAt ? startTyping(event.user, new Date(event.expiresAt)) : stopTyping(event.user.id)
        default:
          return event satisfies never
      }
    },
    head(position) {
      at ??= position
      if (position.version > at.version && !ahead.has(position.version)) ahead.set(position.version, null)
      drain()
    },
    hasPassed: (version) => at !== null && at.version >= version && untold.length === 0,
    receipts: async () => newestOf([...(await loadReceipts()).values()]),
    compareReceipts,
    close() {
      closed = true
      clearTimeout(retry)
      for (const { timer } of typists.values()) clearTimeout(timer)
    },
  }
}

/** What one event brought: changes in the order of their versions, told together. */
interface Step {
  changes: { version: number; change: ChangeBody }[]
  ended: Ended
}

function stepOfMessage(type: 'message' | 'message-changed', payload: MessagePayload): Step {
  const message = messageOf(payload)
  return { changes: [{ version: message.version, change: { type, message } }], ended: [] }
}

function stepOfParticipants(from: number, participants: readonly ParticipantPayload[]): Step {
  const changes = participants.map((each, index) => ({
    version: from + index,
    change: { type: 'participant' as const, ...each },
  }))
  // Whoever came has a new stay, which ends an earlier one.
  const ended = changes
    .filter(({ change }) => change.change !== 'ROLE_CHANGED')
    .map(({ version, change }) => ({ userId: change.userId, version }))
  return { changes, ended }
}

const newestOf = (receipts: Receipt[]) =>
  receipts.sort((one, other) => other.readAt.getTime() - one.readAt.getTime()).slice(0, MAX_RECEIPTS)

const byUser = (receipts: readonly Receipt[]) => new Map(receipts.map((receipt) => [receipt.userId, receipt]))
