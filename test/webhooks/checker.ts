import { groupBy } from '../../src/lib/group.ts'

// What must be true of a run once all has gone quiet, whatever went wrong during it.

/** A row of the outbox at the end. */
export interface Row {
  id: string
  endpoint: string
  stream: string
  /** Its place in its stream. */
  seq: number
  status: 'PENDING' | 'DELIVERED' | 'DEAD'
  tries: number
}

/** A request that the receiver got, in the order in which they came. */
export interface Arrival {
  id: string
  endpoint: string
  stream: string
  seq: number
  /** Whether it was answered with success. */
  taken: boolean
}

/** What is wrong, one line each. */
export function findProblems(sent: number, rows: readonly Row[], arrivals: readonly Arrival[]): string[] {
  return [
    ...notNoted(sent, rows),
    ...unfinished(rows),
    ...lost(rows, arrivals),
    ...strange(rows, arrivals),
    ...outOfOrder(rows, arrivals),
  ]
}

function notNoted(sent: number, rows: readonly Row[]): string[] {
  return rows.length === sent ? [] : [`not noted: of ${sent} events there are ${rows.length} rows`]
}

function unfinished(rows: readonly Row[]): string[] {
  return rows.filter(({ status }) => status === 'PENDING').map(({ id }) => `unfinished: ${id}`)
}

/** Delivered, and yet the receiver never took it; or dead, and yet not tried as often as is promised. */
function lost(rows: readonly Row[], arrivals: readonly Arrival[]): string[] {
  const taken = new Set(arrivals.filter((each) => each.taken).map(({ id }) => id))
  return rows
    .filter(({ id, status, tries }) => (status === 'DELIVERED' && !taken.has(id)) || (status === 'DEAD' && tries < 10))
    .map(({ id, status }) => `lost: ${id} is ${status}`)
}

/** One event under another's id, or under two. */
function strange(rows: readonly Row[], arrivals: readonly Arrival[]): string[] {
  const known = new Map(rows.map((row) => [row.id, placeOf(row)]))
  return arrivals.filter((each) => known.get(each.id) !== placeOf(each)).map(({ id }) => `strange id: ${id}`)
}

const placeOf = ({ endpoint, stream, seq }: Row | Arrival) => `${endpoint} ${stream} ${seq}`

/** Something came for the first time before what is in front of it was taken or given up. */
function outOfOrder(rows: readonly Row[], arrivals: readonly Arrival[]): string[] {
  const streams = groupBy(rows, (row) => `${row.endpoint} ${row.stream}`)
  const firstCame = new Map<string, number>()
  const firstTaken = new Map<string, number>()
  for (const [index, { id, taken }] of arrivals.entries()) {
    if (!firstCame.has(id)) firstCame.set(id, index)
    if (taken && !firstTaken.has(id)) firstTaken.set(id, index)
  }
  return [...streams.values()].flatMap((stream) => {
    const inOrder = [...stream].sort((a, b) => a.seq - b.seq)
    return inOrder.flatMap((row, index) => {
      const before = inOrder[index - 1]
      if (!before || before.status === 'DEAD') return []
      const came = firstCame.get(row.id)
      const takenBefore = firstTaken.get(before.id) ?? Number.POSITIVE_INFINITY
      return came !== undefined && came < takenBefore ? [`out of order: ${row.id} before ${before.id}`] : []
    })
  })
}
