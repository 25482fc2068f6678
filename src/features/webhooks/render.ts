import type { AppContext, RequestContext } from '../../context.ts'
import { createBatcher } from '../../lib/batch.ts'
import { encodeId } from '../../lib/ids.ts'
import { loadConversations } from '../conversations/access.ts'
import { loadParticipants } from '../conversations/participants.ts'
import { loadMessages } from '../messages/pages.ts'
import type { EventType } from './event-types.ts'
import type { Reference, Waiting } from './outbox.ts'
import type { ConversationData, ParticipantData, WebhookBody, WebhookData } from './payloads.ts'
import { type LoadUser, renderContact, renderMessage, time } from './render-objects.ts'
import { renderSubject } from './render-subjects.ts'

/** The body of the request that tells of an event. */
export type Render = (waiting: Waiting) => Promise<string>

/**
 * Renders bodies out of what is in the database now, so that no text travels that was deleted since. It is read as a
 * service would be shown it; what is asked for by many at once, together.
 */
export function createRenderer(app: AppContext): Render {
  const ctx: RequestContext = { ...app, viewer: { kind: 'service', subject: 'webhooks' } }
  const findMessage = createBatcher(
    (keys: readonly { conversationId: string; seq: number }[]) => loadMessages(ctx, keys),
    ({ conversationId, seq }) => `${conversationId}:${seq}`,
  )
  const findUser: LoadUser = createBatcher(
    async (ids: readonly string[]) => {
      const rows = await ctx.db.query<{ id: string; externalId: string }>(
        'SELECT id, external_id AS "externalId" FROM users WHERE id = ANY($1::uuid[])',
        [ids],
      )
      const byId = new Map(rows.map(({ id, externalId }) => [id, { id: encodeId('User', id), externalId }]))
      return ids.map((id) => byId.get(id) ?? null)
    },
    (id) => id,
  )
  const userOf = async (id: string | null) => (id === null ? null : findUser(id))

  async function messageData({ conversationId, seq }: Reference) {
    const row = await findMessage({ conversationId, seq })
    return {
      conversationId: encodeId('Conversation', conversationId),
      messageId: encodeId('Message', conversationId, seq),
      message: row && renderMessage(row, await userOf(row.senderId)),
    }
  }

  async function conversationData({ conversationId }: Reference): Promise<ConversationData> {
    const id = encodeId('Conversation', conversationId)
    const [row] = await loadConversations(ctx, [conversationId])
    if (!row) return { conversationId: id, conversation: null }
    const { kind, subjectId, title, summary, keyTopics, tags, metadata, closedAt, createdAt, updatedAt } = row
    const times = { closedAt: time(closedAt), createdAt: time(createdAt), updatedAt: time(updatedAt) }
    const conversation = { id, kind, subjectId, title, summary, keyTopics, tags, metadata, ...times }
    return { conversationId: id, conversation }
  }

  async function participantData({ conversationId, userId }: Reference): Promise<ParticipantData> {
    const [row] = await loadParticipants(ctx, [{ conversationId, userId }])
    const id = encodeId('Participant', conversationId, userId)
    return {
      conversationId: encodeId('Conversation', conversationId),
      user: await userOf(userId),
      participant: row ? { id, role: row.role, joinedAt: time(row.joinedAt) } : null,
    }
  }

  async function dataOf(type: EventType, reference: Reference): Promise<WebhookData> {
    switch (type) {
      case 'message.added':
      case 'message.edited':
      case 'message.deleted':
        return messageData(reference)
      case 'conversation.created':
      case 'conversation.updated':
      case 'conversation.closed':
      case 'conversation.reopened':
      case 'conversation.deleted':
        return conversationData(reference)
      case 'participant.joined':
      case 'participant.left':
      case 'participant.removed':
      case 'participant.role_changed':
        return participantData(reference)
      case 'dispute.created':
      case 'dispute.updated':
      case 'payment.created':
      case 'payment.updated':
      case 'job_update.created':
        return { ...(await messageData(reference)), ...(await renderSubject(ctx, userOf, type, reference.subjectId)) }
      case 'contact.requested':
      case 'contact.accepted':
      case 'contact.declined':
      case 'contact.removed':
        return renderContact(ctx, userOf, reference)
    }
  }

  return async ({ eventType: type, createdAt, reference }) => {
    const body: WebhookBody = { type, timestamp: time(createdAt), data: await dataOf(type, reference) }
    return JSON.stringify(body)
  }
}
