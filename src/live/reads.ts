import type { Db } from '../db/client.ts'
import { type ConversationView, loadViews, type ViewKey } from '../features/conversations/access.ts'
import { type Changes, type ChangesKey, type Position, readChanges } from '../features/conversations/changes.ts'
import {
  type ListChange,
  type Missed,
  type PlaceRow,
  readListChanges,
  readPlaces,
  readSnapshot,
  readUnseenMessages,
  type SinceKey,
} from '../features/conversations/places.ts'
import { type Receipt, readReceipts } from '../features/reads/receipts.ts'
import { createBatcher } from '../lib/batch.ts'

/** How far a conversation has got. */
export interface Head extends Position {
  id: string
}

/**
 * What subscriptions read of the database. Many ask at once, as after a lost connection: what they ask for while a
 * statement is under way is read together by the next one.
 */
export interface Reads {
  /** A conversation's head; null for what is no more. */
  readHead(id: string): Promise<Head | null>
  /** Heads in the order of the ids, by a statement of their own. */
  readHeads(ids: readonly string[]): Promise<(Head | null)[]>
  /** What a viewer sees of a conversation. */
  readView(key: ViewKey): Promise<ConversationView | null>
  /** What a conversation holds beyond a position. */
  readChanges(conversationId: string, after: Position): Promise<Changes>
  readReceipts(conversationId: string): Promise<Receipt[]>
  /** A user's places, what changed in its list since a snapshot, and where it missed messages. */
  readPlaces(userId: string): Promise<PlaceRow[]>
  readListChanges(key: SinceKey): Promise<ListChange[]>
  readUnseenMessages(key: SinceKey): Promise<Missed[]>
  /** What PostgreSQL sees now, as a pg_snapshot. */
  readSnapshot(): Promise<string>
}

/** Pages of what was missed that one statement reads. */
const PAGES_AT_ONCE = 50

export function createReads({ query }: Pick<Db, 'query'>): Reads {
  const itself = (id: string) => id
  const nameOfSince = ({ userId, since }: SinceKey) => `${userId} ${since}`

  async function readHeads(ids: readonly string[]): Promise<(Head | null)[]> {
    const heads = await query<Head>(
      'SELECT id, version, last_seq AS seq FROM conversations WHERE id = ANY($1::uuid[])',
      [ids],
    )
    const byId = new Map(heads.map((head) => [head.id, head]))
    return ids.map((id) => byId.get(id) ?? null)
  }

  const changesOf = createBatcher(
    (keys: readonly ChangesKey[]) => readChanges(query, keys),
    ({ conversationId, after }) => `${conversationId} ${after.version} ${after.seq}`,
    PAGES_AT_ONCE,
  )
  const snapshotNow = createBatcher(async (_: readonly 'now'[]) => [await readSnapshot(query)], itself)

  return {
    readHead: createBatcher((ids: readonly string[]) => readHeads(ids), itself),
    readHeads,
    readView: createBatcher(
      (keys: readonly ViewKey[]) => loadViews(query, keys),
      (key) => `${key.id} ${key.viewer}`,
    ),
    readChanges: (conversationId, after) => changesOf({ conversationId, after }),
    readReceipts: createBatcher((ids: readonly string[]) => readReceipts(query, ids), itself),
    readPlaces: createBatcher((ids: readonly string[]) => readPlaces(query, ids), itself),
    readListChanges: createBatcher((keys: readonly SinceKey[]) => readListChanges(query, keys), nameOfSince),
    readUnseenMessages: createBatcher((keys: readonly SinceKey[]) => readUnseenMessages(query, keys), nameOfSince),
    readSnapshot: () => snapshotNow('now'),
  }
}
