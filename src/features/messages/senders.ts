import type { Query } from '../../db/client.ts'
import { PROFILE_COLUMNS, type UserProfile } from '../users/user.ts'
import type { MessageRow } from './message.ts'

/**
 * Adds the senders' profiles to messages, in one statement: a page has few senders, and a message that brings its own is
 * executed without waiting for a loader.
 */
export async function addSenders(query: Query, messages: readonly MessageRow[]): Promise<void> {
  const ids = [...new Set(messages.flatMap(({ senderId }) => senderId ?? []))]
  if (ids.length === 0) return
  const senders = await query<UserProfile>(`SELECT ${PROFILE_COLUMNS} FROM users u WHERE u.id = ANY($1::uuid[])`, [ids])
  const byId = new Map(senders.map((sender) => [sender.id, sender]))
  for (const message of messages) {
    message.sender = message.senderId === null ? null : (byId.get(message.senderId) ?? null)
  }
}
