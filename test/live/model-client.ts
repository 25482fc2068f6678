import { expect } from 'vitest'
import type { Change, Position } from '../../src/features/conversations/changes.ts'
import type { Sight, Table } from './model-table.ts'

// A client that keeps a copy of a conversation up to date by what it is told, and holds it against all that is promised.

/** What a subscription sends, and where the client has got to by it. */
export type Item = { at: Position } & (
  | { type: 'change'; change: Change }
  /** All that was missed has been told. */
  | { type: 'caught-up' }
  /** Access is over. */
  | { type: 'revoked' }
)

/** Where a client stood at some time: what it had got to, and its copy then. */
export interface Point {
  position: Position
  sight: Sight
}

export interface Client {
  /** Where it begins, before anything is taken. */
  start(point: Point, visibleFrom: number): void
  take(item: Item): void
  point(): Point
  isCaughtUp(): boolean
  isRevoked(): boolean
}

/**
 * `since` is the version at which the viewer was let in, and `missed` what was there by then: to be had once caught up.
 */
export function createClient(table: Table, viewer: string | null, since: number, missed: Position): Client {
  let position: Position = { version: 0, seq: 0 }
  let sight: Sight = { messages: new Map(), participants: new Map(), details: 0 }
  let visibleFrom = 1
  let lastSeq = 0
  /** The last version of what goes by version. */
  let lastVersion = 0
  let isCaughtUp = false
  let isRevoked = false

  function takeInPlace(version: number) {
    expect(version, 'other changes come once and in order').toBeGreaterThan(lastVersion)
    lastVersion = version
  }

  function takeChange(change: Change, at: Position) {
    const version = 'message' in change ? change.message.version : change.position.version
    expect(version, 'nothing from after the end of access').toBeLessThan(table.endOfStay(viewer, since))
    switch (change.type) {
      case 'message':
        expect(change.message.seq, 'each message once and in order').toBe(lastSeq + 1)
        lastSeq = change.message.seq
        sight.messages.set(lastSeq, version)
        return
      case 'message-changed': {
        const { seq } = change.message
        expect(sight.messages.has(seq), 'only what can be seen and is known changes').toBe(true)
        if (version > at.version) {
          // Read early, with messages of a lower seq: it may come once more in its place.
          expect(version, 'what comes early is news').toBeGreaterThan(sight.messages.get(seq)!)
        } else takeInPlace(version)
        expect(version, 'a message never goes back').toBeGreaterThanOrEqual(sight.messages.get(seq)!)
        sight.messages.set(seq, version)
        return
      }
      case 'participant':
      case 'details':
        takeInPlace(version)
        if (change.type === 'details') sight.details = version
        else if (change.change === 'JOINED' || change.change === 'ROLE_CHANGED') {
          sight.participants.set(change.userId, version)
        } else sight.participants.delete(change.userId)
    }
  }

  return {
    start(point, from) {
      visibleFrom = from
      position = point.position
      sight = copyOf(point.sight)
      lastSeq = Math.max(position.seq, visibleFrom - 1)
      lastVersion = position.version
    },
    take(item) {
      expect(isRevoked, 'nothing comes after the end of access').toBe(false)
      expect(item.at.version, 'the position never goes back').toBeGreaterThanOrEqual(position.version)
      expect(item.at.seq, 'the position never goes back').toBeGreaterThanOrEqual(position.seq)
      position = item.at
      if (item.type === 'change') takeChange(item.change, item.at)
      if (item.type === 'caught-up') {
        isCaughtUp = true
        expect(lastSeq, 'whoever is caught up has what was there').toBeGreaterThanOrEqual(missed.seq)
      }
      if (item.type !== 'revoked') return
      isRevoked = true
      expect(table.endOfStay(viewer, since), 'access ends only when it does').toBeLessThan(Infinity)
    },
    point: () => ({ position, sight: copyOf(sight) }),
    isCaughtUp: () => isCaughtUp,
    isRevoked: () => isRevoked,
  }
}

function copyOf({ messages, participants, details }: Sight): Sight {
  return { messages: new Map(messages), participants: new Map(participants), details }
}
