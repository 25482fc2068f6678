import { setTimeout as delay } from 'node:timers/promises'
import { type MessageNode, request } from './api.ts'
import { ADD, DELETE, EDIT, MARK_READ, REMOVE, SEND, UPDATE } from './documents.ts'
import { type Call, type History, isAcknowledged, type Send } from './history.ts'
import { waitUntil } from './wait.ts'
import type { Group } from './world.ts'

// The generator: a steady, bounded load, the same in each run but for the order in which answers come.

export interface Load {
  /** Operations of all kinds so far, each counted once however often it was retried. */
  operations(): number
  acknowledged(): number
  /** Sends one message to a conversation, retried until it is decided; gives back its record. */
  send(group: Group, options?: SendOptions): Promise<Send>
  /** From now on nothing but sends, each one statement, or nothing at all; resolves once the rest is done. */
  only(what: Allowed): Promise<void>
  /** Ends it once every send is decided; those that are unknown are retried, with the same key, until then. */
  stop(): Promise<void>
}

export type Allowed = 'everything' | 'sends' | 'nothing'

export interface SendOptions {
  sender?: string
  body?: string
  /** Which node is tried first. */
  node?: number
}

export interface Target {
  name: string
  url: string
  isUp(): boolean
}

interface LoadDeps {
  history: History
  groups: Group[]
  /** Who is in none of the groups. */
  stranger: string
  targets: Target[]
  /** The user by whom participants are let in and out. */
  userIds: Map<string, string>
  /** Messages that each sender sends in a second, at most. */
  perSecond: number
  /** After so many acknowledged operations each, the guest of another group leaves. */
  leaveEach: number
}

const RETRY_MS = 150
const PATIENCE_MS = 60_000

export function startLoad({ history, groups, stranger, targets, userIds, perSecond, leaveEach }: LoadDeps): Load {
  let stopping = false
  let operations = 0
  let count = 0
  let acknowledged = 0
  let allowed: Allowed = 'everything'
  /** Under way: sends, and what is not a send. */
  let sends = 0
  let others = 0

  /** The nodes in the order in which they are tried: the preferred one first while it is up. */
  function pick(preferred: number, attempt: number): Target {
    const up = targets.filter((target) => target.isUp())
    const from = up.length > 0 ? up : targets
    return from[(preferred + attempt) % from.length]!
  }

  async function call(record: Send, target: Target): Promise<Call> {
    const entry: Call = { node: target.name, calledAt: history.now(), endedAt: null, outcome: 'unknown' }
    record.calls.push(entry)
    const from = performance.now()
    const { conversation, body, key, sender } = record
    const answer = await request<{ sendMessage: { message: MessageNode } }>(target.url, sender, SEND, {
      input: { conversationId: conversation, body, idempotencyKey: key },
    })
    entry.milliseconds = performance.now() - from
    entry.endedAt = history.now()
    entry.outcome = answer.outcome
    if (answer.outcome === 'ok') {
      const { id, seq, version } = answer.data.sendMessage.message
      entry.stored = { id, seq, version }
    } else entry.code = answer.code
    return entry
  }

  async function send(group: Group, { sender = group.members[0]!, body, node = 0 }: SendOptions = {}): Promise<Send> {
    const number = ++count
    operations++
    const key = `${sender}-${number}`
    const record: Send = { conversation: group.id, sender, key, body: body ?? `message ${number}`, calls: [] }
    history.sends.push(record)
    sends++
    for (let attempt = 0; ; attempt++) {
      const { outcome } = await call(record, pick(node, attempt))
      if (outcome !== 'unknown') break
      await delay(RETRY_MS)
    }
    sends--
    if (isAcknowledged(record)) acknowledged++
    return record
  }

  /** Anything else that is done until it is decided. */
  async function perform(user: string, query: string, input: object, node: number) {
    if (allowed !== 'everything') return
    operations++
    others++
    for (let attempt = 0; ; attempt++) {
      const { outcome } = await request(pick(node, attempt).url, user, query, { input })
      if (outcome !== 'unknown') break
      await delay(RETRY_MS)
    }
    others--
    acknowledged++
  }

  /** One sender: sends, and now and then does something else. */
  async function sendSteadily(group: Group, sender: string, node: number) {
    for (let turn = 1; !stopping; turn++) {
      while (allowed === 'nothing' && !stopping) await delay(RETRY_MS)
      const from = performance.now()
      const record = await send(group, { sender, node })
      // I3: whoever lost the answer gets the same one.
      if (turn % 10 === 0) await call(record, pick(node + 1, 0))
      if (turn % 7 === 0) await perform(group.members[1]!, MARK_READ, { conversationId: group.id }, node)
      const { stored } = record.calls.at(-1)!
      if (stored && turn % 12 === 0) await perform(sender, EDIT, { messageId: stored.id, body: `edited ${turn}` }, node)
      if (stored && turn % 18 === 0) await perform(sender, DELETE, { messageId: stored.id }, node)
      if (turn % 40 === 0) await perform('service', UPDATE, { conversationId: group.id, title: `Title ${turn}` }, node)
      // I11: what is refused must leave no trace.
      if (turn % 25 === 0) await sendInVain(group, node)
      await delay(Math.max(0, 1000 / perSecond - (performance.now() - from)))
    }
  }

  async function sendInVain(group: Group, node: number) {
    const key = `${stranger}-${++count}`
    const record: Send = { conversation: group.id, sender: stranger, key, body: 'not for them', calls: [] }
    operations++
    history.sends.push(record)
    await call(record, pick(node, 0))
  }

  /** Lets the guest of each group out and the joiner in, one group after the other. */
  async function changePlaces() {
    for (const [index, group] of groups.entries()) {
      const due = acknowledged + leaveEach
      while (!stopping && (allowed !== 'everything' || acknowledged < due)) await delay(RETRY_MS)
      await perform('service', REMOVE, { conversationId: group.id, userId: userIds.get(group.guest) }, index)
      await perform('service', ADD, { conversationId: group.id, externalIds: [group.joiner] }, index)
    }
  }

  const running = [
    ...groups.flatMap((group) => group.members.map((sender, index) => sendSteadily(group, sender, index))),
    changePlaces(),
  ]
  return {
    operations: () => operations,
    acknowledged: () => acknowledged,
    send,
    async only(what) {
      allowed = what
      const isDone = () => what === 'everything' || (others === 0 && (what === 'sends' || sends === 0))
      await waitUntil(`the rest of the load, for ${what}`, PATIENCE_MS, isDone)
    },
    async stop() {
      stopping = true
      await Promise.all(running)
    },
  }
}
