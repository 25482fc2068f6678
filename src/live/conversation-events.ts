import type { RequestContext } from '../context.ts'
import type { ChangeBody, Position } from '../features/conversations/changes.ts'
import type { Receipt } from '../features/reads/receipts.ts'
import { conversationCursor } from '../lib/cursors.ts'
import { ResetRequiredError } from '../lib/errors.ts'
import { followConversation, requireLiveConversation } from './follow.ts'
import { positionOf } from './resume.ts'

/** What a subscriber to all that happens in a conversation gets; `cursor` is where it goes on from. */
export type ConversationHappening = { conversationId: string; cursor: string } & (
  | ChangeBody
  | ({ type: 'read' } & Receipt)
  | { type: 'caught-up' }
  | { type: 'reset-required'; reason: string }
  | { type: 'access-revoked' }
)

/**
 * All that happens in a conversation, but for typing: the present receipts, what was missed since the cursor `after`,
 * then what comes. Where nothing can go on from the cursor, the one item says so.
 */
export async function conversationEvents(
  ctx: RequestContext,
  args: { conversationId: string; after?: string | null | undefined },
): Promise<AsyncIterableIterator<ConversationHappening>> {
  // The one that all this is read from: a stream that outlives a change of history must not speak for the next one.
  const { epoch } = ctx.db
  const view = await requireLiveConversation(ctx, args.conversationId)
  const conversationId = view.id
  const at = ({ version, seq }: Position) => ({
    conversationId,
    cursor: conversationCursor(epoch, conversationId, version, seq),
  })
  let after: Position | undefined
  try {
    if (args.after != null) after = positionOf(ctx, view, args.after)
  } catch (error) {
    if (!(error instanceof ResetRequiredError)) throw error
    const now = at({ version: view.version, seq: view.lastSeq })
    return only({ type: 'reset-required', reason: error.message, ...now })
  }
  return followConversation<ConversationHappening>(ctx, view, {
    ...(after && { after }),
    first: async (position) => {
      const receipts = await ctx.live.receipts(conversationId)
      return receipts.map((receipt) => ({ type: 'read', ...receipt, ...at(position) }))
    },
    select: (event, position) => {
      if (event.type === 'typing' || event.type === 'ended') return undefined
      return { ...event, ...at(position) }
    },
    caughtUp: (position) => ({ type: 'caught-up', ...at(position) }),
    revoked: (position) => ({ type: 'access-revoked', ...at(position) }),
  })
}

async function* only<Item>(item: Item): AsyncGenerator<Item, undefined> {
  yield item
}
