import { cpus, release, totalmem } from 'node:os'
import pg from 'pg'
import type { EmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { databaseUrl, execute, startTemporaryPostgres } from '../../test/support/postgres.ts'
import { startRedis, type TestRedis } from '../../test/support/redis.ts'
import { canPin } from './cores.ts'
import { type BenchProcess, startProcess } from './process.ts'
import type { Bench } from './workload.ts'

const TEMPLATE = 'bench_template'

/** What runs beside the sides, each started when it is first asked for. */
export interface Machine {
  bench: Bench
  /** What was noted since the last time. */
  takeNotes(): string[]
  /** Ends the processes that a run has started. */
  endRun(): Promise<void>
  stop(): Promise<void>
}

export function createMachine(): Machine {
  const databases = new Map<string, Promise<string>>()
  /** Those that are still starting too: whatever fails, all are ended. */
  const processes = new Set<Promise<BenchProcess>>()
  let postgres: Promise<EmbeddedPostgres> | undefined
  let redis: Promise<TestRedis> | undefined
  let notes = new Set<string>()

  async function startPostgres(): Promise<EmbeddedPostgres> {
    // As PostgreSQL's documentation advises; its default is for a small machine.
    const buffers = Math.floor(
      Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / 4 / 2 ** 20,
    )
    const started = await startTemporaryPostgres({ shared_buffers: `${buffers}MB` })
    await execute(started.url, `CREATE DATABASE ${TEMPLATE}`)
    await migrate(databaseUrl(started.url, TEMPLATE))
    return started
  }

  async function createDatabase(name: string, fill?: (url: string) => Promise<void>): Promise<string> {
    postgres ??= startPostgres()
    const server = await postgres
    await execute(server.url, `CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${TEMPLATE}`)
    const url = databaseUrl(server.url, name)
    await fill?.(url)
    return url
  }

  async function endRun() {
    const started = await Promise.allSettled(processes)
    processes.clear()
    await Promise.all(started.map((each) => each.status === 'fulfilled' && each.value.stop()))
  }

  return {
    bench: {
      start(file, options) {
        const started = startProcess(file, options)
        processes.add(started)
        return started
      },
      database(name, fill) {
        const known = databases.get(name) ?? createDatabase(name, fill)
        databases.set(name, known)
        return known
      },
      redis: () => (redis ??= startRedis()),
      note: (text) => void notes.add(text),
    },
    takeNotes() {
      const taken = [...notes]
      notes = new Set()
      return taken
    },
    endRun,
    async stop() {
      await endRun()
      await (await redis)?.stop()
      await (await postgres)?.stop()
    },
  }
}

/** In a line, for whoever compares figures. */
export function describeMachine(): string {
  const [first] = cpus()
  const cores = `${cpus().length} cores of ${first?.model.trim() ?? 'an unknown processor'}`
  const pinning = canPin() ? 'server pinned to one, the rest to another' : 'nothing pinned'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`
  return `${cores} (${pinning}), ${memory}, ${process.platform} ${release()}, Node ${process.version.slice(1)}`
}
