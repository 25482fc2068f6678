import { check } from './checker.ts'
import { NotMountable, startPostgres } from './postgres.ts'
import { holdsWithin, waitUntil } from './wait.ts'
import {
  checkCopies,
  createWorld,
  goQuiet,
  readBack,
  recover,
  type Servers,
  type World,
  type WorldOptions,
} from './world.ts'

/** How much of everything: the full form, or the short one. */
export interface Size {
  /** Operations that each row must have acknowledged. */
  acknowledged: number
  full: boolean
}

export const FULL: Size = { acknowledged: 1_000, full: true }
export const SHORT: Size = { acknowledged: 150, full: false }

export const SYMPTOMS = ['lost', 'duplicated', 'outOfOrder', 'leaked'] as const
export type Symptom = (typeof SYMPTOMS)[number]

/** Something that goes wrong while the load runs, and what must hold all the same. */
export interface Fault {
  name: string
  /** What happens and what must follow, for whoever watches. */
  says: string
  world?: (size: Size) => WorldOptions
  /** Runs on a PostgreSQL of its own, whose disk has so many bytes. */
  diskBytes?: number
  /** The symptom that must show, as what prevents it is switched off: the check of the check. */
  detects?: Symptom
  /** Not part of the short form. */
  onlyFull?: boolean
  /** Does it, and mends it again. What is found on the way goes to `world.found`, figures go to `world.notes`. */
  inject(world: World, size: Size): Promise<void>
}

/** What is printed of one fault. */
export interface Row extends Record<Symptom, number> {
  name: string
  operations: number
  acknowledged: number
  recoveryMs: number | null
  /** Why the row fails; empty where it passes. */
  problems: string[]
  notes: string[]
  /** Why it can't be run here. */
  notRun?: string
}

/** A tenth of it is what is usual. */
const PATIENCE_MS = 60_000
/** For what must never come: longer than a comparison with the table takes to make up for it. */
const VAIN_PATIENCE_MS = 8_000
const SHOWN = 5

/** Runs one fault under load from beginning to end, and checks all that happened. */
export async function runFault(fault: Fault, servers: Servers, size: Size): Promise<Row> {
  try {
    if (fault.diskBytes === undefined) return await runWith(fault, servers, size)
    const postgres = await startPostgres({ diskBytes: fault.diskBytes })
    try {
      return await runWith(fault, { ...servers, postgres }, size)
    } finally {
      await postgres.stop()
    }
  } catch (error) {
    if (error instanceof NotMountable) return { ...emptyRow(fault), notRun: error.message }
    await servers.redis.restart()
    return { ...emptyRow(fault), problems: [(error as Error).stack ?? String(error)] }
  }
}

function emptyRow({ name }: Fault): Row {
  const zeros = { operations: 0, acknowledged: 0, lost: 0, duplicated: 0, outOfOrder: 0, leaked: 0 }
  return { name, ...zeros, recoveryMs: null, problems: [], notes: [] }
}

async function runWith(fault: Fault, servers: Servers, size: Size): Promise<Row> {
  const usual = { groups: size.full ? 6 : 3, leaveEach: size.acknowledged / 10 }
  const world = await createWorld(servers, { ...usual, ...fault.world?.(size) })
  try {
    const { load } = world
    const acknowledged = (part: number) =>
      waitUntil(`${size.acknowledged * part} acknowledged operations`, 2 * PATIENCE_MS, () => {
        return load.acknowledged() >= size.acknowledged * part
      })
    await acknowledged(0.2)
    await fault.inject(world, size)
    const recoveryMs = fault.detects ? null : await recover(world, PATIENCE_MS)
    await acknowledged(1)
    await goQuiet(world, fault.detects ? VAIN_PATIENCE_MS : PATIENCE_MS)
    return { ...(await judge(fault, world)), recoveryMs }
  } finally {
    await world.close()
  }
}

async function judge(fault: Fault, world: World): Promise<Row> {
  const { load, tables, nodes, found, notes } = world
  const unreadable = (error: Error) => void found.push(error.message)
  await readBack(world).catch(unreadable)
  if (!fault.detects) found.push(...((await checkCopies(world, PATIENCE_MS).catch(unreadable)) ?? []))
  const { broken, ...verdict } = check(world.history, await tables.read())
  const problems = nodes.flatMap(({ faults }) => faults)
  if (fault.detects) {
    // Of what else goes wrong with a mechanism switched off, nothing is demanded.
    if (verdict[fault.detects].length === 0) problems.push(`the check found nothing ${fault.detects}`)
  } else {
    problems.push(...found, ...broken, ...(await tables.violations()))
    for (const symptom of SYMPTOMS) problems.push(...verdict[symptom].slice(0, SHOWN))
    const isIdle = await holdsWithin(PATIENCE_MS, async () => (await idleTransactions(world)) === 0)
    if (!isIdle) problems.push('I23: a transaction is left idle')
  }
  return {
    ...emptyRow(fault),
    operations: load.operations(),
    acknowledged: load.acknowledged(),
    lost: verdict.lost.length,
    duplicated: verdict.duplicated.length,
    outOfOrder: verdict.outOfOrder.length,
    leaked: verdict.leaked.length,
    problems: problems.slice(0, 4 * SHOWN),
    notes,
  }
}

async function idleTransactions({ tables }: World): Promise<number> {
  const [row] = await tables.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'parley' AND state LIKE 'idle in transaction%'`,
  )
  return row!.count
}
