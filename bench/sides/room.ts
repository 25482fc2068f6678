import { encodeId } from '../../src/lib/ids.ts'

// What every side of the fan-out workloads sends: the same conversations, users, messages and document.

/** Of the HS256 tokens that every side verifies. */
export const SECRET = 'a secret for the benchmark, of at least 32 bytes'

/** How many there are of each: socket k belongs to user k % users, and follows conversation k % rooms. */
export interface Plan {
  sockets: number
  users: number
  rooms: number
}

export const roomUuid = (room: number) => `00000000-0000-7000-8000-${room.toString(16).padStart(12, '0')}`
export const userUuid = (user: number) => `00000000-0000-7000-9000-${user.toString(16).padStart(12, '0')}`
export const roomId = (room: number) => encodeId('Conversation', roomUuid(room))
/** As the host application knows it: what stands in the token. */
export const userName = (user: number) => `user-${user}`

/** A conversation is inserted at this version and seq 0; each message raises both by one. */
export const FIRST_VERSION = 1

const SENDER = userUuid(0)
export const SENDER_PROFILE = {
  id: SENDER,
  externalId: userName(0),
  username: userName(0),
  displayName: 'Ada Lovelace',
  avatarUrl: 'https://cdn.example.org/avatars/ada.png',
  role: null,
  type: 'HUMAN' as const,
}

export const QUERY = `subscription MessageAdded($conversationId: ID) {
  messageAdded(conversationId: $conversationId) {
    id seq version body kind idempotencyKey createdAt editedAt
    sender { id username displayName avatarUrl }
  }
}`

/** What the peers declare of Parley's schema. */
export const SDL = `
  type Query { version: String }
  type User { id: ID! username: String! displayName: String! avatarUrl: String }
  type Message {
    id: ID! seq: Int! version: Int! body: String kind: String! idempotencyKey: String
    createdAt: String! editedAt: String sender: User
  }
  type Subscription { messageAdded(conversationId: ID): Message! }
`

/** As a client gets it. */
export interface SentMessage {
  id: string
  seq: number
  version: number
  body: string
  kind: string
  idempotencyKey: string | null
  createdAt: string
  editedAt: string | null
  sender: { id: string; username: string; displayName: string; avatarUrl: string | null }
}

const TEXT = 'An ordinary message of about a hundred characters, which says when it was'

/** Says when it was published, in microseconds of a clock that all processes of the machine share. */
export function bodyOf(seq: number, bytes = 0): string {
  return `${TEXT} @${nowUs()} #${seq}`.padEnd(bytes, '.')
}

/** When the message of this body was published; null where that isn't the body of the message of this seq. */
export function publishedAt(body: string, seq: number): number | null {
  const at = Number(body.slice(TEXT.length + 2, body.lastIndexOf(' #')))
  return body === `${TEXT} @${at} #${seq}`.padEnd(body.length, '.') ? at : null
}

export const nowUs = () => Number(process.hrtime.bigint() / 1_000n)

const SENDER_SENT = {
  id: encodeId('User', SENDER),
  username: SENDER_PROFILE.username,
  displayName: SENDER_PROFILE.displayName,
  avatarUrl: SENDER_PROFILE.avatarUrl,
}

/** What the peers publish. */
export function messageOf(room: number, seq: number, bytes = 0): SentMessage {
  return {
    id: encodeId('Message', roomUuid(room), seq),
    seq,
    version: FIRST_VERSION + seq,
    body: bodyOf(seq, bytes),
    kind: 'TEXT',
    idempotencyKey: null,
    createdAt: new Date().toISOString(),
    editedAt: null,
    sender: SENDER_SENT,
  }
}

/** What is wrong with a message that should be this one; null where it is right. */
export function faultOf(message: SentMessage, room: number, seq: number): string | null {
  if (message.seq !== seq) return `seq ${message.seq} came instead of ${seq}`
  const { body, createdAt } = message
  if (publishedAt(body, seq) === null) return `the body is ${body}`
  if (new Date(createdAt).toISOString() !== createdAt) return `createdAt is ${createdAt}`
  const right = { ...messageOf(room, seq), body, createdAt }
  for (const [name, value] of Object.entries(right)) {
    if (JSON.stringify(message[name as keyof SentMessage]) !== JSON.stringify(value)) return `${name} is wrong`
  }
  return Object.keys(message).length === Object.keys(right).length ? null : 'it has other fields'
}
