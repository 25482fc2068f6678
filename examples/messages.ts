import type { ChatMessageFragment } from '../test/generated/graphql.ts'

// One list of the messages that queries, mutations and subscriptions bring, for both examples.

/** More than any seq of a stored message. */
const PENDING = 2 ** 31

export const isStored = ({ seq }: { seq: number }) => seq < PENDING

/** A copy to show until the message is stored; its seq puts it after those that are. */
export function pendingMessage(body: string, idempotencyKey: string): ChatMessageFragment {
  const createdAt = new Date().toISOString()
  const seq = Date.now()
  return { __typename: 'Message', id: idempotencyKey, seq, cursor: '', body, idempotencyKey, createdAt, sender: null }
}

/**
 * Makes one list by seq, in whatever order and however often the messages of a conversation came. A pending copy goes
 * when the message of its key is there. Where one was missed, as the gap in seq tells, the list begins after it.
 */
export function mergeMessages<Message extends { seq: number; idempotencyKey: string | null }>(
  messages: Message[],
): Message[] {
  const stored = new Map(messages.filter(isStored).map((message) => [message.seq, message]))
  const keys = new Set([...stored.values()].map(({ idempotencyKey }) => idempotencyKey))
  const waiting = messages.filter((message) => !isStored(message) && !keys.has(message.idempotencyKey))
  const pending = new Map(waiting.map((message) => [message.idempotencyKey, message]))
  const list = [...stored.values(), ...pending.values()].sort((a, b) => a.seq - b.seq)
  const gap = list.findLastIndex((message, i) => i > 0 && isStored(message) && message.seq > list[i - 1]!.seq + 1)
  return gap > 0 ? list.slice(gap) : list
}
