import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startApp, type TestApp } from '../support/app.ts'
import { codesOf, expectClean } from './table.ts'
import { openAcknowledged, openSocket, type RawSocket, type SocketOptions } from './ways.ts'

// Cases 44 to 57 and the like: what there is in WebSocket alone.

let app: TestApp
let authorization: string

beforeAll(async () => {
  app = await startApp({ env: { CORS_ORIGINS: 'https://host.example' } })
  authorization = `Bearer ${await app.as('ada').token}`
})
afterAll(() => app.close())

const open = (options?: SocketOptions) => openSocket(app.url, options)
const acknowledged = () => openAcknowledged({ url: app.url, authorization })
const init = () => ({ type: 'connection_init', payload: { authorization } })
const subscribe = (id: string, query = '{ __typename }') => ({ type: 'subscribe', id, payload: { query } })

/** How a socket is closed after all of this was said. */
async function closedAfter(socket: RawSocket, ...messages: (object | string | Buffer)[]) {
  for (const message of messages) socket.send(message)
  return (await socket.closed).code
}

describe('the upgrade', () => {
  for (const origin of ['https://evil.example', 'null', 'https://host.example.evil.example', 'file://', 'x']) {
    it(`44 foreign Origin ${origin}: 403`, () => expect(open({ headers: { origin } })).rejects.toThrow('403'))
  }

  it('44 an Origin of the list, none, and its own: welcome', async () => {
    for (const origin of ['https://host.example', app.url]) (await open({ headers: { origin } })).end()
    const socket = await open()
    socket.end()
  })

  it('50 legacy subprotocol: refused', async () => {
    await expect(open({ subprotocol: 'graphql-ws' })).rejects.toThrow('no subprotocol')
    const socket = await open({ subprotocol: [] })
    expect((await socket.closed).code).toBe(4406)
  })

  it('50 of two subprotocols the one that is known', async () => {
    const socket = await open({ subprotocol: ['graphql-ws', 'graphql-transport-ws'] })
    expect(socket.ws.protocol).toBe('graphql-transport-ws')
    socket.end()
  })

  it('57 deflate: not negotiated', async () => {
    const socket = await open({ perMessageDeflate: true })
    expect(socket.ws.extensions).toBe('')
    socket.end()
  })

  for (const path of ['/', '/graphql/', '/Graphql', '/healthz', '/graphql%00']) {
    it(`at ${path}: 404`, () => expect(open({ path })).rejects.toThrow('404'))
  }
})

interface Row {
  number: number | ''
  what: string
  /** What is said on a new socket. */
  says: (object | string | Buffer)[] | (() => (object | string | Buffer)[])
  closes: number
}

const deep = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`

const unacknowledged: Row[] = [
  { number: 47, what: 'subscribe before ack', says: [subscribe('1')], closes: 4401 },
  { number: 47, what: 'subscribe right behind the init', says: () => [init(), subscribe('1')], closes: 4401 },
  { number: 48, what: 'double init', says: () => [init(), init()], closes: 4429 },
  ...Object.entries({
    'a word': 'x',
    nothing: '',
    'half an object': '{"type":"connection_init"',
    bytes: Buffer.from([0, 1, 2, 255]),
    null: 'null',
    'an array': '[{"type":"connection_init"}]',
    'a number': '1',
    'no type': '{}',
    'a type that is none': '{"type":"__proto__"}',
    'a type that is no text': '{"type":{}}',
    'an init whose payload is a text': '{"type":"connection_init","payload":"x"}',
    'an init whose payload is a list': '{"type":"connection_init","payload":[]}',
    'arrays 100,000 deep': '['.repeat(100_000) + ']'.repeat(100_000),
    'a subscribe without an id': { type: 'subscribe', payload: { query: '{ __typename }' } },
    'a subscribe with an empty id': subscribe(''),
    'a subscribe without a payload': { type: 'subscribe', id: '1' },
    'a subscribe without a query': { type: 'subscribe', id: '1', payload: {} },
    'variables as a list': { type: 'subscribe', id: '1', payload: { query: '{ __typename }', variables: [] } },
    'an operationName that is no text': {
      type: 'subscribe',
      id: '1',
      payload: { query: '{ __typename }', operationName: 1 },
    },
    'a complete without an id': { type: 'complete' },
    'an acknowledgement': { type: 'connection_ack' },
    'a result': { type: 'next', id: '1', payload: { data: null } },
    'an error': { type: 'error', id: '1', payload: [] },
  }).map(([what, message]): Row => ({ number: 49, what: `garbage: ${what}`, says: [message], closes: 4400 })),
  {
    number: 52,
    what: '1,000 pings before init',
    says: Array.from({ length: 1_000 }, () => ({ type: 'ping' })),
    closes: 1008,
  },
  { number: 55, what: 'a frame over 256 KiB, before init', says: ['x'.repeat(256 * 1024 + 1)], closes: 1009 },
  {
    number: 12,
    what: 'a token in a __proto__',
    says: () => [`{"type":"connection_init","payload":{"__proto__":${JSON.stringify(init().payload)}}}`],
    closes: 4403,
  },
]

describe('a new socket', () => {
  for (const { number, what, says, closes } of unacknowledged) {
    it(`${number} ${what}: ${closes}`, async () => {
      expect(await closedAfter(await open(), ...(typeof says === 'function' ? says() : says))).toBe(closes)
    })
  }

  it('45 no init, whatever else is said: 4408', async () => {
    const sockets = await Promise.all([open(), open(), open(), open()])
    sockets[1].send({ type: 'pong' })
    sockets[2].send({ type: 'complete', id: '1' })
    sockets[3].send({ type: 'ping', payload: { authorization } })
    const closes = await Promise.all(sockets.map(({ closed }) => closed))
    expect(closes.map(({ code }) => code)).toEqual([4408, 4408, 4408, 4408])
  })
})

describe('an acknowledged socket', () => {
  const rows: Row[] = [
    { number: 48, what: 'another init', says: () => [init()], closes: 4429 },
    { number: 49, what: 'garbage', says: ['x'], closes: 4400 },
    { number: 51, what: 'a duplicate id', says: twice('1'), closes: 4409 },
    { number: 51, what: 'a duplicate id that is too long to tell', says: twice('x'.repeat(1_000)), closes: 4409 },
    { number: 51, what: 'a duplicate __proto__', says: twice('__proto__'), closes: 4409 },
    {
      number: 55,
      what: 'a frame over 256 KiB',
      says: [`{"type":"ping","payload":{"x":"${'x'.repeat(256 * 1024)}"}}`],
      closes: 1009,
    },
  ]
  function twice(id: string) {
    return [1, 2].map(() => subscribe(id, 'subscription { messageAdded { id } }'))
  }
  for (const { number, what, says, closes } of rows) {
    it(`${number} ${what}: ${closes}`, async () => {
      expect(await closedAfter(await acknowledged(), ...(typeof says === 'function' ? says() : says))).toBe(closes)
    })
  }

  it('55 a message over 256 KiB in several frames: 1009', async () => {
    const { ws, closed } = await acknowledged()
    for (let i = 0; i < 5; i++) ws.send('x'.repeat(60_000), { fin: false })
    expect((await closed).code).toBe(1009)
  })

  it('56 endless tiny fragments: 1008', async () => {
    const { ws, closed } = await acknowledged()
    for (let i = 0; i < 1_000; i++) ws.send('', { fin: false })
    expect((await closed).code).toBe(1008)
  })

  it('text that is no UTF-8: 1007', async () => {
    const { ws, closed } = await acknowledged()
    ws.send(Buffer.from([0xff, 0xfe]), { binary: false })
    expect((await closed).code).toBe(1007)
  })

  it('a frame without a mask: 1002', async () => {
    const { ws, closed } = await acknowledged()
    ws.send('x', { mask: false })
    expect((await closed).code).toBe(1002)
  })

  for (const id of ['__proto__', 'constructor', 'hasOwnProperty', ' ', '\0', '\ud800', 'x'.repeat(100_000)]) {
    it(`51 the id ${JSON.stringify(id.slice(0, 20))}: normal`, async () => {
      const socket = await acknowledged()
      socket.send(subscribe(id))
      expect(await socket.next()).toEqual({ type: 'next', id, payload: { data: { __typename: 'Query' } } })
      expect(await socket.next()).toEqual({ type: 'complete', id })
      socket.end()
    })
  }

  it('53 the 101st subscription: an error, and the others go on', async () => {
    const socket = await acknowledged()
    for (let i = 1; i <= 101; i++) socket.send(subscribe(`s${i}`, 'subscription { messageAdded { id } }'))
    const refusal = await socket.next()
    expect(refusal).toMatchObject({ type: 'error', id: 's101' })
    expect(codesOf({ result: { errors: refusal!.payload as never } })).toEqual(['CONFLICT'])
    socket.send({ type: 'complete', id: 's1' })
    await vi.waitFor(
      async () => {
        socket.send(subscribe('q'))
        expect(await socket.next()).toMatchObject({ type: 'next', id: 'q' })
      },
      { timeout: 30_000 },
    )
    socket.end()
  })

  it('54 depth 5,000: an error without detail, and the socket goes on', async () => {
    const socket = await acknowledged()
    socket.send(subscribe('deep', '{ a '.repeat(5_000) + '}'.repeat(5_000)))
    const { type, payload } = (await socket.next())!
    expect(type).toBe('error')
    const result = { errors: payload as never }
    expect(codesOf({ result })).toEqual(['GRAPHQL_PARSE_FAILED'])
    expectClean({ result, text: JSON.stringify(payload) })
    expect(JSON.stringify(payload).length).toBeLessThan(500)
    socket.send(subscribe('next'))
    expect(await socket.next()).toMatchObject({ type: 'next', id: 'next' })
    socket.end()
  })

  it('a ping is answered without what it carries, however deep', async () => {
    const socket = await acknowledged()
    socket.send(`{"type":"ping","payload":${deep(20_000)}}`)
    expect(await socket.next()).toEqual({ type: 'pong' })
    socket.end()
  })
})
