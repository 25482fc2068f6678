import pg from 'pg'
import { BODY, conversationOf, userOf } from '../chat/fill.ts'
import type { Inserted, InsertKind } from '../chat/inserts.ts'
import type { ChatArgs } from '../chat/prisma.ts'
import { answerBench, benchArgs } from '../harness/protocol.ts'

// No server: rows go into a table like that of the messages, without foreign keys, triggers and checks. As single rows
// by 16 connections, or as batches that also count up one conversation, as fast as one connection writes them.

const CONNECTIONS = 16
const BATCH = 64

const { databaseUrl } = benchArgs<ChatArgs>()
const pool = new pg.Pool({ connectionString: databaseUrl, max: CONNECTIONS })
await pool.query(
  'CREATE TABLE IF NOT EXISTS plain_heads (id uuid PRIMARY KEY, last_seq integer NOT NULL) WITH (fillfactor = 50)',
)
await pool.query('CREATE TABLE IF NOT EXISTS plain_messages (LIKE messages INCLUDING DEFAULTS INCLUDING INDEXES)')
await pool.query('TRUNCATE plain_heads, plain_messages')
await pool.query('INSERT INTO plain_heads VALUES ($1, 0)', [conversationOf(0)])

const sender = userOf(0).id
const conversations = Array.from({ length: 1_000 }, (_, number) => conversationOf(number))
/** Makes up a seq and a key for each row. */
let rows = 0

// All connections are there before anything is measured.
const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => pool.connect()))
for (const connection of connections) connection.release()

async function insertRow(): Promise<number> {
  const seq = ++rows
  await pool.query({
    name: 'row',
    text: `INSERT INTO plain_messages (conversation_id, seq, version, sender_id, body, idempotency_key)
                VALUES ($1, $2, $2, $3, $4, $5)`,
    values: [conversations[seq % conversations.length], seq, sender, BODY, `key-${seq}`],
  })
  return 1
}

async function insertBatch(): Promise<number> {
  const keys = Array.from({ length: BATCH }, () => `batch-${++rows}`)
  await pool.query({
    name: 'batch',
    text: `WITH head AS (UPDATE plain_heads SET last_seq = last_seq + cardinality($3::text[]) WHERE id = $1
                         RETURNING last_seq - cardinality($3::text[]) AS seq)
           INSERT INTO plain_messages (conversation_id, seq, version, sender_id, body, idempotency_key)
           SELECT $1, head.seq + place, head.seq + place, $2, body, key
             FROM head, unnest($4::text[], $3::text[]) WITH ORDINALITY AS given (body, key, place)`,
    values: [conversations[0], sender, keys, keys.map(() => BODY)],
  })
  return BATCH
}

answerBench('', {
  async insert({ kind, ms }: { kind: InsertKind; ms: number }): Promise<Inserted> {
    const [insert, atOnce] = kind === 'rows' ? [insertRow, CONNECTIONS] : [insertBatch, 1]
    let count = 0
    const began = performance.now()
    async function connection() {
      while (performance.now() - began < ms) {
        const inserted = await insert()
        count += inserted
      }
    }
    await Promise.all(Array.from({ length: atOnce }, connection))
    return { count, elapsedMs: performance.now() - began }
  },
})
