import { type RequestContext, requireService } from '../../context.ts'
import type { Db } from '../../db/client.ts'
import { createBatcher } from '../../lib/batch.ts'
import { auditCursor, parseAuditCursor } from '../../lib/cursors.ts'
import { UnavailableError } from '../../lib/errors.ts'
import { requireUuid } from '../../lib/ids.ts'
import type { JsonObject } from '../../lib/json.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { isStorable, requireText } from '../../lib/text.ts'

// Who of the host's back end did what, and when: every mutation that a service token sends, for itself or for a user.

/** What a service is about to do. */
interface AuditEntry {
  /** The service's `sub`. */
  service: string
  /** For whom, by internal id; null for itself. */
  actedFor: string | null
  operation: string
  subject: JsonObject
}

/** Resolves once an entry is stored. */
export type Audit = (entry: AuditEntry) => Promise<void>

/** Services send much at once: what comes while a statement is under way goes into the next one. */
export function createAudit(db: Db): Audit {
  let count = 0
  const store = createBatcher(
    async (entries: readonly (AuditEntry & { number: number })[]) => {
      await db.query(
        `INSERT INTO audit_entries (service, acted_for, operation, subject)
              SELECT service, acted_for, operation, subject
                FROM unnest($1::text[], $2::uuid[], $3::text[], $4::jsonb[]) WITH ORDINALITY
                     AS given (service, acted_for, operation, subject, number) ORDER BY number`,
        [
          entries.map(({ service }) => service),
          entries.map(({ actedFor }) => actedFor),
          entries.map(({ operation }) => operation),
          entries.map(({ subject }) => JSON.stringify(subject)),
        ],
      )
      return entries.map(() => undefined)
    },
    // Each is stored, however much it is like another.
    ({ number }) => String(number),
  )
  return (entry) => store({ ...entry, number: ++count })
}

/**
 * Notes a mutation of a service before it is done; one of a user's own token is not noted.
 * @throws UnavailableError where it can't be noted: then it must not be done.
 */
export async function noteMutation(ctx: RequestContext, operation: string, args: object): Promise<void> {
  const { viewer } = ctx
  const service = viewer.kind === 'service' ? viewer.subject : viewer.actingService
  if (service === null) return
  const actedFor = viewer.kind === 'user' ? viewer.user.id : null
  try {
    await ctx.audit({ service, actedFor, operation, subject: idsIn(args) })
  } catch (error) {
    ctx.log.error({ err: error, operation }, 'a mutation could not be noted in the audit log, so it was not done')
    throw new UnavailableError('The audit log could not be written. Try again.', undefined, { cause: error })
  }
}

const IS_ID = /(^id|Id|Ids)$/
/** As long as the longest id may be. */
const MAX_ID = 255
/** Longer than the name of any mutation. */
const MAX_NAME = 100
/** As many as the longest list of users may hold. */
const MAX_IDS = 1_000

/**
 * The ids among a mutation's arguments, by their names, in lists of inputs too: a list where there are several. What can't
 * be an id, by its length or characters, is left out.
 */
export function idsIn(args: object): JsonObject {
  const found = new Map<string, string[]>()
  const add = (name: string, id: string) => {
    const ids = found.get(name) ?? []
    if (ids.length < MAX_IDS) ids.push(id)
    found.set(name, ids)
  }
  const collect = (value: object) => {
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'metadata') continue
      for (const each of Array.isArray(inner) ? inner : [inner]) {
        if (typeof each === 'object' && each !== null && !(each instanceof Date)) collect(each)
        else if (IS_ID.test(name) && isId(each)) add(name, each)
      }
    }
  }
  collect(args)
  return Object.fromEntries([...found].map(([name, ids]) => [name, ids.length === 1 ? ids[0]! : ids] as const))
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_ID && isStorable(value)
}

/** An entry as it is stored. */
export interface AuditRow extends AuditEntry {
  /** Its number, as text. */
  id: string
  at: Date
}

/** Behind every entry: the largest bigint. */
const LAST = '9223372036854775807'

/** The audit log, newest first; for a service. */
export async function listAuditEntries(
  ctx: RequestContext,
  {
    actedForId,
    operation,
    ...args
  }: { actedForId?: string | null | undefined; operation?: string | null | undefined } & Pick<
    PageArgs,
    'first' | 'after'
  >,
): Promise<Page<AuditRow>> {
  requireService(ctx)
  const request = requirePage(args)
  const after = request.after === undefined ? LAST : parseAuditCursor(request.after, 'after')
  const actedFor = actedForId == null ? null : requireUuid('User', actedForId, 'actedForId')
  const conditions = [
    { sql: 'a.id < ', value: after },
    ...(actedFor === null ? [] : [{ sql: 'a.acted_for = ', value: actedFor }]),
    ...(operation == null ? [] : [{ sql: 'a.operation = ', value: requireText(operation, 'operation', MAX_NAME) }]),
  ]
  const where = conditions.map(({ sql }, index) => `${index === 0 ? 'WHERE' : 'AND'} ${sql}$${index + 2}`)
  const rows = await ctx.db.query<AuditRow>(
    `SELECT a.id::text AS id, a.at, a.service, a.acted_for AS "actedFor", a.operation, a.subject
       FROM audit_entries a ${where.join(' ')} ORDER BY a.id DESC LIMIT $1`,
    [request.limit + 1, ...conditions.map(({ value }) => value)],
  )
  return pageOf(rows, request)
}

export const auditRowCursor = ({ id }: AuditRow) => auditCursor(id)
