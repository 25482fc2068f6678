import { lookup } from 'node:dns'
import http from 'node:http'
import https from 'node:https'
import { addressIn, isPublicAddress, publicLookup, RefusedAddressError, type Resolve } from './addresses.ts'
import type { Answer } from './retries.ts'

/** For all of it: resolving the name, connecting, sending, and the head of the answer. */
const TIMEOUT_MS = 15_000
/** What is read of an answer's body, so that its connection can be used again; one with more is closed. */
const MAX_ANSWER_BYTES = 4_096
const IDLE_MS = 30_000

export interface WebhookRequest {
  url: string
  headers: Record<string, string>
  body: string
}

/** Makes requests to receivers. */
export interface Poster {
  /** What came of one; never rejects, but when `abort` is called. Redirects are not followed. */
  post(request: WebhookRequest): Promise<Answer>
  /** Ends what is under way: those posts reject. */
  abort(): void
}

export interface PosterOptions {
  /** Also http, and addresses that aren't public. */
  allowPrivate: boolean
  resolve?: Resolve | undefined
  timeoutMs?: number | undefined
}

export function createPoster({ allowPrivate, resolve = lookup, timeoutMs = TIMEOUT_MS }: PosterOptions): Poster {
  const options = {
    keepAlive: true,
    timeout: IDLE_MS,
    ...(!allowPrivate && { lookup: publicLookup(resolve) }),
  }
  const agents = { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }
  const underWay = new Set<AbortController>()
  let aborted = false

  async function post(request: WebhookRequest): Promise<Answer> {
    const controller = new AbortController()
    underWay.add(controller)
    const timer = setTimeout(() => controller.abort(), timeoutMs)
    function done() {
      clearTimeout(timer)
      underWay.delete(controller)
    }
    try {
      const response = await send(request, controller.signal)
      // The time goes for what comes after the head too.
      response.once('close', done)
      drain(response)
      return answerOf(response)
    } catch (error) {
      done()
      if (aborted) throw error
      return { httpStatus: null, error: reasonOf(error as Error, controller.signal, timeoutMs), retryAfter: null }
    }
  }

  function send({ url: text, headers, body }: WebhookRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
    const url = new URL(text)
    const address = addressIn(url)
    // There is no lookup for what is an address already; and the setting may have been another when it was registered.
    if (!allowPrivate && (url.protocol !== 'https:' || (address !== null && !isPublicAddress(address)))) {
      return Promise.reject(new RefusedAddressError())
    }
    const { request } = url.protocol === 'http:' ? http : https
    const agent = agents[url.protocol as keyof typeof agents]
    const length = { 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve, reject) => {
      let isAnswered = false
      function answered(response: http.IncomingMessage) {
        isAnswered = true
        resolve(response)
      }
      const sent = request(url, { method: 'POST', agent, signal, headers: { ...headers, ...length } }, answered)
      sent.on('error', (error: NodeJS.ErrnoException) => {
        // The receiver had just closed a connection that was kept: that says nothing of this request.
        if (!isAnswered && sent.reusedSocket && error.code === 'ECONNRESET') {
          send({ url: text, headers, body }, signal).then(resolve, reject)
        } else reject(error)
      })
      // Without a listener, Node ends the connection of a receiver that would speak another protocol, and tells nobody.
      sent.on('upgrade', (response, socket) => {
        socket.destroy()
        resolve(response)
      })
      sent.end(body)
    })
  }

  return {
    post,
    abort() {
      aborted = true
      for (const controller of underWay) controller.abort()
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

/** Reads on in the background; what breaks then no longer matters. */
function drain(response: http.IncomingMessage): void {
  let bytes = 0
  response.on('error', () => {})
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) response.destroy()
  })
}

function answerOf({ statusCode = 0, headers }: http.IncomingMessage): Answer {
  const succeeded = statusCode >= 200 && statusCode < 300
  return {
    httpStatus: statusCode,
    error: succeeded ? null : `The receiver answered ${statusCode}.`,
    retryAfter: headers['retry-after'] ?? null,
  }
}

function reasonOf(error: Error, ended: AbortSignal, timeoutMs: number): string {
  if (ended.aborted) return `No answer within ${timeoutMs / 1_000} s.`
  if (error instanceof RefusedAddressError) return error.message
  return (error as NodeJS.ErrnoException).code ?? error.name
}
