import pg from 'pg'
import { encodeId } from '../../src/lib/ids.ts'
import { checkInvariants } from '../support/invariants.ts'
import type { Place, Tables } from './checker.ts'
import type { Message } from './history.ts'

/** The tables behind the nodes, on a connection that is made anew for each look: the server may have been killed. */
export interface TablesReader {
  read(): Promise<Tables>
  /** The seq of each conversation's newest message. */
  heads(): Promise<Map<string, number>>
  /** What breaks an invariant of the tables themselves. */
  violations(): Promise<string[]>
  query<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>
}

export function readTables(url: string): TablesReader {
  async function query<Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: url, application_name: 'fault tests' })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<Row & pg.QueryResultRow>(sql, values)).rows
    } finally {
      await client.end()
    }
  }

  return {
    query,
    async read() {
      const messages = await query<Omit<Message, 'id'>>(
        `SELECT m.conversation_id AS conversation, m.seq, m.version, m.body, m.idempotency_key AS key,
                u.external_id AS sender
           FROM messages m LEFT JOIN users u ON u.id = m.sender_id`,
      )
      const places = await query<Place>(
        `SELECT p.conversation_id AS conversation, u.external_id AS user, p.visible_from_seq AS "visibleFromSeq",
                p.joined_version AS "joinedVersion", p.version, p.left_at IS NOT NULL AS left
           FROM participants p JOIN users u ON u.id = p.user_id`,
      )
      return {
        messages: messages.map((row) => ({
          ...row,
          conversation: encodeId('Conversation', row.conversation),
          id: encodeId('Message', row.conversation, row.seq),
        })),
        places: places.map((row) => ({ ...row, conversation: encodeId('Conversation', row.conversation) })),
      }
    },
    async heads() {
      const rows = await query<{ id: string; seq: number }>('SELECT id, last_seq AS seq FROM conversations')
      return new Map(rows.map(({ id, seq }) => [encodeId('Conversation', id), seq]))
    },
    async violations() {
      const client = new pg.Client(url)
      await client.connect()
      try {
        return await checkInvariants(async (sql) => (await client.query(sql)).rows)
      } finally {
        await client.end()
      }
    },
  }
}
