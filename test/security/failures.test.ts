import pg from 'pg'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { codesOf, expectClean } from './table.ts'
import { type Caller, canGo, exchange, exchangeBytes, openAcknowledged, openSocket, WAYS, ways } from './ways.ts'
import { adaWithTwo, sendTo } from './world.ts'

// Cases 22, 46 and 63: what a client sees, and what the log says, when something goes wrong on our side.

/** What was logged, as it would have been written. */
let logged: string[]
const log = pino({ level: 'trace', base: null }, { write: (line) => void logged.push(line) })
beforeAll(() => {
  logged = []
})

const MARKUP = '<script>alert(1)</script>\r\n{"level":60,"msg":"forged"}\u001b[31m'

describe('22 a resolver throws', () => {
  let app: TestApp
  let ada: Caller & { withBob: string }

  beforeAll(async () => {
    app = await startApp({ overrides: { log } })
    ada = await adaWithTwo(app)
    await sendTo(app.as('ada'), ada.withBob, MARKUP)
    await execute(app.databaseUrl, 'DROP TABLE messages CASCADE')
  })
  afterAll(() => app.close())

  const asks = {
    'of a query': '{ conversations { edges { node { lastMessage { body } } } } }',
    'of a mutation':
      'mutation ($id: ID!) { sendMessage(input: { conversationId: $id, body: "<b>" }) { deduplicated } }',
  }
  for (const [what, query] of Object.entries(asks)) {
    for (const way of WAYS.filter((way) => canGo(way, { query }))) {
      it(`${what}: masked, with an id that the log has too: ${way}`, async () => {
        logged.length = 0
        const variables = query.includes('$id') ? { id: ada.withBob } : {}
        const answer = await ways[way](ada, { query, variables })
        expectClean(answer)
        expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR'])
        expect(answer.text).not.toMatch(/messages|relation|does not exist|42P01/)
        const { message, extensions } = answer.result!.errors![0]!
        expect(message).toBe('Something went wrong on our side.')
        const entry = logged.map((line) => JSON.parse(line)).find(({ errorId }) => errorId === extensions!.id)
        expect(entry).toMatchObject({ level: 50, err: { message: expect.stringContaining('does not exist') } })
      })
    }
  }
})

describe('46 authentication that hangs', () => {
  let app: TestApp
  let database: TestDatabase
  let proxy: TcpProxy
  let authorization: string

  beforeEach(async () => {
    database = await createTestDatabase()
    const url = new URL(database.url)
    proxy = await createTcpProxy({ port: Number(url.port) })
    url.hostname = '127.0.0.1'
    url.port = String(proxy.port)
    app = await startApp({ databaseUrl: url.href, overrides: { log } })
    authorization = `Bearer ${await app.as('ada').token}`
    proxy.blackhole()
  })
  afterEach(async () => {
    await proxy.close()
    await app.close()
    await database.drop()
  })

  it('closed within 5 s', { timeout: 40_000 }, async () => {
    const socket = await openSocket(app.url)
    const begun = performance.now()
    socket.send({ type: 'connection_init', payload: { authorization } })
    // The first where it hangs in a connection that there is, the second where a new one is not to be had.
    expect([4408, 1013]).toContain((await socket.closed).code)
    expect(performance.now() - begun).toBeLessThan(25_000)
  })

  it('and then fails: UNAVAILABLE, and a close that clients come back from', async () => {
    const query = { query: '{ __typename }' }
    const answers = WAYS.map((way) => ways[way]({ url: app.url, authorization }, query))
    // Each waits for a connection, or has one: whichever it is, it is cut off.
    const cutting = setInterval(() => proxy.cut(), 100)
    const [post, get, ...rest] = await Promise.all(answers)
    clearInterval(cutting)
    for (const answer of [post!, get!, ...rest.slice(0, 2)]) {
      expectClean(answer)
      expect(answer.status).toBe(503)
      expect(codesOf(answer)).toEqual(['UNAVAILABLE'])
    }
    expect(rest[2]!.status).toBe(1013)
  })
})

describe('63 what others wrote', () => {
  let app: TestApp
  let ada: Caller & { withBob: string }

  beforeAll(async () => {
    app = await startApp({ overrides: { log }, env: { CORS_ORIGINS: 'https://host.example' } })
    ada = await adaWithTwo(app)
    // An error of the database that quotes what was sent, as some do.
    await execute(
      app.databaseUrl,
      `CREATE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', NEW.body; END $$`,
      'CREATE TRIGGER quote BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION quote()',
    )
  })
  afterAll(() => app.close())

  it('is one JSON object a line in the log, and nothing is written past the log', async () => {
    logged.length = 0
    const written = [
      ...(['log', 'info', 'warn', 'error', 'debug', 'trace'] as const).map((name) => vi.spyOn(console, name)),
      vi.spyOn(process.stderr, 'write'),
    ]
    await misbehave(app, ada)
    expect(logged.filter((line) => line.includes('forged'))).not.toEqual([])
    for (const line of logged) {
      expect(line).toMatch(/^\P{Cc}+\n$/u)
      expect(['forged', 'the database is away or overloaded']).not.toContain(JSON.parse(line).msg)
    }
    for (const spy of written) expect(spy).not.toHaveBeenCalled()
  })

  it('never comes back as a page or a header', async () => {
    const headers = {
      authorization: ada.authorization,
      'content-type': 'application/json',
      accept: 'text/html',
      origin: 'https://host.example',
      'access-control-request-headers': '<script>',
      'user-agent': '<script>',
    }
    const body = JSON.stringify({ query: `{ ${MARKUP} }`, operationName: MARKUP })
    for (const path of ['/graphql', '/graphql?<script>', '/<script>', '/healthz?<script>']) {
      const reply = await exchange(app.url, { path, headers, body })
      expect(reply.headers['content-type']).toMatch(/^(application\/json|text\/plain)/)
      const { 'access-control-allow-headers': _echoed, ...rest } = reply.headers
      expect(JSON.stringify(rest)).not.toContain('script')
    }
  })
})

async function execute(databaseUrl: string, ...statements: string[]) {
  const database = new pg.Client(databaseUrl)
  await database.connect()
  for (const statement of statements) await database.query(statement)
  await database.end()
}

/** What makes libraries complain, with texts that would forge lines. */
async function misbehave(app: TestApp, ada: Caller & { withBob: string }) {
  const send =
    'mutation ($id: ID!, $body: String!) { sendMessage(input: {conversationId: $id, body: $body}) { deduplicated } }'
  for (const way of WAYS.filter((way) => canGo(way, { query: send }))) {
    const answer = await ways[way](ada, { query: send, variables: { id: ada.withBob, body: MARKUP } })
    expect(codesOf(answer)).toEqual(['INTERNAL_SERVER_ERROR'])
    expect(answer.text).not.toContain('forged')
  }
  const json = { authorization: ada.authorization, 'content-type': 'application/json' }
  await exchange(app.url, { headers: json, body: MARKUP })
  await exchange(app.url, { headers: { ...json, accept: '<script>' }, body: JSON.stringify({ query: MARKUP }) })
  await exchangeBytes(app.url, `GET /graphql HTTP/1.1\r\nHost: x\r\nX: ${MARKUP}\r\n\r\n`)
  await exchangeBytes(app.url, 'POST /graphql HTTP/1.1\r\nHost: [\r\nConnection: close\r\n\r\n')
  for (const framing of ['Content-Length: 100\r\n\r\n{"query":', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"que\r\n']) {
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: ${ada.authorization}\r\n`
    await exchangeBytes(app.url, head + framing, { hangUp: true })
  }
  await expect(openSocket(app.url, { headers: { origin: MARKUP.replace(/[^ -~]/g, '') } })).rejects.toThrow('403')

  const unknown = await openSocket(app.url)
  unknown.send({ type: 'connection_init', payload: { authorization: `Bearer ${MARKUP}`, actAs: MARKUP } })
  await unknown.closed
  for (const message of [MARKUP, JSON.stringify({ type: MARKUP }), { type: 'next', id: MARKUP, payload: {} }]) {
    const socket = await openAcknowledged(ada)
    socket.send(message)
    await socket.closed
  }
  const oversized = await openAcknowledged(ada)
  oversized.send(MARKUP.repeat(10_000))
  await oversized.closed
  const twice = await openAcknowledged(ada)
  const subscribe = {
    type: 'subscribe',
    id: MARKUP.repeat(10),
    payload: { query: 'subscription { messageAdded { id } }' },
  }
  twice.send(subscribe)
  twice.send(subscribe)
  await twice.closed
  const broken = await openAcknowledged(ada)
  broken.ws.send(Buffer.from([0xff]), { binary: false })
  await broken.closed
}
