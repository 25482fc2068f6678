import { randomBytes } from 'node:crypto'
import type { Query } from './client.ts'

interface Identity {
  systemIdentifier: string
  timeline: number
}

/**
 * The epoch of the database's history: 8 characters of [0-9a-z], drawn when the database is first used and again when
 * it is found to be another one (restored elsewhere, or failed over to a copy that may lack the last writes). The
 * stamps of transactions that this history has not reached yet are cleared, or they would count as unseen for ever.
 */
export async function readEpoch(query: Query): Promise<string> {
  const [identity] = await query<Identity>(
    `SELECT system_identifier::text AS "systemIdentifier",
            (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline
       FROM pg_control_system()`,
  )
  const values = [newEpoch(), identity!.systemIdentifier, identity!.timeline]
  const [drawn] = await query<{ epoch: string }>(
    `INSERT INTO database_epoch (id, epoch, system_identifier, timeline) VALUES (true, $1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET epoch = EXCLUDED.epoch, system_identifier = EXCLUDED.system_identifier,
                                        timeline = EXCLUDED.timeline
         WHERE (database_epoch.system_identifier, database_epoch.timeline)
               IS DISTINCT FROM (EXCLUDED.system_identifier, EXCLUDED.timeline)
      RETURNING epoch`,
    values,
  )
  if (drawn) {
    for (const table of ['conversations', 'participants', 'messages']) {
      await query(`UPDATE ${table} SET xid = NULL WHERE xid > pg_current_xact_id()`)
    }
    return drawn.epoch
  }
  const [kept] = await query<{ epoch: string }>('SELECT epoch FROM database_epoch')
  return kept!.epoch
}

function newEpoch(): string {
  return BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(8, '0')
    .slice(-8)
}
