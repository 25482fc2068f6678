import type { RequestContext } from '../context.ts'
import type { ChangeBody, Position } from '../features/conversations/changes.ts'
import type { Receipt } from '../features/reads/receipts.ts'
import { conversationCursor } from '../lib/cursors.ts'
import { ResetRequiredError } from '../lib/errors.ts'
import type { FeedEvent } from './feed.ts'
import { followConversation, requireLiveConversation } from './follow.ts'
import { oncePerEvent, type Standing } from './once-per-event.ts'
import { createQueue, type LiveStream } from './queue.ts'
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
): Promise<LiveStream<ConversationHappening>> {
  // The one that all this is read from: a stream that outlives a change of history must not speak for the next one.
  const { epoch } = ctx.db
  const view = await requireLiveConversation(ctx, args.conversationId)
  const conversationId = view.id
  const standing = (at: Position): Standing => ({ conversationId, at, epoch })
  const here = (at: Position) => place(standing(at))
  let after: Position | undefined
  try {
    if (args.after != null) after = positionOf(ctx, view, args.after)
  } catch (error) {
    if (!(error instanceof ResetRequiredError)) throw error
    return only({
      type: 'reset-required',
      reason: error.message,
      ...here({ version: view.version, seq: view.lastSeq }),
    })
  }
  return followConversation<ConversationHappening>(ctx, view, {
    ...(after && { after }),
    first: async (position) => {
      const receipts = await ctx.live.receipts(conversationId)
      return receipts.map((receipt) => ({ type: 'read', ...receipt, ...here(position) }))
    },
    select: (event, position) => {
      if (event.type === 'typing' || event.type === 'ended') return undefined
      return happeningOf(event, standing(position))
    },
    caughtUp: (position) => ({ type: 'caught-up', ...here(position) }),
    revoked: (position) => ({ type: 'access-revoked', ...here(position) }),
  })
}

function place({ conversationId, at, epoch }: Standing): { conversationId: string; cursor: string } {
  return { conversationId, cursor: conversationCursor(epoch, conversationId, at.version, at.seq) }
}

const happeningOf = oncePerEvent<Exclude<FeedEvent, { type: 'typing' | 'ended' }>, ConversationHappening>(
  (event, standing) => Object.assign({}, event, place(standing)),
)

/** A stream of one item. */
function only<Item>(item: Item): LiveStream<Item> {
  const queue = createQueue<Item>({ onClose: () => {} })
  queue.push(item)
  queue.end()
  return queue.stream
}
