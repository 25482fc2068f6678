import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exchange } from '../security/ways.ts'
import { SECRET, startApp, type TestApp } from '../support/app.ts'

const LISTED = 'https://host.example'

let app: TestApp
let production: TestApp
let authorization: string

beforeAll(async () => {
  app = await startApp({ env: { CORS_ORIGINS: `${LISTED}, https://other.example:8443` } })
  production = await startApp({ env: { NODE_ENV: 'production', JWT_SECRET: SECRET, CORS_ORIGINS: LISTED } })
  authorization = `Bearer ${await app.as('ada').token}`
})
afterAll(() => Promise.all([app.close(), production.close()]))

const post = (url: string, origin: string | undefined, headers = {}, body = '{"query":"{ __typename }"}') =>
  exchange(url, {
    headers: { 'content-type': 'application/json', authorization, ...(origin && { origin }), ...headers },
    body,
  })

const preflight = (url: string, origin: string) =>
  exchange(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-parley-act-as',
    },
  })

const allowed = ({ headers }: Awaited<ReturnType<typeof exchange>>) => headers['access-control-allow-origin']

describe('a page of another origin', () => {
  it('that is listed may ask, and read what comes', async () => {
    for (const origin of [LISTED, 'https://other.example:8443']) {
      const reply = await post(app.url, origin)
      expect(reply.status).toBe(200)
      expect(allowed(reply)).toBe(origin)
      expect(reply.headers.vary).toContain('Origin')
    }
  })

  it('that is listed may send its token, but no cookies', async () => {
    const reply = await preflight(app.url, LISTED)
    expect(reply.status).toBe(204)
    expect(allowed(reply)).toBe(LISTED)
    expect(reply.headers['access-control-allow-methods']).toBe('GET, POST')
    expect(reply.headers['access-control-allow-headers']).toBe('authorization,content-type,x-parley-act-as')
    expect(reply.headers).not.toHaveProperty('access-control-allow-credentials')
    expect(reply.headers.vary).toContain('Origin')
  })

  it('that is listed may read refusals too', async () => {
    const refused = {
      401: await post(app.url, LISTED, { authorization: 'Bearer x' }),
      413: await post(app.url, LISTED, {}, 'x'.repeat(300_000)),
      415: await post(app.url, LISTED, { 'content-type': 'text/plain' }),
    }
    for (const [status, reply] of Object.entries(refused)) {
      expect(reply.status).toBe(Number(status))
      expect(allowed(reply)).toBe(LISTED)
    }
  })

  it('that is listed may read an event stream', async () => {
    const reply = await post(app.url, LISTED, { accept: 'text/event-stream' })
    expect(reply.headers['content-type']).toBe('text/event-stream')
    expect(allowed(reply)).toBe(LISTED)
  })

  it('that is not listed gets nothing that its browser would let it read', async () => {
    for (const origin of ['https://evil.example', 'null', `${LISTED}.evil.example`, 'https://sub.host.example']) {
      for (const reply of [await post(app.url, origin), await preflight(app.url, origin)]) {
        expect(Object.keys(reply.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
        expect(reply.headers.vary).toContain('Origin')
      }
    }
  })

  it('of this machine may ask in development, not in production', async () => {
    for (const origin of ['http://localhost:5173', 'http://127.0.0.1:3000', 'http://[::1]:8080', 'https://localhost']) {
      expect(allowed(await post(app.url, origin))).toBe(origin)
      expect(allowed(await post(production.url, origin))).toBeUndefined()
    }
    for (const origin of [
      'http://localhost.evil.example',
      'http://127.0.0.1.evil.example',
      'http://localhost:1x',
      'ftp://localhost',
    ]) {
      expect(allowed(await post(app.url, origin))).toBeUndefined()
    }
  })

  it("that is the server's own may ask, by whatever name it was reached", async () => {
    const own = 'https://chat.example:8443'
    expect(allowed(await post(production.url, own, { host: 'chat.example:8443' }))).toBe(own)
    expect(allowed(await post(production.url, own, { host: 'chat.example' }))).toBeUndefined()
  })
})

it('a client that is no page is not concerned', async () => {
  const reply = await post(app.url, undefined)
  expect(reply.status).toBe(200)
  expect(allowed(reply)).toBeUndefined()
})
