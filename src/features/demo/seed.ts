import type { Db, Query } from '../../db/client.ts'
import { ConflictError } from '../../lib/errors.ts'
import { directKey } from '../conversations/direct.ts'
import { fingerprint } from '../idempotency/service.ts'
import { type History, playHistory } from './seed/history.ts'
import { insertRows } from './seed/insert.ts'
import { makePlans } from './seed/plan.ts'
import { createRandom } from './seed/random.ts'
import type { UserRow } from './seed/rows.ts'
import { makeUsers } from './seed/users.ts'
import { DEMO_USERS } from './users.ts'

/** How much there is to be, and the seed from 0 to 2^32 - 1 that decides everything else. */
export interface SeedSizes {
  /** At least MIN_SEED_USERS: the demo users, a few agents, and people. */
  users: number
  /** At least 1. */
  conversations: number
  messages: number
  seed: number
}

export const DEFAULT_SIZES: SeedSizes = { users: 100, conversations: 120, messages: 5_000, seed: 1 }
export const MIN_SEED_USERS = 10

/** When the demonstration ends. Fixed, so that the same sizes give the same rows at any time. */
const ENDS_AT = Date.UTC(2026, 10, 1, 12)
const DAY = 24 * 60 * 60_000
const USERS_CAME: [number, number] = [ENDS_AT - 400 * DAY, ENDS_AT - 60 * DAY]

/** So many messages are held in memory and go to the table in the order of their times. */
const GATHERED_MESSAGES = 50_000

/**
 * Fills the database with demonstration data, in one transaction: rows as the operations would have written them. The
 * same sizes give the same rows, whatever the machine; only demo users who are there already keep their ids. Gives back
 * whether anything was written: false where these very data are there. `onProgress` is told a share from 0 to 1.
 * @throws ConflictError where data of other sizes are there.
 */
export async function seedDemoData(
  db: Pick<Db, 'query' | 'transaction'>,
  sizes: SeedSizes,
  onProgress: (done: number) => void = () => {},
): Promise<boolean> {
  const written = await db.transaction(async (query) => {
    if (!(await claim(query, sizes))) return false
    const random = createRandom(sizes.seed)
    const users = await seedUsers(query, makeUsers(random, sizes.users, USERS_CAME))
    const taken = await pairsTaken(query, users)
    let gathered: History[] = []
    let messages = 0
    let done = 0
    for (const plan of makePlans(random, sizes, users, taken)) {
      gathered.push(playHistory(random, plan, ENDS_AT))
      messages += plan.messages
      if (messages < GATHERED_MESSAGES) continue
      await insertHistories(query, gathered)
      done += messages
      onProgress(done / sizes.messages)
      gathered = []
      messages = 0
    }
    await insertHistories(query, gathered)
    return true
  })
  // So that the first queries are planned for what is there now, and autovacuum leaves it alone.
  if (written) for (const table of FILLED) await db.query(`VACUUM (ANALYZE) ${table}`)
  return written
}

const FILLED = ['users', 'user_words', 'conversations', 'participants', 'messages', 'read_advances']

/** Notes what is seeded, as an idempotent operation does. False if it was before; two at once wait for each other. */
async function claim(query: Query, sizes: SeedSizes): Promise<boolean> {
  const print = fingerprint(sizes)
  const [mine] = await query(
    `INSERT INTO idempotency_keys (actor, operation, key, fingerprint, result) VALUES ('seed', 'seed', '', $1, $2)
     ON CONFLICT DO NOTHING RETURNING key`,
    [print, sizes],
  )
  if (mine) return true
  const [known] = await query<{ fingerprint: Buffer; result: SeedSizes }>(
    `SELECT fingerprint, result FROM idempotency_keys WHERE actor = 'seed' AND operation = 'seed' AND key = ''`,
  )
  if (known!.fingerprint.equals(print)) return false
  const { users, conversations, messages, seed } = known!.result
  throw new ConflictError(
    `This database was seeded with --users ${users} --conversations ${conversations} --messages ${messages} ` +
      `--seed ${seed}; other data need a database of their own.`,
  )
}

/** Gives back the ids of all; a demo user who has been here keeps its own. @throws ConflictError for others of the names. */
async function seedUsers(query: Query, users: UserRow[]): Promise<string[]> {
  const known = await query<{ id: string; externalId: string }>(
    'SELECT id, external_id AS "externalId" FROM users WHERE external_id = ANY($1)',
    [users.map((user) => user.external_id)],
  )
  const foreign = known.find(({ externalId }) => !DEMO_USERS.some(({ sub }) => sub === externalId))
  if (foreign) throw new ConflictError(`There is a user ${foreign.externalId} already; demo data need that name.`)
  const idOf = new Map(known.map(({ id, externalId }) => [externalId, id]))
  await insertRows(
    query,
    'users',
    users.filter((user) => !idOf.has(user.external_id)),
  )
  return users.map((user) => idOf.get(user.external_id) ?? user.id)
}

/** The direct keys that are in use already: at most the demo users' own, as all the others are new. */
async function pairsTaken(query: Query, userIds: readonly string[]): Promise<Set<string>> {
  const rows = await query<{ key: string }>('SELECT direct_key AS key FROM conversations WHERE direct_key = $1', [
    directKey(userIds[0]!, userIds[1]!),
  ])
  return new Set(rows.map(({ key }) => key))
}

/** Messages are stored as they would have come in, those of many conversations mixed: reads cost what they cost in life. */
async function insertHistories(query: Query, histories: History[]) {
  const messages = histories.flatMap((history) => history.messages)
  await insertRows(
    query,
    'conversations',
    histories.map((history) => history.conversation),
  )
  await insertRows(
    query,
    'participants',
    histories.flatMap((history) => history.participants),
  )
  await insertRows(
    query,
    'messages',
    messages.sort((one, other) => one.created_at - other.created_at),
  )
  await insertRows(
    query,
    'read_advances',
    histories.flatMap((history) => history.advances),
  )
}
