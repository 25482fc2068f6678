import type { Config } from '../../config.ts'
import type { Query } from '../../db/client.ts'
import type { Draft } from './insert.ts'

/** A draft, with what the database must know besides. */
export interface Send extends Draft {
  /** Of the request, where it came with a key. */
  fingerprint: Buffer | null
  /** Whether it moves its sender's read position. */
  movesRead: boolean
}

/** What became of a send. */
export interface Sent {
  outcome: 'SENT' | 'DEDUPLICATED' | 'KEY_REUSED' | 'NOT_FOUND' | 'CLOSED' | 'REFUSED' | 'NO_REPLY_TO'
  /** Of the message that has been stored, now or under the same key before; this and what follows is null for others. */
  seq: number
  version: number
  createdAt: Date
  /** When its sender's read position went over messages of others, if it did. */
  readAt: Date | null
}

export interface SendRules {
  contactsOnly: boolean
  /** Also into closed conversations, and to who takes no messages. */
  despiteClose?: boolean
}

export function rulesOf({ directMessages }: Pick<Config, 'directMessages'>): SendRules {
  return { contactsOnly: directMessages === 'contacts' }
}

/**
 * Adds messages in one round trip, as if one after the other: the database function locks, checks, numbers and inserts.
 * Waits for who else is at their conversations. Gives back what became of each, in the same order.
 */
export function writeSends(query: Query, sends: readonly Send[], rules: SendRules): Promise<Sent[]> {
  return run<Sent>(query, sends, rules, true)
}

/** The same without waiting: null for those whose conversation another is just changing; nothing was done for them. */
export async function writeFreeSends(query: Query, sends: readonly Send[], rules: SendRules): Promise<(Sent | null)[]> {
  const rows = await run<Sent | Locked>(query, sends, rules, false)
  return rows.map((row) => (row.outcome === 'LOCKED' ? null : row))
}

interface Locked {
  outcome: 'LOCKED'
}

function run<Row extends object>(
  query: Query,
  sends: readonly Send[],
  { contactsOnly, despiteClose = false }: SendRules,
  waits: boolean,
): Promise<Row[]> {
  return query<Row>(
    `SELECT outcome, seq, version, created_at AS "createdAt", read_at AS "readAt"
       FROM send_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      sends.map((send) => send.conversationId),
      sends.map((send) => send.senderId),
      sends.map((send) => send.kind),
      sends.map((send) => send.body),
      sends.map((send) => send.metadata),
      sends.map((send) => send.replyToSeq),
      sends.map((send) => send.subjectId),
      sends.map((send) => send.idempotencyKey),
      sends.map((send) => send.fingerprint),
      sends.map((send) => send.movesRead),
      ...[contactsOnly, despiteClose, waits],
    ],
  )
}
