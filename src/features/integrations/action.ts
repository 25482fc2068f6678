import type { RequestContext } from '../../context.ts'
import type { MessageKind } from '../../db/generated/enums.ts'
import { ConflictError } from '../../lib/errors.ts'
import { type Locked, lockConversation } from '../conversations/change.ts'
import { idempotent } from '../idempotency/service.ts'
import { announceMessage, type Inserted, type InsertOptions, insertMessage, senderOf } from '../messages/insert.ts'
import type { MessageRow } from '../messages/message.ts'
import { loadMessages } from '../messages/pages.ts'

/** What the message of an action says, and of what. */
export interface ActionNews {
  kind: Extract<MessageKind, 'DISPUTE' | 'PAYMENT' | 'JOB_UPDATE'>
  subjectId: string
  body: string
}

/** Where an action takes place, and by which key it is told from its retry. */
export interface ActionPlace {
  conversationId: string
  /** The argument that named the conversation, or what is in it. */
  field: string
  operation: string
  key?: string | null | undefined
  /** What a retry must ask for again. */
  request: unknown
}

/**
 * Runs an integration action: a change of state and the message that tells of it, in one transaction that holds the
 * conversation's row. `change` makes the first and says the second. Gives back what it is about, and the message.
 * @throws NotFoundError for a conversation that the viewer is not in, ConflictError for a closed one (but for what the
 * host may do there) or a key that was used with another request.
 */
export async function runAction(
  ctx: RequestContext,
  { conversationId, field, operation, key, request }: ActionPlace,
  change: (locked: Locked) => Promise<ActionNews>,
  options?: InsertOptions,
): Promise<{ subjectId: string; message: MessageRow }> {
  let inserted: Inserted | null = null
  const done = await lockConversation(ctx, conversationId, field, (locked) =>
    idempotent(ctx, locked.query, { operation, key, request }, async () => {
      const { subjectId, kind, body } = await change(locked)
      const draft = { conversationId, ...senderOf(ctx), kind, body, metadata: {}, replyToSeq: null, subjectId }
      const sent = await insertMessage(ctx, locked.query, { ...draft, idempotencyKey: null }, options)
      inserted = sent as Inserted
      return { subjectId, seq: inserted.message.seq }
    }),
  )
  if (inserted) announceMessage(ctx, inserted)
  // As it was inserted, should the viewer have been removed since.
  const message =
    (inserted as Inserted | null)?.message ?? (await loadMessages(ctx, [{ conversationId, seq: done.seq }]))[0]
  // Done before the viewer joined anew without history.
  if (!message) throw new ConflictError('This idempotencyKey was used before.', 'idempotencyKey')
  return { subjectId: done.subjectId, message }
}
