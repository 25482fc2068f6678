import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../src/app.ts'
import { parseConfig } from '../src/config.ts'
import { createLogger } from '../src/lib/log.ts'
import { SECRET } from './support/app.ts'
import { createTestDatabase } from './support/database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

function appWith(env: Record<string, string> = {}) {
  const config = { NODE_ENV: 'test', PORT: '0', DATABASE_URL: database.url, JWT_SECRET: SECRET, ...env }
  return createApp(parseConfig(config), { log: createLogger('silent') })
}

test('a stop during the start stops what was started', async () => {
  const app = appWith()
  const listening = app.listen()
  await app.close()
  const { url } = await listening
  await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed')
})

test('a start that fails leaves nothing behind, and may be closed', async () => {
  const app = appWith({ HOST: '192.0.2.1' })
  await expect(app.listen()).rejects.toThrow('HOST 192.0.2.1 is not an address of this machine.')
  await app.close()
  await app.close()
})

test('closing before the start does nothing', async () => {
  await appWith().close()
})

test.each([
  [{ PORT: 'abc' }, 'PORT must be a whole number from 0 to 65535.'],
  [{ PORT: '65536' }, 'PORT must be a whole number from 0 to 65535.'],
  [{ JWT_SECRET: 'short' }, 'JWT_SECRET must have at least 32 bytes.'],
  [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL must be a URL such as postgresql://'],
  [{ REDIS_URL: 'x' }, 'REDIS_URL must be a URL such as redis://host:6379.'],
  [{ CORS_ORIGINS: 'https://a.example/path' }, 'CORS_ORIGINS must be origins'],
  [{ TRUST_PROXY: '-1' }, 'TRUST_PROXY must be a whole number from 0 to 10.'],
  [{ RATE_LIMIT: '1.5' }, 'RATE_LIMIT must be a whole number'],
  [{ WEBHOOK_ALLOW_PRIVATE: 'yes' }, 'WEBHOOK_ALLOW_PRIVATE must be on or off.'],
  [{ GRAPHIQL: 'yes' }, 'GRAPHIQL must be on or off.'],
  [{ NODE_ENV: 'prod' }, 'NODE_ENV must be development, production or test.'],
  [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL must be trace'],
  [{ NODE_ENV: 'production' }, 'JWT_SECRET or JWT_JWKS_URL must be set in production'],
])('a setting that can’t be used is named: %o', (env, message) => {
  expect(() => parseConfig(env)).toThrow(message)
  expect(() => parseConfig(env)).toThrow(/^[^\n]*$/)
})

test('an empty setting counts as left out', () => {
  expect(parseConfig({ PORT: '', JWT_SECRET: '' })).toEqual(parseConfig({}))
})
