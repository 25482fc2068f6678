import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import type { ExecutionResult } from 'graphql'
import WebSocket, { type ClientOptions } from 'ws'

// The ways in, each with a client that sends what it is given as it is.

/** A request; `variables` as JSON text go in as they are, so that they can say what JSON.stringify would not. */
export interface Ask {
  query?: unknown
  variables?: object | string | undefined
  operationName?: unknown
}

export interface Caller {
  /** The server, as startApp names it. */
  url: string
  authorization?: string | undefined
  actAs?: string | undefined
}

export interface Answer {
  /** HTTP: the status. WebSocket: the code that it was closed with; 101 while it is open. */
  status: number
  /** The first result; null where there was none. */
  result: ExecutionResult | null
  /** All that came, for what must not be in it. */
  text: string
}

export type Way = 'POST' | 'GET' | 'event stream by POST' | 'event stream by GET' | 'WebSocket'

export const RESULT = 'application/graphql-response+json'
const EVENTS = 'text/event-stream'

/** Sends a request and waits for its first result. */
export const ways: Record<Way, (caller: Caller, ask: Ask) => Promise<Answer>> = {
  POST: (caller, ask) => overHttp(caller, { body: bodyOf(ask), accept: RESULT }),
  GET: (caller, ask) => overHttp(caller, { path: pathOf(ask), accept: RESULT }),
  'event stream by POST': (caller, ask) => overHttp(caller, { body: bodyOf(ask), accept: EVENTS }),
  'event stream by GET': (caller, ask) => overHttp(caller, { path: pathOf(ask), accept: EVENTS }),
  WebSocket: overWebSocket,
}

export const WAYS = Object.keys(ways) as Way[]

/** Node takes up to 16 KiB of request line and headers. */
const MAX_GET = 10_000

/** Whether a request can go this way: a mutation can't by GET, nor can a long one. */
export function canGo(way: Way, ask: Ask): boolean {
  return !way.endsWith('GET') || (!/^\s*mutation/.test(String(ask.query)) && pathOf(ask).length < MAX_GET)
}

function bodyOf(ask: Ask): string {
  const variables = typeof ask.variables === 'string' ? ask.variables : JSON.stringify(ask.variables ?? {})
  return `${JSON.stringify({ ...ask, variables: undefined }).slice(0, -1)},"variables":${variables}}`
}

function pathOf(ask: Ask): string {
  const { query, operationName, variables } = ask
  const parameters = new URLSearchParams({ query: String(query) })
  if (operationName !== undefined) parameters.set('operationName', String(operationName))
  if (variables !== undefined) {
    parameters.set('variables', typeof variables === 'string' ? variables : JSON.stringify(variables))
  }
  return `/graphql?${parameters}`
}

async function overHttp(
  { url, authorization, actAs }: Caller,
  { path, body, accept }: { path?: string; body?: string; accept: string },
): Promise<Answer> {
  const reply = await exchange(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      accept,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(authorization !== undefined && { authorization }),
      ...(actAs !== undefined && { 'x-parley-act-as': actAs }),
    },
    ...(path !== undefined && { path }),
    ...(body !== undefined && { body }),
  })
  return { status: reply.status, result: resultOf(reply), text: reply.text }
}

/** The first result in a reply, of whatever content type. */
export function resultOf({ headers, text }: Reply): ExecutionResult | null {
  const type = headers['content-type'] ?? ''
  const json = type.startsWith(EVENTS) ? /^event: next\ndata: ([^\n]*)/m.exec(text)?.[1] : type.includes('json') && text
  return json ? JSON.parse(json) : null
}

async function overWebSocket({ url, authorization, actAs }: Caller, ask: Ask): Promise<Answer> {
  const socket = await openSocket(url)
  try {
    socket.send({ type: 'connection_init', payload: { authorization, actAs } })
    if ((await socket.next())?.type === 'connection_ack') {
      socket.send(`{"type":"subscribe","id":"1","payload":${bodyOf(ask)}}`)
    }
    const message = await socket.next()
    if (!message) {
      const { code, reason } = await socket.closed
      return { status: code, result: null, text: reason }
    }
    const result = message.type === 'error' ? { errors: message.payload } : message.payload
    return { status: 101, result: result as ExecutionResult, text: JSON.stringify(message) }
  } finally {
    socket.end()
  }
}

export interface Exchange {
  method?: string
  path?: string
  /** As a list of name, value, name, value…, where a name is to come twice. */
  headers?: http.OutgoingHttpHeaders | string[]
  body?: string | Buffer | undefined
}

export interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  text: string
}

/** One HTTP request on a connection of its own; resolves when the reply is complete. */
export async function exchange(url: string, { method = 'POST', path = '/graphql', headers = {}, body }: Exchange) {
  const { hostname: host, port } = new URL(url)
  const request = http.request({ host, port, method, path, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  // A server that has refused need not take the rest of the body.
  request.on('error', () => {})
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode!, headers: response.headers, text } satisfies Reply
}

/**
 * Writes bytes to a connection of its own; resolves with all that comes back until the server closes it. With `hangUp`
 * nothing is written after them, whatever they promised.
 */
export async function exchangeBytes(url: string, bytes: string, { hangUp = false } = {}): Promise<string> {
  const { hostname: host, port } = new URL(url)
  const connection = connect({ host, port: Number(port) })
  connection.write(bytes, 'latin1')
  if (hangUp) connection.end()
  let text = ''
  for await (const chunk of connection.setEncoding('utf8')) text += chunk
  return text
}

export interface Message {
  type: string
  id?: string
  payload?: unknown
}

export interface RawSocket {
  ws: WebSocket
  /** An object goes as JSON, a text or bytes as they are. */
  send(message: object | string | Buffer): void
  /** The next message; null once the socket is closed. */
  next(): Promise<Message | null>
  closed: Promise<{ code: number; reason: string }>
  /** Breaks the connection off, if it is still open. */
  end(): void
}

export interface SocketOptions extends ClientOptions {
  path?: string
  subprotocol?: string | string[]
}

/**
 * A WebSocket on which nothing has been said yet.
 * @throws Error with the status where it is refused.
 */
export async function openSocket(
  url: string,
  { path = '/graphql', subprotocol = 'graphql-transport-ws', ...options }: SocketOptions = {},
): Promise<RawSocket> {
  const ws = new WebSocket(`${url.replace('http', 'ws')}${path}`, subprotocol, { perMessageDeflate: false, ...options })
  const received: Message[] = []
  let isClosed = false
  let wake = () => {}
  ws.on('message', (data) => {
    received.push(JSON.parse(String(data)))
    wake()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => {
      isClosed = true
      resolve({ code, reason: String(reason) })
      wake()
    })
  })
  await once(ws, 'open')
  // What comes later is told by the close.
  ws.on('error', () => {})
  return {
    ws,
    send: (message) =>
      ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    async next() {
      while (received.length === 0 && !isClosed) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return received.shift() ?? null
    },
    closed,
    end: () => ws.terminate(),
  }
}

/** A WebSocket that is acknowledged. */
export async function openAcknowledged({ url, authorization, actAs }: Caller): Promise<RawSocket> {
  const socket = await openSocket(url)
  socket.send({ type: 'connection_init', payload: { authorization, actAs } })
  const message = await socket.next()
  if (message?.type !== 'connection_ack') throw new Error(`Not acknowledged: ${JSON.stringify(await socket.closed)}`)
  return socket
}
