import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canStartRedis } from '../support/redis.ts'
import { FAULTS } from './all.ts'
import { runFault, SHORT, SYMPTOMS } from './fault.ts'
import { type Servers, startServers } from './world.ts'

// Some of the fault tests in their short form, and that each symptom would be found; all of them: npm run test:faults.

const IN_SHORT = ['killed-before-publish', 'redis-killed', 'reply-dropped']
const chosen = FAULTS.filter(({ name, detects }) => detects || IN_SHORT.includes(name))
const TIMEOUT_MS = 240_000

describe.skipIf(!canStartRedis())('two nodes', () => {
  let servers: Servers

  beforeAll(async () => {
    servers = await startServers()
  }, TIMEOUT_MS)
  afterAll(() => servers.stop())

  test.each(chosen)('$name: $says', { timeout: TIMEOUT_MS }, async (fault) => {
    const { problems, acknowledged, ...row } = await runFault(fault, servers, SHORT)
    expect(problems).toEqual([])
    expect(acknowledged).toBeGreaterThanOrEqual(SHORT.acknowledged)
    if (!fault.detects) for (const symptom of SYMPTOMS) expect(row[symptom]).toBe(0)
  })
})
