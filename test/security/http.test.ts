import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { codesOf, expectClean } from './table.ts'
import { type Exchange, exchange, exchangeBytes, RESULT, resultOf } from './ways.ts'

// Cases 1 to 13 and the like: what there is in HTTP alone. A row is sent with Ada's token unless it says otherwise.

let app: TestApp
let token: string

beforeAll(async () => {
  app = await startApp({ env: { CORS_ORIGINS: 'https://host.example' } })
  token = await app.as('ada').token
})
afterAll(() => app.close())

interface Row extends Exchange {
  number: number | ''
  what: string
  headers?: Record<string, string>
  withoutToken?: true
  status: number
  /** Of the errors; null where there are none: the request is answered, or the reply is not GraphQL's. */
  code: string | null
  /** Headers of the reply; null for one that must be missing. */
  reply?: Record<string, string | null>
}

type Rest = Omit<Row, 'number' | 'what' | 'status' | 'code'>

const KIB = 1024
const QUERY = JSON.stringify({ query: '{ __typename }' })
const MUTATION = 'mutation { markRead(input: { conversationId: "x" }) { conversation { id } } }'
const SUBSCRIPTION = JSON.stringify({ query: 'subscription { messageAdded { id } }' })
const JSON_TYPE = { 'content-type': 'application/json' }

/** A request that is refused as bad. */
const bad = (number: number | '', what: string, status: number, rest: Rest): Row => ({
  ...{ number, what, status, code: 'BAD_USER_INPUT' },
  ...rest,
})
const post = (body: string, headers: Record<string, string> = {}): Rest => ({
  headers: { ...JSON_TYPE, ...headers },
  body,
})
/** A query that is answered. */
const good = (number: number | '', what: string, rest: Rest): Row => ({
  ...{ number, what, status: 200, code: null },
  ...rest,
})
const get = (query: string, more = ''): Rest => ({
  method: 'GET',
  path: `/graphql?query=${encodeURIComponent(query)}${more}`,
})
const typed = (type: string, body = QUERY): Rest => ({ headers: { 'content-type': type }, body })

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const sized = (bytes: number) => QUERY.padEnd(bytes)

const MULTIPART = [
  '--x\r\ncontent-disposition: form-data; name="operations"\r\n',
  JSON.stringify({ query: MUTATION, variables: { file: null } }),
  '--x\r\ncontent-disposition: form-data; name="map"\r\n',
  '{"0":["__proto__.polluted","variables.__proto__.polluted","constructor.prototype.polluted"]}',
  '--x\r\ncontent-disposition: form-data; name="0"; filename="a"\r\n',
  'polluted',
  '--x--\r\n',
].join('\r\n')

const FORM = 'application/x-www-form-urlencoded'
const MULTIPARTS = [
  'multipart/form-data; boundary=x',
  'multipart/mixed; boundary=x',
  'Multipart/Form-Data; boundary="x"',
]
const OTHER_TYPES = [
  ...['text/plain', 'text/plain; charset=utf-8', 'text/plain; a=application/json', 'application/json, text/plain'],
  ...['application/jsonp', 'application/graphql', 'application/graphql+json', ''],
]
const JSON_TYPES = [
  ...['application/json', 'Application/JSON', 'application/json ; charset=utf-8', 'application/json;charset="UTF-8"'],
]
const FOREIGN_ORIGINS = [
  ...['https://evil.example', 'null', 'https://host.example.evil.example', 'https://host.example:444'],
  ...['http://host.example', 'file://', '*'],
]
const CHARSETS = ['utf-16', 'iso-8859-1', 'utf-7', 'utf-8; charset=utf-16', '"utf-8', 'utf8;']
const CODINGS = ['gzip', 'deflate', 'br', 'identity', 'gzip, gzip', 'x']
const NO_REQUESTS = [
  ...['', ' ', 'x', '{', 'null', 'true', '1', '"{__typename}"', '{}', '{"query":null}', '{"query":1}', '{"query":""}'],
  ...[
    '{"query":["{__typename}"]}',
    '{"query":"{__typename}","variables":[]}',
    '{"query":"{__typename}","variables":1}',
  ],
  ...['{"query":"{__typename}","variables":"{}"}', '{"query":"{__typename}","operationName":{}}'],
  ...['{"query":"{__typename}","extensions":[]}', '\ufeff{"query":"{__typename}"}'],
]
const NO_PARAMETERS = [
  ...['&variables=x', '&variables=[]', '&variables=1', '&variables={', '&extensions=x', '&operationName=x'],
]
const OTHER_PATHS = [
  ...['/graphql/', '//graphql', '/Graphql', '/graphql%00', '/graphql%2f', '/%67raphql', '/x/../graphql', '/graphql;x'],
  ...['/graphql#x', 'http://evil.example/graphql', '*', '/graphql\\', '/health', '/../../etc/passwd'],
]
const OTHER_ACCEPTS = [
  'text/html',
  'application/xml',
  'application/json; charset=utf-16',
  'x',
  '',
  ',;,',
  'image/*;q=0',
]
const NO_STREAMS = [
  ...['application/json', 'text/html', 'application/graphql-response+json', 'text/event-stream; charset=utf-16'],
]

const rows: Row[] = [
  bad(1, 'GET mutation', 405, { ...get(MUTATION), reply: { allow: 'POST' } }),
  bad(
    1,
    'GET mutation beside a query',
    405,
    get(`query Q { __typename } ${MUTATION.replace('{', 'M {')}`, '&operationName=M'),
  ),
  bad(1, 'GET mutation as an event stream', 405, { ...get(MUTATION), headers: { accept: 'text/event-stream' } }),
  bad(2, 'urlencoded mutation', 415, typed(FORM, `query=${encodeURIComponent(MUTATION)}`)),
  bad(2, 'urlencoded query', 415, typed(FORM, 'query=%7B__typename%7D')),
  ...MULTIPARTS.map((type) => bad(3, type, 415, typed(type, MULTIPART))),
  ...OTHER_TYPES.map((type) => bad(4, `content-type: ${type}`, 415, typed(type))),
  bad(4, 'no content-type', 415, { body: QUERY }),
  ...JSON_TYPES.map((type) => good(4, `content-type: ${type}`, typed(type))),
  ...FOREIGN_ORIGINS.map((origin) =>
    good(5, `foreign origin ${origin}`, {
      ...post(QUERY, { origin }),
      reply: { 'access-control-allow-origin': null, 'access-control-allow-credentials': null, vary: 'Origin' },
    }),
  ),
  {
    ...{ number: 6, what: 'GET query with a cookie and nothing else', withoutToken: true },
    ...{ ...get('{ __typename }'), headers: { cookie: 'session=ada; token=x' } },
    ...{ status: 401, code: 'UNAUTHENTICATED', reply: { 'www-authenticate': 'Bearer' } },
  },
  {
    ...{ number: 6, what: 'GET query with a token in the address', withoutToken: true },
    ...{ ...get('{ __typename }', '&authorization=Bearer+x&access_token=x'), status: 401, code: 'UNAUTHENTICATED' },
  },
  ...CHARSETS.map((charset) => bad(7, `charset=${charset}`, 415, typed(`application/json; charset=${charset}`))),
  bad(8, 'array batch', 400, post(`[${QUERY}]`)),
  bad(8, 'array batch of 1,000', 400, post(`[${`${QUERY},`.repeat(999)}${QUERY}]`)),
  bad(8, 'empty array', 400, post('[]')),
  good(9, 'body of 256 KiB', post(sized(256 * KIB))),
  { ...bad(9, 'body over 256 KiB', 413, post(sized(256 * KIB + 1))), code: 'PAYLOAD_TOO_LARGE' },
  {
    ...bad(
      9,
      'body over 256 KiB without its length',
      413,
      post(sized(256 * KIB + 1), { 'transfer-encoding': 'chunked' }),
    ),
    code: 'PAYLOAD_TOO_LARGE',
  },
  {
    ...bad(9, 'body of 10 MB, without a token', 401, post(sized(10_000_000))),
    ...{ withoutToken: true, code: 'UNAUTHENTICATED' },
  },
  ...CODINGS.map((coding) => bad(10, `content-encoding: ${coding}`, 415, post(QUERY, { 'content-encoding': coding }))),
  bad(11, 'JSON nested 100,000 deep', 400, post(nested(100_000))),
  bad(
    11,
    'JSON nested 100,000 deep, in variables',
    400,
    post(`{"query":"{__typename}","variables":{"a":${nested(100_000)}}}`),
  ),
  bad(11, 'JSON nested 100,000 deep, as the query', 400, post(`{"query":${nested(100_000)}}`)),
  bad(11, 'JSON nested 1,000 deep, by GET', 400, get('{__typename}', `&variables={"a":${nested(1_000)}}`)),
  good(12, 'headers __proto__ and constructor', post(QUERY, { ['__proto__']: 'polluted', constructor: 'polluted' })),
  bad(12, 'parameter __proto__', 400, post('{"query":"{__typename}","__proto__":{"polluted":1}}')),
  bad(13, 'unknown parameter', 400, post('{"query":"{__typename}","foo":1}')),
  bad(13, 'unknown parameter constructor', 400, post('{"query":"{__typename}","constructor":1}')),

  // What else is no request
  ...NO_REQUESTS.map((body) => bad('', `body ${JSON.stringify(body)}`, 400, post(body))),
  ...NO_PARAMETERS.map((more) => bad('', `GET with ${more}`, 400, get('{ __typename }', more))),
  bad('', 'GET without a query', 400, { method: 'GET', path: '/graphql' }),
  bad('', 'POST with a query in the address alone', 400, { ...post('{}'), ...get('{ __typename }'), method: 'POST' }),
  bad('', 'operationName of 200 KB', 400, post(`{"query":"{__typename}","operationName":"${'x'.repeat(200_000)}"}`)),
  ...['PUT', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY', 'DELETE'].map((method) =>
    bad('', method, 405, { method, reply: { allow: 'GET, POST' } }),
  ),
  { ...bad('', 'HEAD', 405, { ...get('{ __typename }'), method: 'HEAD' }), code: null },

  // Replies that a client says it does not take
  ...OTHER_ACCEPTS.map((accept) => good('', `accept: ${accept}`, post(QUERY, { accept }))),
  ...NO_STREAMS.map((accept) => bad('', `a subscription with accept: ${accept}`, 406, post(SUBSCRIPTION, { accept }))),
  {
    ...bad('', 'a bad document with accept: text/html', 400, post('{"query":"{"}', { accept: 'text/html' })),
    code: 'GRAPHQL_PARSE_FAILED',
  },

  // Paths
  ...['/graphql?x', '/graphql?', '/graphql?/healthz'].map((path) => good('', path, { ...post(QUERY), path })),
  good('', 'GET with another parameter', get('{ __typename }', '&x=/healthz')),
  ...OTHER_PATHS.map((path): Row => ({ number: '', what: path, path, ...post(QUERY), status: 404, code: null })),
]

describe('HTTP', () => {
  for (const { number, what, withoutToken, status, code, reply = {}, headers = {}, ...rest } of rows) {
    it(`${number} ${what}`.trim(), async () => {
      const authorization = withoutToken ? {} : { authorization: `Bearer ${token}` }
      const got = await exchange(app.url, { ...rest, headers: { accept: RESULT, ...headers, ...authorization } })
      const result = resultOf(got)
      expectClean({ result, text: got.text })
      expect(got.status).toBe(status)
      expect(codesOf({ result })).toEqual(code ? [code] : [])
      if (status === 200) expect(result).toEqual({ data: { __typename: 'Query' } })
      for (const [name, value] of Object.entries(reply)) expect(got.headers[name] ?? null).toBe(value)
    })
  }

  it('10 gzip bomb: refused, memory flat', async () => {
    const part = gzipSync(Buffer.alloc(1_000_000))
    // A gzip file may have several parts: 200 MB in all, in less than a request may have.
    const bomb = Buffer.concat(Array.from({ length: 200 }, () => part))
    expect(bomb.length).toBeLessThan(256 * KIB)
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip', authorization: `Bearer ${token}` }
    const before = process.memoryUsage().rss
    for (let i = 0; i < 10; i++) expect((await exchange(app.url, { headers, body: bomb })).status).toBe(415)
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000)
  })

  it('12 nothing is polluted after all of this', () => {
    expect(Object.prototype).not.toHaveProperty('polluted')
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})

describe('HTTP as no library would send it', () => {
  const request = (head: string) =>
    `${head}\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${QUERY.length}\r\n\r\n${QUERY}`
  const post = (host: string, path = '/graphql') => request(`POST ${path} HTTP/1.1\r\nHost: ${host}`)

  const bytes: [string, () => string, number][] = [
    ['HTTP/1.0', () => request('POST /graphql HTTP/1.0'), 200],
    ['an empty Host', () => post(''), 200],
    ['an IPv6 Host', () => post('[::1]:4000'), 200],
    ...[
      '[',
      '[::1',
      'a b',
      'x:99999',
      '%zz',
      'user@host',
      'a/b',
      'a?b',
      'a#b',
      '\\x',
      '<b>',
      'é',
      '1.2.3.999',
      'x:y',
    ].map((host): [string, () => string, number] => [`Host: ${host}`, () => post(host), 400]),
    ['a Host that would be another path', () => post('x/y?z=', '/graphql?x'), 400],
    ['no Host', () => request('POST /graphql HTTP/1.1'), 400],
    ['two lengths', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1'), 400],
    ['a length and chunks', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked'), 400],
    ['a header folded over two lines', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nX: a\r\n b'), 400],
    ['a bare LF in a header', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nX-Parley-Act-As: a\nb'), 400],
    ['a NUL in a header', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nX-Parley-Act-As: a\0b'), 400],
    ['headers of 20 KB', () => request(`POST /graphql HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}`), 431],
    [
      'two actAs',
      () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nX-Parley-Act-As: ada\r\nX-Parley-Act-As: bob'),
      401,
    ],
    ['two tokens', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x'), 401],
    ['another HTTP', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['TLS', () => '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03', 400],
    ['an expectation that there is not', () => request('POST /graphql HTTP/1.1\r\nHost: x\r\nExpect: x'), 417],
    [
      'an upgrade to another protocol',
      () => 'GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
      400,
    ],
  ]
  for (const [what, text, status] of bytes) {
    it(what, async () => {
      const reply = await exchangeBytes(app.url, text())
      expectClean({ result: null, text: reply })
      expect(reply).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    })
  }
})
