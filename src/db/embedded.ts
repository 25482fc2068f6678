import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from '../lib/log.ts'
import { type Cluster, openCluster } from './embedded/cluster.ts'
import { type Connection, connectToPostmaster, stopPostmaster, wasTerminated } from './embedded/postmaster.ts'

/** A PostgreSQL of Parley's own, for those who don't run one. */
export interface EmbeddedPostgres {
  /** Of the database `parley`; it holds the password, so it is not for logs. */
  url: string
  port: number
  /** As the server says it, such as 18.4. */
  version: string
  /** Where its files are: below dataDir, unless the user it runs as can't reach that. */
  folder: string
  /** Whether it ran already. */
  reused: boolean
  /** Stops it, waiting for its end; if other clients are connected it is left to them. Further calls do nothing more. */
  stop(): Promise<void>
}

const DATABASE = 'parley'
const RETRY_MS = 1_000
/** A connection that its client has just closed may be counted for a moment yet. */
const GRACE_MS = 500

/**
 * Starts the PostgreSQL of a data folder, or joins the one that runs there: it outlives this process when that is
 * killed, and several processes may share it. If it dies, it is started again on the same port. Its superuser's
 * password is random and kept beside its files, as any local user may connect to 127.0.0.1.
 * @throws Error of one line.
 */
export async function startEmbeddedPostgres(options: { dataDir: string; log: Logger }): Promise<EmbeddedPostgres> {
  const { log } = options
  const cluster = await openCluster(options.dataDir, log)

  // Held open all the time: it tells at once when the postmaster dies, and tells others that this process needs it.
  const first = await connectAndPrepare(cluster)
  const { port, reused, version } = first
  let held: Connection = first

  let stopping: Promise<void> | undefined
  let repairing: Promise<void> | undefined
  watch()

  function watch() {
    held.client.unref()
    held.client.once('end', () => {
      if (!stopping) repairing = repair()
    })
  }

  async function repair() {
    let told: string | undefined
    while (!stopping) {
      try {
        held = await connectToPostmaster(cluster, port)
        if (!held.reused) log.warn({ port }, 'PostgreSQL had died and was started again')
        return watch()
      } catch (error) {
        const { message } = error as Error
        if (message !== told) log.error({ err: error }, 'PostgreSQL had died and could not be started again; trying on')
        told = message
        await delay(RETRY_MS, undefined, { ref: false })
      }
    }
  }

  async function stop() {
    await repairing
    const { pid } = held
    if (await leave(held)) await stopPostmaster(cluster, pid)
  }

  return {
    url: `postgresql://postgres:${cluster.password}@127.0.0.1:${port}/${DATABASE}`,
    port,
    version,
    folder: cluster.folder,
    reused,
    stop() {
      stopping ??= stop()
      return stopping
    },
  }
}

async function connectAndPrepare(cluster: Cluster): Promise<Connection & { version: string }> {
  for (let attempt = 1; ; attempt++) {
    const connection = await connectToPostmaster(cluster)
    try {
      return { ...connection, version: await prepare(connection.client) }
    } catch (error) {
      await connection.client.end()
      // Another process was just stopping it.
      if (!wasTerminated(error) || attempt === 3) throw error
    }
  }
}

/** Makes the database if it isn't there, and gives back the server's version. */
async function prepare(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ version: string; exists: boolean }>(
    `SELECT current_setting('server_version') AS version,
            EXISTS (SELECT FROM pg_database WHERE datname = '${DATABASE}') AS exists`,
  )
  if (!rows[0]!.exists) {
    await client.query(`CREATE DATABASE ${DATABASE}`).catch((error: { code?: string }) => {
      // Another process made it meanwhile: duplicate_database, or unique_violation in the same instant.
      if (error.code !== '42P04' && error.code !== '23505') throw error
    })
  }
  return rows[0]!.version
}

/** Gives the held connection up. Whether nobody else is connected, so that the postmaster may be stopped. */
async function leave({ client }: Connection): Promise<boolean> {
  try {
    client.ref()
    // Of two that leave in the same moment, each says so before it counts the others: both may then find that it was
    // the last, but never neither.
    await client.query(`SET application_name = 'parley leaving'`)
    const giveUp = Date.now() + GRACE_MS
    let others = await countOthers(client)
    while (others > 0 && Date.now() < giveUp) {
      await delay(20)
      others = await countOthers(client)
    }
    await client.end()
    return others === 0
  } catch {
    // It has gone by itself.
    return false
  }
}

/** Counts who is connected, without those who have not said yet who they are. */
async function countOthers(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND usesysid IS NOT NULL
        AND pid <> pg_backend_pid() AND application_name <> 'parley leaving'`,
  )
  return rows[0]!.count
}
