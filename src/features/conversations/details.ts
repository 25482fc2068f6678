import type { RequestContext } from '../../context.ts'
import { BadUserInputError, ConflictError } from '../../lib/errors.ts'
import { canonicalJson, type JsonObject, requireMetadata } from '../../lib/json.ts'
import { requireText } from '../../lib/text.ts'
import { type ConversationView, loadConversations } from './access.ts'
import { announceDetails } from './announce.ts'
import { changeConversation, type Locked } from './change.ts'

export const MAX_TITLE = 255
const MAX_SUMMARY = 10_000
const MAX_LABELS = 50
export const MAX_LABEL = 100

export interface UpdateInput {
  conversationId: string
  title?: string | null | undefined
  summary?: string | null | undefined
  keyTopics?: readonly string[] | null | undefined
  tags?: readonly string[] | null | undefined
  metadata?: JsonObject | null | undefined
}

/** Changes a conversation's own fields: one left out stays, null clears. What changes nothing raises no version. */
export async function updateConversation(ctx: RequestContext, input: UpdateInput): Promise<ConversationView> {
  const given = checkUpdate(input)
  return changeDetails(ctx, input.conversationId, 'update', async ({ query, view, nextVersions }) => {
    const differs = Object.entries(given).some(
      ([field, value]) => canonicalJson(value) !== canonicalJson(view[field as keyof Details]),
    )
    if (!differs) return null
    const version = await nextVersions(1)
    const next = { ...view, ...given }
    await query(
      `UPDATE conversations SET title = $2, summary = $3, key_topics = $4, tags = $5, metadata = $6, ${DETAILS_CHANGED}
        WHERE id = $1`,
      [view.id, next.title, next.summary, next.keyTopics, next.tags, next.metadata],
    )
    return version
  })
}

/** Makes a conversation read-only. @throws ConflictError for a closed one. */
export async function closeConversation(ctx: RequestContext, globalId: string): Promise<ConversationView> {
  return changeDetails(ctx, globalId, 'close', async ({ query, view, nextVersions }) => {
    if (view.closedAt) throw new ConflictError('This conversation is closed.', 'conversationId')
    const version = await nextVersions(1)
    await query(`UPDATE conversations SET closed_at = now(), ${DETAILS_CHANGED} WHERE id = $1`, [view.id])
    return version
  })
}

/** Lets a closed conversation go on. @throws ConflictError for an open one. */
export async function reopenConversation(ctx: RequestContext, globalId: string): Promise<ConversationView> {
  return changeDetails(ctx, globalId, 'close', async ({ query, view, nextVersions }) => {
    if (!view.closedAt) throw new ConflictError('This conversation is open.', 'conversationId')
    const version = await nextVersions(1)
    await query(`UPDATE conversations SET closed_at = NULL, ${DETAILS_CHANGED} WHERE id = $1`, [view.id])
    return version
  })
}

/** Hides a conversation from everybody, for good. */
export async function deleteConversation(ctx: RequestContext, globalId: string): Promise<void> {
  const { id, version } = await changeConversation(ctx, globalId, 'delete', async ({ query, view, nextVersions }) => {
    const version = await nextVersions(1)
    await query(`UPDATE conversations SET deleted_at = now(), ${DETAILS_CHANGED} WHERE id = $1`, [view.id])
    return { id: view.id, version }
  })
  announceDetails(ctx, id, version, true)
}

/** After nextVersions(1), which raised the counter to this change's version. */
const DETAILS_CHANGED = 'details_version = version, updated_at = now()'

/** Runs a change that takes one version, or none (null), tells of it, and gives back the conversation as it is then. */
async function changeDetails(
  ctx: RequestContext,
  globalId: string,
  action: 'update' | 'close',
  change: (locked: Locked) => Promise<number | null>,
): Promise<ConversationView> {
  const { view, version } = await changeConversation(ctx, globalId, action, async (locked) => {
    const version = await change(locked)
    const [view] = await loadConversations(ctx, [locked.view.id], locked.query)
    return { view: view!, version }
  })
  if (version !== null) announceDetails(ctx, view.id, version)
  return view
}

type Details = Pick<ConversationView, 'title' | 'summary' | 'keyTopics' | 'tags' | 'metadata'>

/** The fields that are given, as they will be stored. */
function checkUpdate({ title, summary, keyTopics, tags, metadata }: UpdateInput): Partial<Details> {
  return {
    ...(title !== undefined && { title: title === null ? null : requireText(title, 'title', MAX_TITLE) }),
    ...(summary !== undefined && { summary: summary === null ? null : requireText(summary, 'summary', MAX_SUMMARY) }),
    ...(keyTopics !== undefined && { keyTopics: requireLabels(keyTopics ?? [], 'keyTopics') }),
    ...(tags !== undefined && { tags: requireLabels(tags ?? [], 'tags') }),
    ...(metadata !== undefined && { metadata: requireMetadata(metadata ?? {}, 'metadata') }),
  }
}

function requireLabels(labels: readonly string[], field: string): string[] {
  if (labels.length > MAX_LABELS) throw new BadUserInputError(`${field} must hold at most ${MAX_LABELS}.`, field)
  if (new Set(labels).size < labels.length) throw new BadUserInputError(`${field} has the same twice.`, field)
  return labels.map((label) => requireText(label, field, MAX_LABEL))
}
