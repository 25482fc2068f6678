import type { ConversationEvent, ParticipantPayload } from '../../src/bus/topics.ts'
import type { Change, Changes, Position } from '../../src/features/conversations/changes.ts'
import { type MessageRow, payloadOf } from '../../src/features/messages/message.ts'

// One conversation in memory, told again in words of its own: what may be done in it, what it announces, and what
// readChanges promises to read of it.

export const CONVERSATION = 'c'

interface Place {
  /** Raised by whatever changes the place. */
  version: number
  joinedVersion: number
  change: ParticipantPayload['change']
  isIn: boolean
  visibleFrom: number
}

interface State {
  version: number
  /** By seq, from 1. */
  messages: MessageRow[]
  places: Map<string, Place>
  detailsVersion: number
  isDeleted: boolean
}

/** What a viewer sees: the version of each thing. */
export interface Sight {
  messages: Map<number, number>
  participants: Map<string, number>
  details: number
}

/** The stay of a viewer who has access. */
export interface Stay {
  joinedVersion: number | null
  visibleFrom: number
}

/** Commits give back what is announced of them; null where there is nothing to change. */
export type Table = ReturnType<typeof createTable>

/** `pageSize` is the number of messages of either sort that are read at once. */
export function createTable({ founders = [], pageSize = 500 }: { founders?: string[]; pageSize?: number } = {}) {
  const place = (version: number, visibleFrom: number): Place => ({
    ...{ version, joinedVersion: version, change: 'JOINED', isIn: true, visibleFrom },
  })
  const state: State = {
    version: 0,
    messages: [],
    places: new Map(founders.map((userId) => [userId, place(0, 1)])),
    detailsVersion: 0,
    isDeleted: false,
  }
  /** Whose access ended at which version; null: everybody's. */
  const ends: { userId: string | null; version: number }[] = []

  function rewrite(seq: number, change: Partial<MessageRow>): ConversationEvent | null {
    const old = state.messages[seq - 1]
    if (!old || old.deletedAt) return null
    const message = { ...old, version: ++state.version, ...change }
    state.messages[seq - 1] = message
    const { version } = message
    return { type: 'message-changed', key: CONVERSATION, version, seq, message: payloadOf(message) }
  }

  function changePlace(userId: string, change: 'LEFT' | 'REMOVED' | 'ROLE_CHANGED'): ConversationEvent | null {
    const old = state.places.get(userId)
    if (!old?.isIn) return null
    const version = ++state.version
    state.places.set(userId, { ...old, version, change, isIn: change === 'ROLE_CHANGED' })
    if (change !== 'ROLE_CHANGED') ends.push({ userId, version })
    return { type: 'participants', key: CONVERSATION, from: version, participants: [{ userId, change }] }
  }

  return {
    head: (): Position => ({ version: state.version, seq: state.messages.length }),
    send(senderId: string | null = null): ConversationEvent {
      const version = ++state.version
      const seq = state.messages.length + 1
      const message: MessageRow = {
        ...{ conversationId: CONVERSATION, seq, version, senderId, sender: null, kind: 'TEXT', body: `sent ${seq}` },
        ...{ metadata: {}, replyToSeq: null, subjectId: null, idempotencyKey: null },
        ...{ createdAt: new Date(0), editedAt: null, deletedAt: null },
      }
      state.messages.push(message)
      return { type: 'message', key: CONVERSATION, version, seq, message: payloadOf(message) }
    },
    edit: (seq: number) => rewrite(seq, { body: `edited at version ${state.version + 1}`, editedAt: new Date(1) }),
    remove: (seq: number) => rewrite(seq, { body: null, deletedAt: new Date(2) }),
    /** All at once, one version for each who is not in yet. */
    join(userIds: readonly string[], withHistory = true): ConversationEvent | null {
      const from = state.version + 1
      const joined = userIds.filter((userId) => !state.places.get(userId)?.isIn)
      const visibleFrom = withHistory ? 1 : state.messages.length + 1
      for (const userId of joined) state.places.set(userId, place(++state.version, visibleFrom))
      const participants = joined.map((userId) => ({ userId, change: 'JOINED' as const }))
      return joined.length > 0 ? { type: 'participants', key: CONVERSATION, from, participants } : null
    },
    changePlace,
    changeDetails(deleted = false): ConversationEvent {
      const version = ++state.version
      state.detailsVersion = version
      state.isDeleted = deleted
      if (deleted) ends.push({ userId: null, version })
      return { type: 'details', key: CONVERSATION, version, deleted }
    },
    isDeleted: () => state.isDeleted,
    /** Null to whoever has no access; `viewer` null: a service. */
    stayOf(viewer: string | null): Stay | null {
      if (state.isDeleted) return null
      if (viewer === null) return { joinedVersion: null, visibleFrom: 1 }
      const place = state.places.get(viewer)
      return place?.isIn ? place : null
    },
    /** The version at which the access that a viewer had at version `since` ended; Infinity: it goes on. */
    endOfStay(viewer: string | null, since: number): number {
      const isOf = (userId: string | null) => userId === null || userId === viewer
      return ends.find(({ userId, version }) => version > since && isOf(userId))?.version ?? Infinity
    },
    sightOf(visibleFrom: number): Sight {
      const messages = state.messages.filter(({ seq }) => seq >= visibleFrom)
      const places = [...state.places].filter(([, { isIn }]) => isIn)
      return {
        messages: new Map(messages.map(({ seq, version }) => [seq, version])),
        participants: new Map(places.map(([userId, { version }]) => [userId, version])),
        details: state.detailsVersion,
      }
    },
    /** The two looks of readChanges, which may be taken one after the other, and what it makes of them. */
    look: (): State => ({ ...state, messages: [...state.messages], places: new Map(state.places) }),
    changes: (after: Position, first: State, { places }: State) => changesOf(after, first, places, pageSize),
  }
}

function changesOf(after: Position, state: State, places: State['places'], pageSize: number): Changes {
  if (state.isDeleted) return { changes: [], ended: 'ALL', to: after, more: false }
  const moved = [...places].filter(([, { version }]) => version > after.version)
  const ended = moved
    .filter(([, { isIn, joinedVersion }]) => !isIn || joinedVersion > after.version)
    .map(([userId, { isIn, version, joinedVersion }]) => ({ userId, version: isIn ? joinedVersion : version }))

  const added = state.messages.slice(after.seq)
  const tell = (messages: MessageRow[]): Change[] =>
    messages.map((message) => ({ type: 'message', message, position: { version: after.version, seq: message.seq } }))
  if (added.length > pageSize) {
    const page = added.slice(0, pageSize)
    return { changes: tell(page), ended, to: { version: after.version, seq: page.at(-1)!.seq }, more: true }
  }

  const seq = state.messages.length
  const edited = state.messages
    .slice(0, after.seq)
    .filter(({ version, editedAt, deletedAt }) => version > after.version && (editedAt || deletedAt))
    .sort((one, other) => one.version - other.version)
    .slice(0, pageSize)
  const more = edited.length === pageSize
  const to = { version: more ? edited.at(-1)!.version : state.version, seq }
  const others: Change[] = [
    ...edited.map((message) => ({
      ...{ type: 'message-changed' as const, message, position: { version: message.version, seq } },
    })),
    ...moved.map(([userId, { change, version, joinedVersion }]) => ({
      ...{ type: 'participant' as const, userId, position: { version, seq } },
      change: change === 'ROLE_CHANGED' && joinedVersion > after.version ? ('JOINED' as const) : change,
    })),
  ]
  if (state.detailsVersion > after.version) {
    others.push({ type: 'details', position: { version: state.detailsVersion, seq } })
  }
  const due = others.filter(({ position }) => position.version <= to.version)
  return { changes: [...tell(added), ...due.sort((a, b) => a.position.version - b.position.version)], ended, to, more }
}
