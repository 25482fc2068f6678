import { BadUserInputError } from './errors.ts'

export interface PageArgs {
  first?: number | null | undefined
  after?: string | null | undefined
  last?: number | null | undefined
  before?: string | null | undefined
}

export const DEFAULT_PAGE = 50
export const MAX_PAGE = 100

/** A checked request for one page: `limit` rows from the list's start, or from its end. */
export interface PageRequest {
  limit: number
  from: 'start' | 'end'
  after: string | undefined
  before: string | undefined
}

/** One page of a list, in the list's order. */
export interface Page<Row> {
  rows: Row[]
  hasNextPage: boolean
  hasPreviousPage: boolean
}

/**
 * What the paging arguments ask for. Without `first` and `last` it is 50 rows after `after`, before `before`, else from
 * the end that the list names as its default.
 * @throws BadUserInputError for a `first` or `last` outside 1 to 100, or both.
 */
export function requirePage(args: PageArgs, fallback: 'start' | 'end' = 'start'): PageRequest {
  const first = args.first ?? undefined
  const last = args.last ?? undefined
  const after = args.after ?? undefined
  const before = args.before ?? undefined
  if (first !== undefined && last !== undefined) {
    throw new BadUserInputError('Give first or last, not both.', 'last')
  }
  requireSize(first, 'first')
  requireSize(last, 'last')
  const limit = first ?? last ?? DEFAULT_PAGE
  if (first !== undefined) return { limit, from: 'start', after, before }
  if (last !== undefined) return { limit, from: 'end', after, before }
  const from = after !== undefined ? 'start' : before !== undefined ? 'end' : fallback
  return { limit, from, after, before }
}

function requireSize(size: number | undefined, field: string) {
  if (size !== undefined && (size < 1 || size > MAX_PAGE)) {
    throw new BadUserInputError(`${field} must be from 1 to ${MAX_PAGE}.`, field)
  }
}

/** A page out of the rows that a keyset query gave for `limit + 1`, in the order in which it walked. */
export function pageOf<Row>(walked: Row[], { limit, from, after, before }: PageRequest): Page<Row> {
  const more = walked.length > limit
  const rows = more ? walked.slice(0, limit) : walked
  return from === 'start'
    ? { rows, hasNextPage: more, hasPreviousPage: after !== undefined }
    : { rows: rows.reverse(), hasNextPage: before !== undefined, hasPreviousPage: more }
}
