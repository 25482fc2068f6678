import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { outlastLeases } from '../../src/features/users/leases.ts'
import { type Exchange, exchange, exchangeBytes } from '../security/ways.ts'
import { adaWithTwo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { execute } from '../support/postgres.ts'

// Plain POSTs are answered without Yoga, and nobody may see a difference. Yoga takes every path that has a query string,
// which changes nothing else: so each request is sent to both, and the answers must be the same.

const ORIGIN = 'https://host.example'
const RESULT = 'application/graphql-response+json'

let app: TestApp
let ada: Awaited<ReturnType<typeof adaWithTwo>>

beforeAll(async () => {
  app = await startApp({ env: { CORS_ORIGINS: ORIGIN, RATE_LIMIT: '40' } })
  ada = await adaWithTwo(app)
})
afterAll(() => app.close())

const ask = (query: unknown, more: object = {}) => JSON.stringify({ query, ...more })
const QUERY = ask('{ viewer { id displayName } }')

/** What comes back, but for what differs from one moment to the next. */
async function answer(request: Exchange, path: string) {
  const { status, headers, text } = await exchange(app.url, { ...request, path })
  const { date: _, ...stable } = headers
  return { status, headers: stable, text: text.replaceAll(/"(id":"[\da-f-]{36}"|retryAfter":\d+)/g, '…') }
}

/** Sends a request both ways; gives back the answer, which must be the same. */
async function both(body: string | Buffer | undefined, headers: Record<string, string | undefined> = {}) {
  const given = { 'content-type': 'application/json', authorization: ada.authorization, ...headers }
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const request = { headers: known, body }
  const plain = await answer(request, '/graphql')
  expect(plain).toEqual(await answer(request, '/graphql?'))
  return plain
}

const ACCEPTED = [
  ...[undefined, '', '*/*', 'application/json', RESULT, 'application/*', '*/json', 'APPLICATION/JSON', ' , ', 'x'],
  ...[`${RESULT}, application/json;q=0.9`, `application/json, ${RESULT}`, `text/html, ${RESULT}`, 'image/*', 'a/b/c'],
  ...[
    `${RESULT}; charset=utf-8, */*`,
    `${RESULT};charset=utf-16, application/json`,
    'application/json; charset=utf-16',
  ],
  ...[`${RESULT}, application/json, text/event-stream, multipart/mixed`, 'application/json/x', '*/*;q=0.1, text/plain'],
  ...[
    'text/event-stream',
    'multipart/mixed',
    'text/event-stream, application/json',
    'application/json;Charset="utf-8"',
  ],
]

const DOCUMENTS: Record<string, string> = {
  'that is answered': QUERY,
  'with variables': ask('query Q($id: ID!) { conversation(id: $id) { id } }', { variables: { id: 'x' } }),
  'with a name and null for the rest': ask('query Q { a: __typename }', { operationName: 'Q', variables: null }),
  'whose field fails': ask('mutation { markRead(input: { conversationId: "x" }) { conversation { id } } }'),
  'that is none': ask('{'),
  'that is empty': ask(''),
  'with an unknown field': ask('{ nothing, neither }'),
  'with a variable at fault': ask('query ($id: ID!) { conversation(id: $id) { id } }', { variables: { id: {} } }),
  'with an operation that is not there': ask('query Q { __typename }', { operationName: 'R' }),
  'that costs too much': ask(
    `{ conversations(first: 100) { edges { node { ${'messages(first: 100) { edges { node { conversation { '.repeat(2)}id${' } } } }'.repeat(2)} } } } }`,
  ),
  'with characters of several bytes': ask('query ($e: String!) { user(externalId: $e) { id } }', {
    variables: { e: 'é😀'.repeat(9_000) },
  }),
  'with extensions': ask('{ __typename }', { extensions: { persistedQuery: { version: 1 } } }),
}

describe('a document', () => {
  for (const [what, body] of Object.entries(DOCUMENTS)) {
    it(`${what}, whatever is accepted`, async () => {
      for (const accept of ACCEPTED) await both(body, { accept })
    })
  }

  it('is refused for what it costs', async () => {
    expect((await both(DOCUMENTS['that costs too much'], { accept: RESULT })).text).toContain('Ask for smaller pages.')
  })

  it('that is a subscription, which fails', async () => {
    const failing = ask('subscription { messageAdded(conversationId: "x") { id } }')
    for (const accept of ACCEPTED) await both(failing, { accept })
    expect(await both(failing, { accept: 'text/event-stream' })).toMatchObject({
      status: 200,
      text: expect.stringContaining('event: complete'),
    })
  })
})

describe('a subscription', () => {
  const body = ask('subscription { messageAdded { id } }')

  it('is a stream where one is accepted', async () => {
    const begin = async (path: string, accept: string) => {
      const headers = { accept, 'content-type': 'application/json', authorization: ada.authorization }
      const response = await fetch(app.url + path, { method: 'POST', headers, body })
      await response.body?.cancel()
      return [response.status, response.headers.get('content-type')]
    }
    for (const accept of ['*/*', 'text/event-stream', `${RESULT}, text/event-stream`, 'text/event-stream, */*']) {
      const [status, type] = await begin('/graphql', accept)
      expect([status, type]).toEqual(await begin('/graphql?', accept))
      expect(type).not.toContain('json')
    }
  })

  it('is refused where none is', async () => {
    for (const accept of ['application/json', RESULT]) expect((await both(body, { accept })).status).toBe(406)
  })
})

describe('a body', () => {
  const sized = (bytes: number) => QUERY.padEnd(bytes)
  const bodies = [
    ...['', ' ', 'x', '{', 'null', 'true', '1', '"{__typename}"', '[]', `[${QUERY}]`, '{}', `\ufeff${QUERY}`],
    ...['{"query":null}', '{"query":1}', '{"query":["{__typename}"]}', ask('{__typename}', { foo: null })],
    ...[ask('{__typename}', { foo: 1 }), '{"query":"{__typename}","__proto__":{"a":1}}', `${QUERY}\0`],
    ...[ask('{__typename}', { variables: [] }), ask('{__typename}', { variables: '{}' })],
    ...[ask('{__typename}', { extensions: [] }), ask('{__typename}', { extensions: 1 })],
    ...[ask('{__typename}', { operationName: {} }), ask('{__typename}', { operationName: '' })],
    ...['['.repeat(100_000), `{"query":"{__typename}","variables":${'{"a":'.repeat(70)}1${'}'.repeat(71)}`],
  ]
  it('of any form', async () => {
    for (const body of bodies) for (const accept of ['*/*', RESULT]) await both(body, { accept })
    await both(Buffer.from('{"query":"{__typename}","variables":{"a":"\xff"}}', 'latin1'))
  })

  it('of any size', async () => {
    expect((await both(sized(256 * 1024))).status).toBe(200)
    expect((await both(sized(256 * 1024 + 1))).status).toBe(413)
    for (const size of [100, 256 * 1024, 256 * 1024 + 1]) await both(sized(size), { 'transfer-encoding': 'chunked' })
    await both(undefined)
  })

  it('of any type and coding', async () => {
    const types = [
      ...[undefined, '', 'text/plain', 'application/json;charset=utf-16', 'application/json; charset="UTF-8"'],
      ...['Application/JSON ;charset=utf8', 'application/graphql', 'application/json, text/plain'],
    ]
    for (const type of types) await both(QUERY, { 'content-type': type })
    for (const coding of ['gzip', 'identity', '']) await both(QUERY, { 'content-encoding': coding })
  })

  it('that breaks off', async () => {
    const part = (path: string) =>
      exchangeBytes(
        app.url,
        `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${ada.authorization}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
        { hangUp: true },
      )
    expect(await part('/graphql')).toBe(await part('/graphql?'))
    expect((await both(QUERY)).status).toBe(200)
  })
})

describe('a client', () => {
  it('that is not let in', async () => {
    for (const accept of ['*/*', RESULT, 'text/event-stream']) {
      for (const authorization of [undefined, '', 'Bearer x', 'Basic x', `${ada.authorization}x`]) {
        expect((await both(QUERY, { accept, authorization })).status).toBe(401)
      }
      for (const act of ['bob', '']) await both(QUERY, { accept, 'x-parley-act-as': act })
    }
  })

  it('that is a service', async () => {
    const authorization = `Bearer ${await app.asService().token}`
    for (const act of [undefined, '', 'bob', 'nobody', 'bob, carl']) {
      await both(QUERY, { authorization, 'x-parley-act-as': act })
    }
  })

  it('that is a page', async () => {
    for (const origin of [ORIGIN, 'https://evil.example', 'null', '', '*', app.url, 'http://localhost:1', 'é']) {
      for (const body of [QUERY, ask('{'), '{']) {
        await both(body, { origin })
        await both(body, { origin, 'access-control-request-headers': 'x-a', 'access-control-request-method': 'PUT' })
        await both(body, { origin, authorization: 'Bearer x' })
      }
    }
    expect((await both(QUERY, { origin: ORIGIN })).headers).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      vary: 'Origin',
    })
  })

  it('that keeps the connection, or not, or speaks HTTP/1.0', async () => {
    for (const connection of ['keep-alive', 'close', undefined]) await both(QUERY, { connection })
    const request = (path: string) =>
      `POST ${path} HTTP/1.0\r\nAuthorization: ${ada.authorization}\r\nContent-Type: application/json\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`
    const lines = async (path: string) =>
      (await exchangeBytes(app.url, request(path)))
        .split('\r\n')
        .filter((line) => !line.startsWith('Date'))
        .sort()
    expect(await lines('/graphql')).toEqual(await lines('/graphql?'))
  })

  it('that calls too often', async () => {
    const mutations = (count: number) =>
      ask(`mutation { ${Array.from({ length: count }, (_, i) => `a${i}: __typename`).join(' ')} }`)
    const authorization = `Bearer ${await app.as('often').token}`
    expect((await both(mutations(20), { authorization })).status).toBe(200)
    expect((await both(mutations(20), { authorization })).status).toBe(429)
    expect((await both(mutations(1), { authorization, accept: RESULT })).status).toBe(429)
  })
})

it.each(['Ada', 'Adé', 'Ада', 'Ada 😀', '\u2028'])('an answer with %j comes in UTF-8', async (name) => {
  await execute(app.databaseUrl, `UPDATE users SET display_name = '${name}' WHERE external_id = 'ada'`)
  expect((await both(QUERY)).text).toContain(`"displayName":"${name}"`)
})

describe('when something goes wrong on our side', () => {
  it('in a resolver, then with identity too', async () => {
    await execute(app.databaseUrl, 'ALTER TABLE conversations RENAME TO lost')
    const list = await both(ask('{ conversations { edges { node { id } } } }'))
    expect(list).toMatchObject({ status: 200, text: expect.stringContaining('INTERNAL_SERVER_ERROR') })
    await execute(app.databaseUrl, 'ALTER TABLE users RENAME TO lost_too')
    // Once who asks is looked for again.
    await outlastLeases()
    for (const accept of ACCEPTED) expect((await both(QUERY, { accept })).status).toBe(500)
  })
})
