import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Query } from './client.ts'

/** A database's identity as PostgreSQL has it, and the epoch that goes with it; null where none was drawn yet. */
interface Known {
  epoch: string | null
  isSame: boolean | null
  identifier: string
  timeline: number
}

/**
 * The epoch of the database's history: 8 characters of [0-9a-z], drawn when the database is first used and again when
 * it is found to be another one (restored elsewhere, or failed over to a copy that may lack the last writes).
 */
export async function readEpoch(query: Query, url: string): Promise<string> {
  const { epoch, isSame } = await readKnown(query)
  return epoch && isSame ? epoch : drawEpoch(url)
}

async function readKnown(query: Query): Promise<Known> {
  const [known] = await query<Known>(
    `SELECT known.epoch, known.system_identifier = system.system_identifier::text
                         AND known.timeline = checkpoint.timeline_id AS "isSame",
            system.system_identifier::text AS identifier, checkpoint.timeline_id AS timeline
       FROM pg_control_system() AS system CROSS JOIN pg_control_checkpoint() AS checkpoint
       LEFT JOIN database_epoch AS known ON true`,
  )
  return known!
}

/**
 * One node draws, the others wait for it. The stamps of transactions that this history has not reached yet are cleared,
 * or they would count as unseen for ever: in the same transaction, so that a try that fails is made again, and on a
 * connection without time-outs, as a restored database may have many.
 */
async function drawEpoch(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, application_name: 'parley', connectionTimeoutMillis: 3_000 })
  // A connection that breaks fails the statement under way; without a listener it would end the process too.
  client.on('error', () => {})
  const query: Query = async (sql, values = []) => (await client.query(sql, values)).rows
  await client.connect()
  try {
    await query('BEGIN')
    await query(`SELECT pg_advisory_xact_lock(hashtextextended('database_epoch', 0))`)
    const { epoch: drawnMeanwhile, isSame, identifier, timeline } = await readKnown(query)
    if (drawnMeanwhile && isSame) return drawnMeanwhile
    for (const table of ['conversations', 'participants', 'messages']) {
      await query(`UPDATE ${table} SET xid = NULL WHERE xid > pg_current_xact_id()`)
    }
    await query('UPDATE participants SET state_xid = NULL WHERE state_xid > pg_current_xact_id()')
    const epoch = newEpoch()
    await query(
      `INSERT INTO database_epoch (id, epoch, system_identifier, timeline) VALUES (true, $1, $2, $3)
           ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch, system_identifier = EXCLUDED.system_identifier,
                                          timeline = EXCLUDED.timeline`,
      [epoch, identifier, timeline],
    )
    await query('COMMIT')
    return epoch
  } finally {
    await client.end()
  }
}

function newEpoch(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(8, '0')
    .slice(-8)
}
