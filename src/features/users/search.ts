import type { RequestContext } from '../../context.ts'
import { parseUserSearchCursor } from '../../lib/cursors.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { requireText } from '../../lib/text.ts'
import { USER_COLUMNS, type UserRow } from './user.ts'
import { wordsOf } from './words.ts'

const MAX_SEARCH = 100
const MAX_TERMS = 5
const MAX_PAGE = 50
const MAX_ROLE = 255

/** A user that was found, and by which of its words. */
export type FoundUser = UserRow & { word: string }

/**
 * Users of whom each term begins a word of the name or username, in the order of the word that the longest term begins;
 * or the user of a whole e-mail address. At most 50. Deactivated ones are left out.
 */
export async function searchUsers(
  ctx: RequestContext,
  { search, role, ...args }: { search: string; role?: string | null | undefined } & Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<FoundUser>> {
  if (args.first != null && (args.first < 1 || args.first > MAX_PAGE)) {
    throw new BadUserInputError(`first must be from 1 to ${MAX_PAGE}.`, 'first')
  }
  const request = requirePage(args)
  const text = requireText(search, 'search', MAX_SEARCH).trim()
  const after = request.after === undefined ? null : parseUserSearchCursor(request.after, 'after')
  const place = [
    after?.word ?? '',
    after?.userId ?? '00000000-0000-0000-0000-000000000000',
    role == null ? null : requireText(role, 'role', MAX_ROLE),
    request.limit + 1,
  ]
  if (text.includes('@')) return pageOf(await ctx.db.query<FoundUser>(BY_EMAIL, [...place, text]), request)
  const [longest, ...others] = wordsOf(text).sort((one, other) => other.length - one.length)
  // Nothing but punctuation begins no word.
  if (longest === undefined) return pageOf<FoundUser>([], request)
  if (others.length >= MAX_TERMS) throw new BadUserInputError(`search must have at most ${MAX_TERMS} words.`, 'search')
  const ends = [longest, ...others].map(endOfPrefix)
  const rows = await ctx.db.query<FoundUser>(BY_WORDS, [...place, longest, ends[0], others, ends.slice(1)])
  return pageOf(rows, request)
}

// word is compared byte by byte, so the words that begin with x are those from x to the end of what x begins. A user two
// of whose words begin with it is found by the first of them.
const BY_WORDS = `
  SELECT ${USER_COLUMNS}, w.word
    FROM user_words w JOIN users u ON u.id = w.user_id
   WHERE w.word >= $5 AND w.word < $6 AND (w.word, w.user_id) > ($1, $2::uuid)
     AND ($3::text IS NULL OR u.role = $3) AND u.deactivated_at IS NULL
     AND NOT EXISTS (SELECT FROM user_words e WHERE e.user_id = w.user_id AND e.word >= $5 AND e.word < w.word)
     AND NOT EXISTS (SELECT FROM unnest($7::text[], $8::text[]) AS term (low, high)
                      WHERE NOT EXISTS (SELECT FROM user_words o WHERE o.user_id = w.user_id
                                           AND o.word >= term.low AND o.word < term.high))
   ORDER BY w.word, w.user_id LIMIT $4`

const BY_EMAIL = `
  SELECT ${USER_COLUMNS}, '' AS word
    FROM users u
   WHERE lower(u.email) = lower($5) AND ('', u.id) > ($1, $2::uuid)
     AND ($3::text IS NULL OR u.role = $3) AND u.deactivated_at IS NULL
   ORDER BY u.id LIMIT $4`

/** The least text that is after all that begin with this one, by bytes of UTF-8. */
const endOfPrefix = (prefix: string) => `${prefix}\u{10FFFF}`
