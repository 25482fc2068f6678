import type { ParticipantPayload } from '../../bus/topics.ts'
import type { Query } from '../../db/client.ts'
import { groupBy } from '../../lib/group.ts'
import { MESSAGE_COLUMNS, type MessageRow } from '../messages/message.ts'
import { addSenders } from '../messages/senders.ts'

/** How far somebody has got in a conversation: all messages up to `seq`, and all other changes up to `version`. */
export interface Position {
  version: number
  seq: number
}

/** One durable change. */
export type ChangeBody =
  | { type: 'message'; message: MessageRow }
  /** Edited or deleted, or what hangs on it changed. */
  | { type: 'message-changed'; message: MessageRow }
  | ({ type: 'participant' } & ParticipantPayload)
  /** The conversation's own fields. */
  | { type: 'details' }

/** A change, and the position of whoever has it and all before it. */
export type Change = ChangeBody & { position: Position }

/** Whose access ended, or ended and began anew, at which version; ALL where the conversation was deleted. */
export type Ended = { userId: string; version: number }[] | 'ALL'

/** What a conversation holds beyond a position. */
export interface Changes {
  /** In order: first the messages beyond its seq by seq, as they are now, then the other changes by version. */
  changes: Change[]
  /** To be heeded before the changes, as it may be later than they are. */
  ended: Ended
  /** What this covers, and whether there was more to read. */
  to: Position
  more: boolean
}

export interface ChangesKey {
  conversationId: string
  after: Position
}

/** How many changes back anybody is told of what was missed. */
export const RESUME_MAX = 100_000

/** Messages of one conversation that are read at once, of either sort: they wait in memory for whoever reads slowly. */
const PAGE = 100

/**
 * What several conversations hold beyond a position each, in the order of the keys: three statements in all. A version
 * that no row carries any more was superseded by a later one. Checks no access: for whoever passes on to those who have it.
 */
export async function readChanges(query: Query, keys: readonly ChangesKey[]): Promise<Changes[]> {
  const values = [
    keys.map(({ conversationId }) => conversationId),
    keys.map(({ after }) => after.version),
    keys.map(({ after }) => after.seq),
  ]
  const rows = await query<HeadRow>(HEADS_AND_MESSAGES, values)
  await addSenders(
    query,
    rows.filter((row) => row.isNew !== null),
  )
  const heads = groupBy(rows, ({ key }) => key)
  // Read later than the messages, so that nobody gets those after the end of a stay.
  const places = groupBy(await query<PlaceRow>(PLACES, values.slice(0, 2)), ({ key }) => key)
  return keys.map(({ after }, index) => changesOf(after, heads.get(index)!, places.get(index) ?? []))
}

/** A conversation's head, which is null where it is no more, with one of the messages to tell of, if there are any. */
type HeadRow = {
  key: number
  headVersion: number | null
  headSeq: number
  detailsVersion: number
  isDeleted: boolean
} & ({ isNew: null } | ({ isNew: true } & MessageRow) | ({ isNew: false } & MessageRow))

// Edits are read once no new message is left, so that a page is all of one sort until then.
const HEADS_AND_MESSAGES = `
  SELECT wanted.n::int - 1 AS key, c.version AS "headVersion", c.last_seq AS "headSeq",
         c.details_version AS "detailsVersion", c.deleted_at IS NOT NULL AS "isDeleted", m.*
    FROM unnest($1::uuid[], $2::int[], $3::int[]) WITH ORDINALITY AS wanted (id, version, seq, n)
    LEFT JOIN conversations c ON c.id = wanted.id
    LEFT JOIN LATERAL (
      (SELECT true AS "isNew", ${MESSAGE_COLUMNS} FROM messages m
        WHERE m.conversation_id = c.id AND m.seq > wanted.seq
        ORDER BY m.seq LIMIT ${PAGE})
      UNION ALL
      (SELECT false, ${MESSAGE_COLUMNS} FROM messages m
        WHERE m.conversation_id = c.id AND m.version > wanted.version AND m.seq <= wanted.seq
          AND (m.edited_at IS NOT NULL OR m.deleted_at IS NOT NULL) AND c.last_seq - wanted.seq <= ${PAGE}
        ORDER BY m.version LIMIT ${PAGE})) AS m ON true
   ORDER BY wanted.n, m."isNew" DESC, CASE WHEN m."isNew" THEN m.seq ELSE m.version END`

interface PlaceRow {
  key: number
  userId: string
  version: number
  change: ParticipantPayload['change']
  joinedVersion: number
  hasLeft: boolean
}

const PLACES = `
  SELECT wanted.n::int - 1 AS key, p.user_id AS "userId", p.version, p.change, p.joined_version AS "joinedVersion",
         p.left_at IS NOT NULL AS "hasLeft"
    FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS wanted (id, version, n)
    JOIN participants p ON p.conversation_id = wanted.id AND p.version > wanted.version
   ORDER BY wanted.n, p.version`

function changesOf(after: Position, rows: readonly HeadRow[], places: readonly PlaceRow[]): Changes {
  const { headVersion, headSeq, detailsVersion, isDeleted } = rows[0]!
  if (headVersion === null || isDeleted) return { changes: [], ended: 'ALL', to: after, more: false }
  const ended = places
    .filter((place) => place.hasLeft || place.joinedVersion > after.version)
    .map(({ userId, version, hasLeft, joinedVersion }) => ({ userId, version: hasLeft ? version : joinedVersion }))
  const added: Change[] = rows
    .filter((row) => row.isNew === true)
    .map((message) => ({ type: 'message', message, position: { version: after.version, seq: message.seq } }))
  if (headSeq - after.seq > PAGE) return { changes: added, ended, to: added.at(-1)!.position, more: true }

  const at = (version: number): Position => ({ version, seq: headSeq })
  const edited = rows.filter((row) => row.isNew === false)
  // A full page may have been cut: what it covers ends with its last row.
  const more = edited.length === PAGE
  const to = at(more ? edited.at(-1)!.version : headVersion)
  const others: Change[] = edited.map((message) => ({
    type: 'message-changed',
    message,
    position: at(message.version),
  }))
  for (const { userId, change, version, joinedVersion } of places) {
    // Whoever came and was given a role since has come, to those who don't know of it.
    const told = change === 'ROLE_CHANGED' && joinedVersion > after.version ? 'JOINED' : change
    others.push({ type: 'participant', userId, change: told, position: at(version) })
  }
  if (detailsVersion > after.version) others.push({ type: 'details', position: at(detailsVersion) })
  const due = others.filter(({ position }) => position.version <= to.version)
  due.sort((one, other) => one.position.version - other.position.version)
  return { changes: [...added, ...due], ended, to, more }
}
