import { createHash } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Query } from '../../../src/db/client.ts'
import { type Send, type SendRules, writeFreeSends, writeSends } from '../../../src/features/messages/send-statement.ts'
import { seedOfRun } from '../../support/random-operations.ts'
import { type Row, type Scene, startScene } from '../support.ts'

// The database function that adds messages: for many at once it must do what it does for one after the other.

let scene: Scene
let query: Query
/** What another connection holds. */
let other: pg.Client

beforeAll(async () => {
  scene = await startScene()
  query = scene.sql as Query
  other = new pg.Client(scene.databaseUrl)
  await other.connect()
  await scene.sql(
    `INSERT INTO users (id, external_id, username, display_name) SELECT ${id('name')}, name, name, name
       FROM unnest(ARRAY['ada', 'bo', 'cy', 'di']) AS name`,
  )
  await scene.sql(`INSERT INTO blocks (blocker_id, blocked_id) VALUES (${id(`'cy'`)}, ${id(`'ada'`)})`)
})
afterAll(async () => {
  await other.end()
  await scene.close()
})
// Nothing of it stays, and no worker sees it.
beforeEach(() => scene.sql('BEGIN'))
afterEach(() => scene.sql('ROLLBACK'))

/** The id of the user or conversation of a name, in SQL. */
function id(name: string): string {
  return `md5(${name})::uuid`
}

/** The same, here. */
function idOf(name: string): string {
  return createHash('md5')
    .update(name)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

const CONVERSATIONS = ['group', 'direct', 'blocked', 'closed', 'missing']
const SENDERS = ['ada', 'bo', 'cy', 'di', null]
const STORED = 4

/**
 * Conversations of all sorts under names with a prefix: of each its kind and participants, and four messages of the last
 * of these, who alone has read them. One message has a key, and one participant doesn't see the first two.
 */
async function makeConversations(prefix: string) {
  const sorts = `(VALUES ('group', 'GROUP', '{ada,bo,cy}'), ('direct', 'DIRECT', '{ada,bo}'), ('blocked', 'DIRECT', '{ada,cy}'),
                         ('closed', 'GROUP', '{ada,bo}')) AS sort (name, kind, members)`
  await scene.sql(
    `INSERT INTO conversations (id, kind, direct_key, last_seq, version, xid, message_count, closed_at)
          SELECT ${id('$1 || name')}, kind::conversation_kind, $1 || name, $2::int, $2 + 3, NULL, $2,
                 CASE WHEN name = 'closed' THEN now() END FROM ${sorts}`,
    [prefix, STORED],
  )
  await scene.sql(
    `INSERT INTO participants (conversation_id, user_id, version, visible_from_seq, last_read_seq, state_xid)
          SELECT ${id('$1 || name')}, ${id('member')}, n, CASE WHEN (name, member) = ('group', 'bo') THEN 3 ELSE 1 END,
                 CASE WHEN member = (members::text[])[cardinality(members::text[])] THEN $2::int ELSE 2 END, NULL
            FROM ${sorts}, unnest(members::text[]) WITH ORDINALITY AS member (member, n)`,
    [prefix, STORED],
  )
  await scene.sql(
    `INSERT INTO messages (conversation_id, seq, version, xid, sender_id, body, idempotency_key, fingerprint)
          SELECT ${id('$1 || name')}, seq, seq + 3, NULL, ${id(`'ada'`)}, 'stored', CASE WHEN seq = 2 THEN 'a' END,
                 CASE WHEN seq = 2 THEN '\\x01'::bytea END
            FROM ${sorts}, generate_series(1, $2::int) AS seq`,
    [prefix, STORED],
  )
}

interface Drawn {
  conversation: string
  sender: string | null
  key: string | null
  print: number
  replyToSeq: number | null
  movesRead: boolean
}

const drawn = fc.record<Drawn>({
  conversation: fc.oneof(
    { weight: 4, arbitrary: fc.constant('group') },
    { weight: 4, arbitrary: fc.constantFrom(...CONVERSATIONS) },
  ),
  sender: fc.constantFrom(...SENDERS),
  key: fc.constantFrom('a', 'b', null, null),
  print: fc.constantFrom(1, 1, 2),
  replyToSeq: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }) },
  ),
  movesRead: fc.boolean(),
})

function sendsOf(prefix: string, all: readonly Drawn[]): Send[] {
  return all.map(({ conversation, sender, key, print, replyToSeq, movesRead }, number) => ({
    conversationId: idOf(prefix + conversation),
    senderId: sender === null ? null : idOf(sender),
    kind: sender === null ? 'SYSTEM' : 'TEXT',
    body: `"number" \\${number}, {NULL}`,
    metadata: { number, text: '"\\,{}' },
    replyToSeq,
    subjectId: null,
    idempotencyKey: key,
    fingerprint: key === null ? null : Buffer.from([print]),
    movesRead,
  }))
}

/** All that sends leave behind, with the names in place of the conversations' ids; of times whether there are any. */
async function tablesOf(prefix: string): Promise<Row[][]> {
  const named = `(SELECT name, ${id('$1 || name')} AS conversation_id FROM unnest($2::text[]) AS name) AS named`
  const values = [prefix, CONVERSATIONS]
  return [
    await scene.sql(
      `SELECT name, last_seq, version, message_count, last_message_at IS NOT NULL AS told, activity_at = last_message_at AS same,
              coalesce(xid = pg_current_xact_id(), false) = (last_message_at IS NOT NULL) AS stamped
         FROM ${named} JOIN conversations ON id = conversation_id ORDER BY name`,
      values,
    ),
    await scene.sql(
      `SELECT name, user_id, version, last_read_seq, last_read_at IS NOT NULL AS told,
              coalesce(state_xid = pg_current_xact_id(), false) = (last_read_at IS NOT NULL) AS stamped
         FROM ${named} JOIN participants USING (conversation_id) ORDER BY name, user_id`,
      values,
    ),
    await scene.sql(
      `SELECT name, seq, version, sender_id, kind, body, metadata, reply_to_seq, subject_id, idempotency_key, fingerprint,
              coalesce(xid = pg_current_xact_id(), false) = (seq > ${STORED}) AS stamped,
              created_at >= lag(created_at) OVER (PARTITION BY name ORDER BY seq) AS later
         FROM ${named} JOIN messages USING (conversation_id) ORDER BY name, seq`,
      values,
    ),
    await scene.sql(
      `SELECT name, user_id, seq, from_seq FROM ${named} JOIN read_advances USING (conversation_id) ORDER BY name, user_id, seq`,
      values,
    ),
    await scene.sql(
      `SELECT name, endpoint_id, event_type, reference->'seq' AS seq
         FROM ${named} JOIN webhook_deliveries ON stream_id = conversation_id ORDER BY name, endpoint_id, position`,
      values,
    ),
  ]
}

async function oneByOne(sends: Send[], rules: SendRules) {
  const sent = []
  for (const send of sends) sent.push((await writeSends(query, [send], rules))[0]!)
  return sent
}

test.each<[string, SendRules]>([
  ['', { contactsOnly: false }],
  [', to contacts only', { contactsOnly: true }],
  [', as the host in its business', { contactsOnly: false, despiteClose: true }],
])('many at once come out as one after the other%s', async (_how, rules) => {
  const seed = seedOfRun()
  const batches = fc.sample(fc.array(drawn, { minLength: 1, maxLength: 60 }), { seed, numRuns: 60 })
  await scene.sql(
    `INSERT INTO webhook_endpoints (id, url, event_types, secret)
          SELECT gen_random_uuid(), 'https://example.com/' || n, ARRAY['message.added'], 'x' FROM generate_series(1, 2) AS n`,
  )
  const outcomes = new Set<string>()
  for (const [number, batch] of batches.entries()) {
    const [once, each] = [`once ${number} `, `each ${number} `]
    await makeConversations(once)
    await makeConversations(each)
    const sends = sendsOf(once, batch)
    const half = sends.length >> 1
    // In one call, or the first half beside conversations that nobody else is at.
    const sent =
      number % 2 === 0
        ? await writeSends(query, sends, rules)
        : [
            ...(await writeFreeSends(query, sends.slice(0, half), rules)),
            ...(await writeSends(query, sends.slice(half), rules)),
          ]
    const expected = await oneByOne(sendsOf(each, batch), rules)
    const plain = (all: typeof sent) =>
      all.map((one) => one && { ...one, createdAt: one.createdAt !== null, readAt: one.readAt !== null })
    expect(plain(sent), `seed ${seed}, batch ${number}`).toEqual(plain(expected))
    const tables = await tablesOf(once)
    expect(tables, `seed ${seed}, batch ${number}`).toEqual(await tablesOf(each))
    // With the transaction, what was changed and nothing else.
    for (const { stamped = true } of tables.flat()) expect(stamped).toBe(true)
    for (const { outcome } of expected) outcomes.add(outcome)
  }
  const all = ['SENT', 'DEDUPLICATED', 'KEY_REUSED', 'NOT_FOUND', 'CLOSED', 'REFUSED', 'NO_REPLY_TO']
  const possible = rules.despiteClose ? all.filter((outcome) => !['CLOSED', 'REFUSED'].includes(outcome)) : all
  expect([...outcomes].sort()).toEqual(possible.sort())
})

const plainly = { key: null, print: 1, replyToSeq: null, movesRead: true }
const RULES = { contactsOnly: false }

describe('in one batch', () => {
  beforeEach(() => makeConversations(''))

  const outcomesOf = async (...all: Partial<Drawn>[]) => {
    const complete = all.map((each) => ({ conversation: 'group', sender: 'ada', ...plainly, ...each }))
    return (await writeSends(query, sendsOf('', complete), RULES)).map(({ outcome, seq }) => [outcome, seq])
  }

  test('a key may come again, from the same sender', async () => {
    expect(
      await outcomesOf({ key: 'b' }, { key: 'b' }, { key: 'b', print: 2 }, { key: 'b', sender: 'cy' }, { key: 'b' }),
    ).toEqual([
      ['SENT', 5],
      ['DEDUPLICATED', 5],
      ['KEY_REUSED', 5],
      ['SENT', 6],
      ['DEDUPLICATED', 5],
    ])
  })

  test('a key that came with what was refused is free', async () => {
    expect(await outcomesOf({ key: 'b', replyToSeq: 5 }, { key: 'b', print: 2 }, { key: 'b', print: 2 })).toEqual([
      ['NO_REPLY_TO', null],
      ['SENT', 5],
      ['DEDUPLICATED', 5],
    ])
  })

  test('a reply may be to what was sent before it, and not to itself', async () => {
    expect(await outcomesOf({}, { replyToSeq: 5 }, { replyToSeq: 7 }, { replyToSeq: 6 })).toEqual([
      ['SENT', 5],
      ['SENT', 6],
      ['NO_REPLY_TO', null],
      ['SENT', 7],
    ])
  })
})

describe('with another at the rows', () => {
  const names = ['group', 'direct', 'closed']
  beforeEach(async () => {
    await makeConversations('')
    // Seen by the other connection too.
    await scene.sql('COMMIT')
    await other.query('BEGIN')
  })
  afterEach(async () => {
    await other.query('ROLLBACK')
    await scene.sql('DELETE FROM webhook_deliveries')
    await scene.sql('DELETE FROM conversations')
  })

  const freely = async (...all: Partial<Drawn>[]) => {
    const complete = all.map((each) => ({ conversation: 'group', sender: 'ada', ...plainly, ...each }))
    return (await writeFreeSends(query, sendsOf('', complete), RULES)).map((sent) => sent?.outcome ?? null)
  }

  test.each([
    ['a conversation', 'SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE', ['group']],
    [
      'one who sends',
      'UPDATE participants SET is_pinned = true WHERE (conversation_id, user_id) = ($1, $2)',
      ['group', 'cy'],
    ],
  ])('%s, nothing is done for its sends, and all for others', async (_whose, sql, rows) => {
    await other.query(sql, rows.map(idOf))
    const all = [
      {},
      { conversation: 'direct' },
      { sender: 'cy' },
      { conversation: 'closed' },
      { conversation: 'missing' },
    ]
    expect(await freely(...all)).toEqual([null, 'SENT', null, 'CLOSED', 'NOT_FOUND'])
    const heads = await scene.sql(
      'SELECT last_seq FROM conversations WHERE id = ANY($1) ORDER BY array_position($1, id)',
      [names.map(idOf)],
    )
    expect(heads.map(({ last_seq }) => last_seq)).toEqual([STORED, STORED + 1, STORED])
    await other.query('COMMIT')
    expect(await freely(...all)).toEqual(['SENT', 'SENT', 'SENT', 'CLOSED', 'NOT_FOUND'])
  })

  test('foreign keys alone lock nobody out', async () => {
    await other.query(`SELECT FROM conversations WHERE id = $1 FOR KEY SHARE`, [idOf('group')])
    expect(await freely({})).toEqual(['SENT'])
  })

  test('who waits finds what the other has done', async () => {
    const closing = idOf('group')
    await other.query('UPDATE conversations SET closed_at = now() WHERE id = $1', [closing])
    const sends = sendsOf('', [{ conversation: 'group', sender: 'ada', ...plainly }])
    const waiting = writeSends(query, sends, RULES)
    await vi.waitFor(async () => {
      const { rowCount } = await other.query(`SELECT FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL`)
      expect(rowCount).toBe(1)
    })
    await other.query('COMMIT')
    expect(await waiting).toMatchObject([{ outcome: 'CLOSED' }])
  })
})
