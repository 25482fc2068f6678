import { type RequestContext, viewerId } from '../../context.ts'
import type { DisputeStatus } from '../../db/generated/enums.ts'
import { ForbiddenError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { requireText, truncate } from '../../lib/text.ts'
import type { Locked } from '../conversations/change.ts'
import type { MessageRow } from '../messages/message.ts'
import { MAX_BODY } from '../messages/service.ts'
import { runAction } from './action.ts'
import { conversationIdOf, loadSubjects, lockedSubject, type SubjectTable } from './subjects.ts'
import { DISPUTE_TRANSITIONS, requireTransition } from './transitions.ts'

export interface DisputeRow {
  id: string
  conversationId: string
  seq: number
  openedById: string | null
  reason: string
  description: string | null
  status: DisputeStatus
  resolution: string | null
  createdAt: Date
  updatedAt: Date
}

export const DISPUTES: SubjectTable = {
  table: 'disputes',
  columns: `s.id, s.conversation_id AS "conversationId", s.seq, s.opened_by_id AS "openedById", s.reason, s.description, s.status,
    s.resolution, s.created_at AS "createdAt", s.updated_at AS "updatedAt"`,
}

const MAX_REASON = 1_000
const MAX_TEXT = 10_000

export interface CreateDisputeInput {
  conversationId: string
  reason: string
  description?: string | null | undefined
  idempotencyKey?: string | null | undefined
}

/** Opens a dispute in a conversation that the viewer is in; a service's is nobody's. */
export async function createDispute(
  ctx: RequestContext,
  input: CreateDisputeInput,
): Promise<{ dispute: DisputeRow; message: MessageRow }> {
  const conversationId = requireUuid('Conversation', input.conversationId, 'conversationId')
  const reason = requireText(input.reason, 'reason', MAX_REASON)
  const description = input.description == null ? null : requireText(input.description, 'description', MAX_TEXT)
  const request = { conversationId, reason, description }
  const place = {
    conversationId,
    field: 'conversationId',
    operation: 'createDispute',
    key: input.idempotencyKey,
    request,
  }
  const open = async ({ query, view }: Locked) => {
    const id = newId(ctx.clock)
    await query(
      `INSERT INTO disputes (id, conversation_id, seq, opened_by_id, reason, description)
            VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, conversationId, view.lastSeq + 1, viewerId(ctx), reason, description],
    )
    return { kind: 'DISPUTE' as const, subjectId: id, body: `Dispute opened: ${reason}` }
  }
  const done = await runAction(ctx, place, open, { despiteClose: ctx.viewer.kind === 'service' })
  return disputeOf(ctx, done)
}

const NEWS: Record<DisputeStatus, string> = {
  OPEN: 'Dispute opened',
  UNDER_REVIEW: 'Dispute under review',
  RESOLVED: 'Dispute resolved',
  REJECTED: 'Dispute rejected',
  WITHDRAWN: 'Dispute withdrawn',
}

export interface UpdateDisputeStatusInput {
  disputeId: string
  status: DisputeStatus
  resolution?: string | null | undefined
}

/**
 * Moves a dispute on. Whoever opened it may withdraw it, all else is for a service.
 * @throws ConflictError for a status that doesn't follow the present one.
 */
export async function updateDisputeStatus(
  ctx: RequestContext,
  input: UpdateDisputeStatusInput,
): Promise<{ dispute: DisputeRow; message: MessageRow }> {
  const id = requireUuid('Dispute', input.disputeId, 'disputeId')
  const { status } = input
  const resolution = input.resolution == null ? null : requireText(input.resolution, 'resolution', MAX_TEXT)
  const conversationId = await conversationIdOf(ctx, DISPUTES, id, 'disputeId')
  const place = { conversationId, field: 'disputeId', operation: 'updateDisputeStatus', request: null }
  const change = async (locked: Locked) => {
    const dispute = await lockedSubject<DisputeRow>(locked, DISPUTES, id, 'disputeId')
    const mayWithdraw = status === 'WITHDRAWN' && dispute.openedById !== null && dispute.openedById === viewerId(ctx)
    if (ctx.viewer.kind !== 'service' && !mayWithdraw) {
      throw new ForbiddenError('You may only withdraw a dispute that you opened.')
    }
    requireTransition(DISPUTE_TRANSITIONS, dispute.status, status)
    await locked.query(
      `UPDATE disputes SET status = $2, resolution = coalesce($3, resolution), updated_at = clock_timestamp()
        WHERE id = $1`,
      [id, status, resolution],
    )
    const body = resolution === null ? NEWS[status] : truncate(`${NEWS[status]}: ${resolution}`, MAX_BODY)
    return { kind: 'DISPUTE' as const, subjectId: id, body }
  }
  return disputeOf(ctx, await runAction(ctx, place, change, { despiteClose: ctx.viewer.kind === 'service' }))
}

async function disputeOf(ctx: RequestContext, { subjectId, message }: { subjectId: string; message: MessageRow }) {
  const [dispute] = await loadSubjects<DisputeRow>(ctx, DISPUTES, [subjectId])
  return { dispute: dispute!, message }
}
