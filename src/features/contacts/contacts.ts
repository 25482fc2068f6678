import { announce } from '../../bus/announce.ts'
import { type RequestContext, requireUser, viewerId } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import type { ContactStatus } from '../../db/generated/enums.ts'
import { contactCursor, parseContactCursor } from '../../lib/cursors.ts'
import { BadUserInputError, ConflictError, ForbiddenError, NotFoundError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { directKey, lockPair } from '../conversations/direct.ts'
import { type NamedUser, requireNamedUser, takesNoMessages } from '../users/service.ts'
import { blocksBetween } from './blocks.ts'

/** A request of one user to be in contact with another, and what became of it; one for each pair. */
export interface ContactRow {
  id: string
  requesterId: string
  addresseeId: string
  status: ContactStatus
  /** Asked of somebody who blocked the requester: not shown to the addressee. */
  isHidden: boolean
  createdAt: Date
  respondedAt: Date | null
}

/** Columns of a ContactRow, for statements that name the table `c`. */
const COLUMNS = `c.id, c.requester_id AS "requesterId", c.addressee_id AS "addresseeId", c.status,
  c.is_hidden AS "isHidden", c.created_at AS "createdAt", c.responded_at AS "respondedAt"`

/**
 * Asks a user for contact. Again: gives back the first request; where the other one had asked, it is accepted. To whom
 * the other one blocks, all looks as if it were just not answered.
 * @throws ForbiddenError for a deactivated user, ConflictError for one whom the viewer blocks.
 */
export async function requestContact(ctx: RequestContext, named: NamedUser): Promise<ContactRow> {
  const viewer = requireUser(ctx)
  const other = await requireNamedUser(ctx, named)
  const field = named.userId ? 'userId' : 'externalId'
  if (other.id === viewer.id) throw new BadUserInputError('A contact takes two different users.', field)
  if (other.deactivatedAt) throw takesNoMessages(field)
  const key = directKey(viewer.id, other.id)
  const { contact, changed, blocked } = await lockPair(ctx, key, async (query) => {
    const { mine, theirs } = await blocksBetween(query, viewer.id, other.id)
    if (mine) throw youBlock(field)
    const [known] = await query<ContactRow>(`SELECT ${COLUMNS} FROM contacts c WHERE c.pair_key = $1`, [key])
    const step = stepOf(known, viewer.id, theirs)
    const contact = step
      ? await take(query, step, { id: newId(ctx.clock), key, from: viewer.id, to: other.id, isHidden: theirs })
      : known!
    return { contact, changed: step !== null, blocked: theirs }
  })
  if (changed) announceContact(ctx, contact.id, blocked ? [viewer.id] : [viewer.id, other.id])
  return contact
}

/** What a request makes of the pair's contact; null: nothing. */
type Step = 'ask' | 'accept' | 'show'

function stepOf(known: ContactRow | undefined, viewer: string, isBlocked: boolean): Step | null {
  if (!known) return 'ask'
  const isMine = known.requesterId === viewer
  if (known.status === 'PENDING' && !isMine) return 'accept'
  // Whoever declined may ask; whoever was declined is not heard again.
  if (known.status === 'DECLINED' && !isMine) return 'ask'
  // Asked anew after the block ended: now it is shown.
  if (known.isHidden && !isBlocked) return 'show'
  return null
}

interface Asked {
  id: string
  key: string
  from: string
  to: string
  isHidden: boolean
}

async function take(query: Query, step: Step, { id, key, from, to, isHidden }: Asked): Promise<ContactRow> {
  const [contact] =
    step === 'ask'
      ? await query<ContactRow>(
          `INSERT INTO contacts AS c (id, pair_key, requester_id, addressee_id, is_hidden) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (pair_key) DO UPDATE
                   SET requester_id = $3, addressee_id = $4, is_hidden = $5, status = 'PENDING',
                       created_at = clock_timestamp(), responded_at = NULL
             RETURNING ${COLUMNS}`,
          [id, key, from, to, isHidden],
        )
      : await query<ContactRow>(
          `UPDATE contacts c
              SET is_hidden = false, status = CASE WHEN $2 THEN 'ACCEPTED' ELSE c.status END,
                  responded_at = CASE WHEN $2 THEN clock_timestamp() END
            WHERE c.pair_key = $1 RETURNING ${COLUMNS}`,
          [key, step === 'accept'],
        )
  return contact!
}

/**
 * Accepts or declines a request. The same answer again: nothing changes.
 * @throws NotFoundError, ForbiddenError for one's own request, ConflictError for one that was answered otherwise, or for
 * accepting somebody whom the viewer blocks.
 */
export async function respondToContact(
  ctx: RequestContext,
  input: { contactId: string; accept: boolean },
): Promise<ContactRow> {
  const viewer = requireUser(ctx)
  const status = input.accept ? 'ACCEPTED' : 'DECLINED'
  const { contact, told } = await lockContact(ctx, input.contactId, async (query, known) => {
    if (known.addresseeId !== viewer.id) throw new ForbiddenError('Only whom it was asked of may answer it.')
    if (known.status === status) return { contact: known, told: [] }
    if (known.status !== 'PENDING') throw new ConflictError('This request was answered before.', 'contactId')
    const { mine, theirs } = await blocksBetween(query, viewer.id, known.requesterId)
    if (mine && input.accept) throw youBlock('contactId')
    const [contact] = await query<ContactRow>(
      `UPDATE contacts c SET status = $2, responded_at = clock_timestamp() WHERE c.id = $1 RETURNING ${COLUMNS}`,
      [known.id, status],
    )
    return { contact: contact!, told: theirs ? [viewer.id] : [viewer.id, known.requesterId] }
  })
  announceContact(ctx, contact.id, told)
  return contact
}

/**
 * Withdraws a request of one's own, or ends the contact; gives back what there was. Whoever declined may take that back.
 * @throws NotFoundError, ForbiddenError for a request that is to be answered, or that was declined.
 */
export async function removeContact(ctx: RequestContext, globalId: string): Promise<ContactRow> {
  const viewer = requireUser(ctx)
  const { contact, told } = await lockContact(ctx, globalId, async (query, known) => {
    const isMine = known.requesterId === viewer.id
    if (known.status === 'PENDING' && !isMine) throw new ForbiddenError('Decline it by respondToContact.')
    if (known.status === 'DECLINED' && isMine) throw new ForbiddenError('It was declined.')
    const other = isMine ? known.addresseeId : known.requesterId
    const { theirs } = await blocksBetween(query, viewer.id, other)
    await query('DELETE FROM contacts WHERE id = $1', [known.id])
    return { contact: known, told: theirs || known.isHidden ? [viewer.id] : [viewer.id, other] }
  })
  announceContact(ctx, contact.id, told)
  return contact
}

/** Runs a change of a contact that the viewer may see, in a transaction that holds its pair. @throws NotFoundError. */
async function lockContact<T>(
  ctx: RequestContext,
  globalId: string,
  change: (query: Query, known: ContactRow) => Promise<T>,
): Promise<T> {
  const id = requireUuid('Contact', globalId, 'contactId')
  const [seen] = await loadContacts(ctx, [id])
  if (!seen) throw noContact()
  return lockPair(ctx, directKey(seen.requesterId, seen.addresseeId), async (query) => {
    const [known] = await loadContacts(ctx, [id], query)
    if (!known) throw noContact()
    return change(query, known)
  })
}

/** Contacts by internal id, in the order of the ids; null for what is absent, or of others than the viewer. */
export async function loadContacts(
  ctx: RequestContext,
  ids: readonly string[],
  query: Query = ctx.db.query,
): Promise<(ContactRow | null)[]> {
  const rows = await query<ContactRow>(
    `SELECT ${COLUMNS} FROM contacts c
      WHERE c.id = ANY($1::uuid[])
        AND ($2::uuid IS NULL OR c.requester_id = $2 OR (c.addressee_id = $2 AND NOT c.is_hidden))`,
    [ids, viewerId(ctx)],
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id) ?? null)
}

/** The viewer's contacts and requests, both ways, newest first. */
export async function listContacts(
  ctx: RequestContext,
  { status, ...args }: { status?: ContactStatus | null | undefined } & Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<ContactRow>> {
  const viewer = requireUser(ctx)
  const request = requirePage(args)
  const after = request.after === undefined ? LAST : parseContactCursor(request.after, 'after')
  const values = [viewer.id, status ?? null, after, request.limit + 1]
  return pageOf(await ctx.db.query<ContactRow>(`${PAGE} ORDER BY id DESC LIMIT $4`, values), request)
}

const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

const side = (isMine: string) => `(
  SELECT ${COLUMNS} FROM contacts c
   WHERE ${isMine} AND c.id < $3::uuid AND ($2::contact_status IS NULL OR c.status = $2)
   ORDER BY c.id DESC LIMIT $4)`

// Each side by its own index.
const PAGE = `${side('c.requester_id = $1')} UNION ALL ${side('c.addressee_id = $1 AND NOT c.is_hidden')}`

export const contactRowCursor = ({ id }: ContactRow) => contactCursor(id)

/** Tells users that a contact of theirs changed. After the commit. */
function announceContact(ctx: RequestContext, contactId: string, userIds: readonly string[]): void {
  for (const key of userIds) announce(ctx, { type: 'contact', key, contactId })
}

/** The same to whoever may not see it as to whoever names one that is not there. */
function noContact(): NotFoundError {
  return new NotFoundError('There is no such contact.', 'contactId')
}

function youBlock(field: string): ConflictError {
  return new ConflictError('You block this user. Unblock first.', field)
}
