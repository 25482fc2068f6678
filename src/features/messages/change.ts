import { announce } from '../../bus/announce.ts'
import { type RequestContext, viewerId } from '../../context.ts'
import { ConflictError, ForbiddenError, NotFoundError } from '../../lib/errors.ts'
import { requireMessageKey } from '../../lib/ids.ts'
import { requireText } from '../../lib/text.ts'
import { visibleFrom } from '../conversations/access.ts'
import { type Locked, lockConversation } from '../conversations/change.ts'
import { may } from '../conversations/permissions.ts'
import { MESSAGE_COLUMNS, type MessageRow, payloadOf } from './message.ts'
import { MAX_BODY } from './service.ts'

/** Taken under the lock, so that times don't go back where versions go on; in milliseconds, as they are stored. */
const NOW = "date_trunc('milliseconds', clock_timestamp())"

/**
 * Gives a message another body; what it said before is kept as a revision. What changes nothing raises no version.
 * @throws NotFoundError for one that the viewer can't see, ForbiddenError unless it is the viewer's own text,
 * ConflictError for a deleted one or in a closed conversation.
 */
export async function editMessage(
  ctx: RequestContext,
  input: { messageId: string; body: string },
): Promise<MessageRow> {
  const body = requireText(input.body, 'body', MAX_BODY)
  return changeMessage(ctx, input.messageId, async (message, { query, view, nextVersions }) => {
    if (message.senderId === null || message.senderId !== viewerId(ctx) || message.kind !== 'TEXT') {
      throw new ForbiddenError('You may edit only what you wrote yourself.')
    }
    if (message.deletedAt) throw new ConflictError('This message was deleted.', 'messageId')
    if (view.closedAt) throw new ConflictError('This conversation is closed.', 'messageId')
    if (message.body === body) return null
    const { conversationId, seq } = message
    await query(
      `INSERT INTO message_revisions (conversation_id, seq, version, body, replaced_at) VALUES ($1, $2, $3, $4, ${NOW})`,
      [conversationId, seq, message.version, message.body],
    )
    const [edited] = await query<MessageRow>(
      `UPDATE messages m SET body = $3, edited_at = ${NOW}, version = $4
        WHERE conversation_id = $1 AND seq = $2 RETURNING ${MESSAGE_COLUMNS}`,
      [conversationId, seq, body, await nextVersions(1)],
    )
    return edited!
  })
}

/**
 * Leaves a tombstone of a message: its seq, sender and times, and nothing of what it said. One that is deleted stays as
 * it is. @throws NotFoundError for one that the viewer can't see, ForbiddenError for whoever may not.
 */
export async function deleteMessage(ctx: RequestContext, input: { messageId: string }): Promise<MessageRow> {
  return changeMessage(ctx, input.messageId, async (message, { query, view, nextVersions }) => {
    const isSender = message.senderId !== null && message.senderId === viewerId(ctx)
    if (!isSender && !may(view, 'deleteMessage')) {
      throw new ForbiddenError(`You may delete only your own messages in this ${view.kind} conversation.`)
    }
    if (message.deletedAt) return null
    const { conversationId, seq } = message
    await query('DELETE FROM message_revisions WHERE conversation_id = $1 AND seq = $2', [conversationId, seq])
    await query('UPDATE conversations SET message_count = message_count - 1 WHERE id = $1', [conversationId])
    const [deleted] = await query<MessageRow>(
      `UPDATE messages m SET body = NULL, metadata = '{}', deleted_at = ${NOW}, version = $3
        WHERE conversation_id = $1 AND seq = $2 RETURNING ${MESSAGE_COLUMNS}`,
      [conversationId, seq, await nextVersions(1)],
    )
    return deleted!
  })
}

/** Runs a change of one message, which gives back the row as it is then, or null where it changes nothing. */
async function changeMessage(
  ctx: RequestContext,
  messageId: string,
  change: (message: MessageRow, locked: Locked) => Promise<MessageRow | null>,
): Promise<MessageRow> {
  const { conversationId, seq } = requireMessageKey(messageId, 'messageId')
  const { message, isChanged } = await lockConversation(ctx, conversationId, 'messageId', async (locked) => {
    const message = await requireMessage(locked, seq)
    const changed = await change(message, locked)
    return { message: changed ?? message, isChanged: changed !== null }
  })
  if (isChanged) {
    const { version } = message
    announce(ctx, { type: 'message-changed', key: conversationId, version, seq, message: payloadOf(message) })
  }
  return message
}

async function requireMessage({ query, view }: Locked, seq: number): Promise<MessageRow> {
  const [message] = await query<MessageRow>(
    `SELECT ${MESSAGE_COLUMNS} FROM messages m WHERE m.conversation_id = $1 AND m.seq = $2 AND m.seq >= $3`,
    [view.id, seq, visibleFrom(view)],
  )
  if (!message) throw new NotFoundError('There is no such message.', 'messageId')
  return message
}
