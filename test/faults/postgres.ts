import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { openCluster } from '../../src/db/embedded/cluster.ts'
import { connectToPostmaster, stopPostmaster } from '../../src/db/embedded/postmaster.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createLogger } from '../../src/lib/log.ts'
import { databaseUrl, execute, TEMPLATE, temporaryFolder } from '../support/postgres.ts'

/** A PostgreSQL that stays down once it is killed, until it is started again. */
export interface Postgres {
  /** Makes a database with all migrations applied; gives back its URL. */
  createDatabase(name: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Of the server's own database, as superuser. */
  url: string
  /** Where its files are. */
  folder: string
  /** Kills the postmaster and all its processes at once. */
  kill9(): void
  /** Starts it, if it doesn't run, on the same port; resolves once it has recovered. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Starts one in a folder of its own; with `diskBytes`, on a disk of this size in memory, which takes root to mount. */
export async function startPostgres({ diskBytes }: { diskBytes?: number } = {}): Promise<Postgres> {
  const { folder, remove } = await temporaryFolder()
  const mounted = diskBytes !== undefined
  if (mounted) {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder])
    if (status !== 0) throw new NotMountable(String(stderr ?? 'there is no mount').trim())
    await chmod(folder, 0o755)
  }
  const cluster = await openCluster(folder, createLogger('warn'))
  let pid = 0
  let port: number | undefined

  async function start() {
    const connection = await connectToPostmaster(cluster, port)
    ;({ pid, port } = connection)
    await connection.client.end()
  }

  function kill9() {
    const children = childrenOf(pid)
    // The postmaster first, so that it starts none anew.
    for (const each of [pid, ...children]) killQuietly(each)
  }

  function abandon() {
    if (pid) kill9()
    if (mounted) spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
  }

  process.once('exit', abandon)
  await start()
  const url = `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/postgres`
  await execute(url, `CREATE DATABASE ${TEMPLATE}`)
  await migrate(databaseUrl(url, TEMPLATE))
  return {
    url,
    folder,
    async createDatabase(name) {
      await execute(url, `CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`)
      return databaseUrl(url, name)
    },
    dropDatabase: (name) => execute(url, `DROP DATABASE ${name} WITH (FORCE)`),
    kill9,
    start,
    async stop() {
      await stopPostmaster(cluster, pid)
      process.off('exit', abandon)
      if (mounted) spawnSync('umount', [folder])
      await remove()
    },
  }
}

/** A disk in memory can't be had here. */
export class NotMountable extends Error {}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function killQuietly(pid: number) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has gone already.
  }
}
