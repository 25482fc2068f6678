import { randomBytes } from 'node:crypto'
import type { Query } from './client.ts'

/**
 * The epoch of the database's history: 8 characters of [0-9a-z], drawn when the database is first used and again when
 * it is found to be another one (restored elsewhere, or failed over to a copy that may lack the last writes). The
 * stamps of transactions that this history has not reached yet are cleared, or they would count as unseen for ever.
 */
export async function readEpoch(query: Query): Promise<string> {
  const [known] = await query<{ epoch: string | null; isSame: boolean | null; identifier: string; timeline: number }>(
    `SELECT known.epoch, known.system_identifier = system.system_identifier::text
                         AND known.timeline = checkpoint.timeline_id AS "isSame",
            system.system_identifier::text AS identifier, checkpoint.timeline_id AS timeline
       FROM pg_control_system() AS system CROSS JOIN pg_control_checkpoint() AS checkpoint
       LEFT JOIN database_epoch AS known ON true`,
  )
  const { epoch, isSame, identifier, timeline } = known!
  if (epoch && isSame) return epoch
  const [drawn] = await query<{ epoch: string }>(
    `INSERT INTO database_epoch (id, epoch, system_identifier, timeline) VALUES (true, $1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch, system_identifier = EXCLUDED.system_identifier,
                                        timeline = EXCLUDED.timeline
         WHERE (database_epoch.system_identifier, database_epoch.timeline)
               IS DISTINCT FROM (EXCLUDED.system_identifier, EXCLUDED.timeline)
      RETURNING epoch`,
    [newEpoch(), identifier, timeline],
  )
  // Another node was first: it clears the stamps too.
  if (!drawn) return readEpoch(query)
  for (const table of ['conversations', 'participants', 'messages']) {
    await query(`UPDATE ${table} SET xid = NULL WHERE xid > pg_current_xact_id()`)
  }
  await query('UPDATE participants SET state_xid = NULL WHERE state_xid > pg_current_xact_id()')
  return drawn.epoch
}

function newEpoch(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(8, '0')
    .slice(-8)
}
