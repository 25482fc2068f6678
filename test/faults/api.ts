import { encodeId } from '../../src/lib/ids.ts'
import { mintToken } from '../../src/lib/token.ts'
import type { Message, Outcome } from './history.ts'
import { uuidOf } from './ids.ts'

export const SECRET = 'a secret for fault tests, of at least 32 bytes'

/** The server gives up after 3 s without a connection and 5 s at a lock; five times as long. */
const REQUEST_MS = 40_000

const HOUR = 3600

/** Valid on a node whose clock is an hour off too. */
const tokens = new Map<string, Promise<string>>()

/** The token of a user; of the host's back end where it is called `service`. */
export function tokenOf(user: string): Promise<string> {
  const known = tokens.get(user)
  if (known) return known
  const scope = user === 'service' ? { scope: 'service' } : {}
  const now = Date.now() - 2 * HOUR * 1000
  const token = mintToken({ secret: SECRET, sub: user, ...scope, expiresInSeconds: 6 * HOUR, now })
  tokens.set(user, token)
  return token
}

/** What came of a request: data, or the code of the first error, or why there is no answer. */
export type Answer<Data> = { outcome: 'ok'; data: Data } | { outcome: 'failed' | 'unknown'; code: string }

/** Codes after which nobody can say whether it was done. */
const UNDECIDED = ['UNAVAILABLE', 'INTERNAL_SERVER_ERROR']

/** Sends one operation to a node. Never throws: no answer, or one that leaves it open, is unknown. */
export async function request<Data>(
  url: string,
  user: string,
  query: string,
  variables: object,
  milliseconds = REQUEST_MS,
  token?: string,
): Promise<Answer<Data>> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        authorization: `Bearer ${token ?? (await tokenOf(user))}`,
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(milliseconds),
    })
    const { data, errors } = (await response.json()) as {
      data?: Data
      errors?: { extensions?: { code?: string }; message: string }[]
    }
    if (errors) {
      const code = errors[0]!.extensions?.code ?? errors[0]!.message
      const outcome: Outcome = UNDECIDED.includes(code) ? 'unknown' : 'failed'
      return { outcome, code }
    }
    return data ? { outcome: 'ok', data } : { outcome: 'unknown', code: `HTTP ${response.status}` }
  } catch (error) {
    const { name, cause } = error as Error & { cause?: { code?: string } }
    return { outcome: 'unknown', code: cause?.code ?? name }
  }
}

/** The same, for what must succeed. */
export async function run<Data>(url: string, user: string, query: string, variables: object): Promise<Data> {
  const answer = await request<Data>(url, user, query, variables)
  if (answer.outcome === 'ok') return answer.data
  throw new Error(`${answer.code}: ${query.slice(0, 60)} ${JSON.stringify(variables)}`)
}

/** A message as the documents here select it. */
export interface MessageNode {
  id: string
  seq: number
  version: number
  cursor: string
  body: string | null
  idempotencyKey: string | null
  sender: { externalId: string } | null
}

export function messageOf(node: MessageNode): Message {
  const { id, seq, version, body } = node
  return {
    conversation: conversationOf(id),
    id,
    seq,
    version,
    body,
    key: node.idempotencyKey,
    sender: node.sender?.externalId ?? null,
  }
}

/** The conversation of a message; asked for, it would be checked for access a second time. */
export function conversationOf(messageId: string): string {
  return encodeId('Conversation', uuidOf(messageId))
}
