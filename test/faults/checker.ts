// Compares what the clients were told with what the tables hold. Pure: a history and rows in, what is wrong out.

import { groupBy } from '../../src/lib/group.ts'
import { type History, isAcknowledged, isRefused, type Message, type Received, type Send } from './history.ts'

export interface Tables {
  messages: Message[]
  places: Place[]
}

/** A participant's row; a tombstone where `left`, whose version is the end's. */
export interface Place {
  conversation: string
  user: string
  visibleFromSeq: number
  joinedVersion: number
  version: number
  left: boolean
}

/** Lines to read, by what they say went wrong. */
export interface Verdict {
  lost: string[]
  duplicated: string[]
  outOfOrder: string[]
  leaked: string[]
  /** Other invariants. */
  broken: string[]
}

/** Everything that the history and the tables contradict each other in. */
export function check(history: History, tables: Tables): Verdict {
  const verdict: Verdict = { lost: [], duplicated: [], outOfOrder: [], leaked: [], broken: [] }
  const index = indexOf(tables)
  for (const send of history.sends) checkSend(send, index, verdict)
  checkRealTimeOrder(history.sends, verdict)
  checkNumbers(tables, verdict)
  for (const subscriber of history.subscribers) checkSubscriber(subscriber, index, verdict)
  checkReads(history, index, verdict)
  return verdict
}

interface Index {
  bySeq: Map<string, Message>
  byKey: Map<string, Message[]>
  places: Map<string, Place>
  tables: Tables
}

const join = (...parts: (string | number | null)[]) => parts.join(' ')

function indexOf(tables: Tables): Index {
  const byKey = new Map<string, Message[]>()
  for (const message of tables.messages) {
    if (message.key === null) continue
    const name = join(message.conversation, message.sender, message.key)
    byKey.set(name, [...(byKey.get(name) ?? []), message])
  }
  return {
    bySeq: new Map(tables.messages.map((message) => [join(message.conversation, message.seq), message])),
    byKey,
    places: new Map(tables.places.map((place) => [join(place.conversation, place.user), place])),
    tables,
  }
}

function checkSend(send: Send, { bySeq, byKey }: Index, verdict: Verdict) {
  const stored = send.calls.flatMap((call) => call.stored ?? [])
  for (const { id, seq } of stored) {
    const row = bySeq.get(join(send.conversation, seq))
    if (row?.key !== send.key || row.id !== id) {
      verdict.lost.push(`I1: ${send.key} was acknowledged as seq ${seq} and is not stored there`)
    }
  }
  const rows = byKey.get(join(send.conversation, send.sender, send.key)) ?? []
  if (rows.length > 1) verdict.duplicated.push(`I2: ${send.key} is stored ${rows.length} times`)
  if (new Set(stored.map(({ id, seq }) => join(id, seq))).size > 1) {
    verdict.duplicated.push(`I3: retries of ${send.key} were given seqs ${stored.map(({ seq }) => seq).join(', ')}`)
  }
  if (isRefused(send) && rows.length > 0) verdict.broken.push(`I11: ${send.key} was refused and is stored all the same`)
}

/** I5: what was sent after another was acknowledged has the higher seq. */
function checkRealTimeOrder(sends: Send[], verdict: Verdict) {
  const byConversation = groupBy(sends.filter(isAcknowledged), ({ conversation }) => conversation)
  for (const acknowledged of byConversation.values()) {
    const seqOf = ({ calls }: Send) => calls.find(({ stored }) => stored)!.stored!.seq
    const events = acknowledged.flatMap((send) => [
      { at: send.calls[0]!.calledAt, begins: true, send },
      {
        at: Math.min(...send.calls.filter(({ stored }) => stored).map(({ endedAt }) => endedAt!)),
        begins: false,
        send,
      },
    ])
    events.sort((one, other) => one.at - other.at)
    let head: Send | undefined
    for (const { begins, send } of events) {
      if (begins && head && seqOf(send) < seqOf(head)) {
        verdict.outOfOrder.push(
          `I5: ${send.key} was sent after ${head.key} was acknowledged, and has seq ${seqOf(send)} before ${seqOf(head)}`,
        )
      }
      if (!begins && (!head || seqOf(send) > seqOf(head))) head = send
    }
  }
}

/** I4: the seqs of each conversation are 1 to n. */
function checkNumbers({ messages }: Tables, verdict: Verdict) {
  for (const [conversation, rows] of groupBy(messages, (message) => message.conversation)) {
    const seqs = rows.map(({ seq }) => seq).sort((one, other) => one - other)
    const wrong = seqs.findIndex((seq, place) => seq !== place + 1)
    if (wrong >= 0) verdict.broken.push(`I4: in ${conversation} seq ${wrong + 1} is followed by ${seqs[wrong]}`)
  }
}

function checkSubscriber(subscriber: Received, index: Index, verdict: Verdict) {
  const { name, user, scope, arrivals, from } = subscriber
  /** The last seq by conversation; of the inbox by connection too, as resuming may repeat what came before the break. */
  const last = new Map<string, number>()
  const seen = new Map<string, Set<number>>()
  for (const { connection, message } of arrivals) {
    const { conversation, seq } = message
    const row = index.bySeq.get(join(conversation, seq))
    if (!row) verdict.broken.push(`I12: ${name} got seq ${seq}, which is not stored`)
    else if (row.version === message.version && !isSame(row, message)) {
      verdict.broken.push(`I17: ${name} got another seq ${seq} than the one that is stored`)
    }
    if (scope !== null && scope !== conversation) verdict.leaked.push(`${name} got seq ${seq} of ${conversation}`)
    checkAccess(subscriber, message, index, verdict)

    const stream = scope === null ? join(conversation, connection) : conversation
    const before = last.get(stream) ?? 0
    const mine = seen.get(stream) ?? new Set()
    if (mine.has(seq)) verdict.duplicated.push(`I6: ${name} got seq ${seq} twice`)
    else if (seq < before) verdict.outOfOrder.push(`I6: ${name} got seq ${seq} after ${before}`)
    seen.set(stream, mine.add(seq))
    last.set(stream, Math.max(before, seq))
  }
  const end = subscriber.end()
  if (end !== null) {
    // Whoever lost access need not have had everything before.
    const mayRead = scope === null || index.places.get(join(scope, user))?.left === false
    if (mayRead) verdict.broken.push(`I9: ${name} was ${end}, and may still read`)
    return
  }
  if (scope !== null && index.places.get(join(scope, user))?.left)
    verdict.broken.push(`I15: ${name} goes on after its end`)
  const got = new Set(arrivals.map(({ message }) => join(message.conversation, message.seq)))
  for (const { conversation, seq } of index.tables.messages) {
    const place = index.places.get(join(conversation, user))
    if ((scope !== null && scope !== conversation) || !place || place.left) continue
    if (seq < place.visibleFromSeq || seq <= (from[conversation] ?? 0)) continue
    if (!got.has(join(conversation, seq))) verdict.lost.push(`I6: ${name} never got seq ${seq} of ${conversation}`)
  }
}

/** I15, I16: nothing from after a removal, nothing from before visibleFromSeq, nothing to strangers. */
function checkAccess(
  { name, user }: Received,
  { conversation, seq, version }: Message,
  index: Index,
  verdict: Verdict,
) {
  const place = index.places.get(join(conversation, user))
  if (!place) verdict.leaked.push(`I16: ${name} got seq ${seq} of ${conversation}, and never was in it`)
  else if (place.left && version > place.version) {
    verdict.leaked.push(`I15: ${name} got version ${version}, and was removed at ${place.version}`)
  } else if (seq < place.visibleFromSeq) {
    verdict.leaked.push(`I16: ${name} got seq ${seq}, and may see from ${place.visibleFromSeq} on`)
  }
}

/** I16, I17: a query gives what the viewer may see, all of it and as it is stored. */
function checkReads({ reads }: History, index: Index, verdict: Verdict) {
  for (const { user, conversation, messages } of reads) {
    const place = index.places.get(join(conversation, user))
    const visible = index.tables.messages
      .filter((row) => row.conversation === conversation && place && !place.left && row.seq >= place.visibleFromSeq)
      .sort((one, other) => one.seq - other.seq)
    const seqs = new Set(visible.map(({ seq }) => seq))
    const hidden = messages.filter(({ seq }) => !seqs.has(seq))
    for (const { seq } of hidden) verdict.leaked.push(`I16: ${user} reads seq ${seq} of ${conversation}`)
    for (const [place, row] of visible.entries()) {
      const message = messages[place]
      if (!message || !isSame(message, row)) {
        verdict.broken.push(`I17: ${user} reads ${JSON.stringify(message)} for ${JSON.stringify(row)}`)
        break
      }
    }
  }
}

const FIELDS = ['id', 'seq', 'version', 'body', 'key', 'sender'] as const

function isSame(one: Message, other: Message): boolean {
  return FIELDS.every((field) => one[field] === other[field])
}
