import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { databaseUrl, execute, TEMPLATE } from './postgres.ts'

/** Any number; PostgreSQL copies a template for one at a time, and fails for the others if they don't queue. */
const CREATING = 7_061

export interface TestDatabase {
  url: string
  /** Removes it, ending what connections there are. */
  drop(): Promise<void>
}

/** Makes a database of a test file's own, with all migrations applied. */
export function createTestDatabase(): Promise<TestDatabase> {
  return create(`TEMPLATE ${TEMPLATE}`)
}

/** Makes a database with nothing in it. */
export function createEmptyDatabase(): Promise<TestDatabase> {
  return create('')
}

async function create(template: string): Promise<TestDatabase> {
  const url = inject('postgresUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await execute(url, `SELECT pg_advisory_lock(${CREATING})`, `CREATE DATABASE ${name} ${template}`)
  return { url: databaseUrl(url, name), drop: () => execute(url, `DROP DATABASE ${name} WITH (FORCE)`) }
}
