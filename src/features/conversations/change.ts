import type { RequestContext } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { requireUuid } from '../../lib/ids.ts'
import { type ConversationView, requireView } from './access.ts'
import { type Action, requirePermission } from './permissions.ts'

/** A conversation whose row is locked: what is decided now holds until the transaction ends. */
export interface Locked {
  query: Query
  view: ConversationView
  /** The next `count` versions, one for each row that changes: gives back the first. */
  nextVersions(count: number): Promise<number>
}

/**
 * Runs a change of one conversation in a transaction that holds its row, once the viewer is found to be allowed to. The
 * checks read after the lock, and whoever sends, joins or leaves takes the same lock: so none of them can race it.
 * @throws BadUserInputError, NotFoundError naming `field`; ForbiddenError.
 */
export async function changeConversation<T>(
  ctx: RequestContext,
  globalId: string,
  action: Action,
  change: (locked: Locked) => Promise<T>,
): Promise<T> {
  const id = requireUuid('Conversation', globalId, 'conversationId')
  return lockConversation(ctx, id, 'conversationId', async (locked) => {
    requirePermission(locked.view, action)
    return change(locked)
  })
}

/** The same by internal id, for changes that decide by themselves who may. @throws NotFoundError naming `field`. */
export function lockConversation<T>(
  ctx: RequestContext,
  id: string,
  field: string,
  change: (locked: Locked) => Promise<T>,
): Promise<T> {
  const inTransaction = async (query: Query) => {
    await query('SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE', [id])
    const view = await requireView(ctx, id, field, query)
    return change({ query, view, nextVersions: (count) => raiseVersion(query, id, count) })
  }
  return ctx.turns.take(id, () => ctx.db.transaction(inTransaction))
}

/** Raises the counter by `count`, and gives back the first of the new versions. The row must be locked. */
async function raiseVersion(query: Query, id: string, count: number): Promise<number> {
  const [row] = await query<{ first: number }>(
    `UPDATE conversations SET version = version + $2, xid = pg_current_xact_id()
      WHERE id = $1 RETURNING version - $2 + 1 AS first`,
    [id, count],
  )
  return row!.first
}
