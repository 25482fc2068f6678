import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { exchange } from '../security/ways.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

let app: TestApp
let database: TestDatabase
let proxy: TcpProxy

beforeAll(async () => {
  database = await createTestDatabase()
  const url = new URL(database.url)
  proxy = await createTcpProxy({ port: Number(url.port) })
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  app = await startApp({ databaseUrl: url.href })
})
afterAll(async () => {
  await app.close()
  await database.drop()
})

async function health(path: string, method = 'GET') {
  const { status, headers, text } = await exchange(app.url, { method, path })
  expect(headers['cache-control']).toBe('no-store')
  return { status, body: text && JSON.parse(text) }
}

const READY = { status: 200, body: { status: 'ok', database: 'up', bus: 'up' } }
const UNREADY = { status: 503, body: { status: 'unavailable', database: 'down', bus: 'up' } }

describe('/healthz', () => {
  it('says that the process runs, to anybody', async () => {
    expect(await health('/healthz')).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await health('/healthz?now')).toEqual({ status: 200, body: { status: 'ok' } })
    expect(await health('/healthz', 'HEAD')).toEqual({ status: 200, body: '' })
  })
})

describe('/readyz', () => {
  it('says that it can serve, to anybody', async () => {
    expect(await health('/readyz')).toEqual(READY)
    expect(await health('/readyz', 'HEAD')).toEqual({ status: 200, body: '' })
  })

  it('says that it can not while the database does not answer, and that it can again', async () => {
    proxy.blackhole()
    expect(await health('/readyz')).toEqual(UNREADY)
    expect(await health('/healthz')).toMatchObject({ status: 200 })
    proxy.restore()
    proxy.cut()
    await vi.waitFor(async () => expect(await health('/readyz')).toEqual(READY), { timeout: 30_000 })
  })

  it('says that it can not while the database is away', async () => {
    await proxy.close()
    expect(await health('/readyz')).toEqual(UNREADY)
    expect(await health('/healthz')).toMatchObject({ status: 200 })
  })
})
