import { type RequestContext, viewerId } from '../../context.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { requireText } from '../../lib/text.ts'
import type { Locked } from '../conversations/change.ts'
import type { MessageRow } from '../messages/message.ts'
import { runAction } from './action.ts'
import { loadSubjects, type SubjectTable } from './subjects.ts'

export interface JobUpdateRow {
  id: string
  conversationId: string
  seq: number
  /** Null: the host. */
  postedById: string | null
  status: string
  note: string | null
  createdAt: Date
}

export const JOB_UPDATES: SubjectTable = {
  table: 'job_updates',
  columns: `s.id, s.conversation_id AS "conversationId", s.seq, s.posted_by_id AS "postedById", s.status, s.note,
    s.created_at AS "createdAt"`,
}

const MAX_STATUS = 100
const MAX_NOTE = 1_000

export interface PostJobUpdateInput {
  conversationId: string
  status: string
  note?: string | null | undefined
  idempotencyKey?: string | null | undefined
}

/** Says how the job goes, in the host's own words; the host may after the conversation was closed too. */
export async function postJobUpdate(
  ctx: RequestContext,
  input: PostJobUpdateInput,
): Promise<{ jobUpdate: JobUpdateRow; message: MessageRow }> {
  const conversationId = requireUuid('Conversation', input.conversationId, 'conversationId')
  const status = requireText(input.status, 'status', MAX_STATUS)
  const note = input.note == null ? null : requireText(input.note, 'note', MAX_NOTE)
  const request = { conversationId, status, note }
  const place = {
    conversationId,
    field: 'conversationId',
    operation: 'postJobUpdate',
    key: input.idempotencyKey,
    request,
  }
  const post = async ({ query, view }: Locked) => {
    const id = newId(ctx.clock)
    await query(
      `INSERT INTO job_updates (id, conversation_id, seq, posted_by_id, status, note)
            VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, conversationId, view.lastSeq + 1, viewerId(ctx), status, note],
    )
    const body = note === null ? `Job update: ${status}` : `Job update: ${status}. ${note}`
    return { kind: 'JOB_UPDATE' as const, subjectId: id, body }
  }
  const { subjectId, message } = await runAction(ctx, place, post, { despiteClose: ctx.viewer.kind === 'service' })
  const [jobUpdate] = await loadSubjects<JobUpdateRow>(ctx, JOB_UPDATES, [subjectId])
  return { jobUpdate: jobUpdate!, message }
}
