import type { TestProject } from 'vitest/node'
import { migrate } from '../../src/db/migrate.ts'
import { databaseUrl, execute, startTemporaryPostgres, TEMPLATE } from './postgres.ts'
import { prepareRedis } from './redis.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's, of the server's own database. */
    postgresUrl: string
  }
}

/** One PostgreSQL for the whole run, with a database of which every test file gets a copy. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  prepareRedis()
  const postgres = await startTemporaryPostgres()
  try {
    await makeTemplate(postgres.url)
    project.provide('postgresUrl', postgres.url)
    return tearDown
  } catch (error) {
    await tearDown()
    throw error
  }

  async function tearDown() {
    // A test that failed may have left connections, which would keep it running.
    await execute(
      postgres.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'parley embedded'`,
    )
    await postgres.stop()
  }
}

async function makeTemplate(url: string): Promise<void> {
  await execute(
    url,
    // What the tests write need not outlive the machine.
    'ALTER SYSTEM SET fsync = off',
    'SELECT pg_reload_conf()',
    `CREATE DATABASE ${TEMPLATE}`,
  )
  await migrate(databaseUrl(url, TEMPLATE))
  await execute(url, `ALTER DATABASE ${TEMPLATE} ALLOW_CONNECTIONS false`)
}
