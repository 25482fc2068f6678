import type { RequestContext } from '../context.ts'
import type { ConversationView } from '../features/conversations/access.ts'
import { type Position, RESUME_MAX } from '../features/conversations/changes.ts'
import { isMessageCursor, parseConversationCursor, parseInboxCursor, parseMessagePlace } from '../lib/cursors.ts'
import { ResetRequiredError } from '../lib/errors.ts'

/**
 * The position of a conversation's cursor.
 * @throws BadUserInputError for what is none of this conversation, ResetRequiredError where nothing can go on from it.
 */
export function positionOf(ctx: RequestContext, view: ConversationView, cursor: string): Position {
  const { epoch, version, seq } = parseConversationCursor(cursor, view.id, 'after')
  requireEpoch(ctx, epoch)
  if (version > view.version) throw beyondHead()
  // What happened between two stays can't be told of.
  if (version < (view.joinedVersion ?? 0)) throw reset('The cursor is of an earlier stay in the conversation.')
  if (view.version - version > RESUME_MAX) throw tooOld()
  requireSeq(view, seq)
  return { version, seq }
}

/** The same of a message's cursor or the conversation's, for a subscriber to new messages alone. */
export function messagePositionOf(ctx: RequestContext, view: ConversationView, cursor: string): Position {
  if (!isMessageCursor(cursor)) return { version: view.version, seq: positionOf(ctx, view, cursor).seq }
  const { epoch, seq } = parseMessagePlace(cursor, view.id, 'after')
  requireEpoch(ctx, epoch)
  requireSeq(view, seq)
  return { version: view.version, seq }
}

function requireSeq({ lastSeq }: ConversationView, seq: number) {
  if (seq > lastSeq) throw beyondHead()
  if (lastSeq - seq > RESUME_MAX) throw tooOld()
}

/** Cursors of another history of the database lead nowhere in this one. */
function requireEpoch(ctx: RequestContext, epoch: string): void {
  if (epoch !== ctx.db.epoch) throw reset('The database was restored since.')
}

const beyondHead = () => reset('The cursor is ahead of the database.')

export const tooOld = () => reset(`More than ${RESUME_MAX} changes were missed.`)

function reset(reason: string): ResetRequiredError {
  return new ResetRequiredError(`${reason} Fetch anew, and subscribe from the cursor of that answer.`, 'after')
}

/** The snapshot of an inbox cursor. @throws BadUserInputError, ResetRequiredError. */
export async function snapshotOf(ctx: RequestContext, cursor: string): Promise<string> {
  const { epoch, snapshot } = parseInboxCursor(cursor, 'after')
  requireEpoch(ctx, epoch)
  if (xmaxOf(snapshot) > xmaxOf(await ctx.live.readSnapshot())) throw beyondHead()
  return snapshot
}

const xmaxOf = (snapshot: string) => BigInt(snapshot.split(':')[1]!)
