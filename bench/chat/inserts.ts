import type { Bench, Sample, Size } from '../harness/workload.ts'
import { execute } from './database.ts'
import { durations, sendDatabase } from './sends.ts'
import { withCpu } from './side.ts'

export type InsertKind = 'rows' | 'batches'

export interface Inserted {
  count: number
  elapsedMs: number
}

/** What the database takes without a server in front of it: the limits of W4 and W5. */
export async function measureInserts(bench: Bench, size: Size, kind: InsertKind): Promise<Sample> {
  const databaseUrl = await sendDatabase(bench)
  const inserter = await bench.start('sides/inserts.ts', { args: { databaseUrl } })
  const { warmUp, measured } = durations(size)
  const warm = await inserter.call<Inserted>('insert', { kind, ms: warmUp.ms })
  const { result, cpuUs } = await withCpu(inserter, () => inserter.call<Inserted>('insert', { kind, ms: measured }))
  const [row] = await execute<{ stored: number }>(databaseUrl, 'SELECT count(*)::int AS stored FROM plain_messages')
  const inserted = warm.count + result.count
  if (row!.stored !== inserted) throw new Error(`Inserted ${inserted} rows, and ${row!.stored} are there.`)
  return {
    value: (result.count * 1_000) / result.elapsedMs,
    more: { 'server CPU µs each': cpuUs / result.count },
  }
}
