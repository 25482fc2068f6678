import { v7 } from 'uuid'
import type { Clock } from './clock.ts'
import { BadUserInputError } from './errors.ts'

/** A new internal id: a UUID of version 7, so that new rows stand together in an index. */
export function newId(clock: Clock): string {
  return v7({ msecs: clock.now() })
}

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'

/** What the key of each type of node looks like inside its global id. */
const KEYS = {
  User: new RegExp(`^(${UUID})$`),
  Conversation: new RegExp(`^(${UUID})$`),
  ConversationViewerState: new RegExp(`^(${UUID}):(${UUID})$`),
  Participant: new RegExp(`^(${UUID}):(${UUID})$`),
  Message: new RegExp(`^(${UUID}):([1-9][0-9]{0,9})$`),
  Dispute: new RegExp(`^(${UUID})$`),
  Payment: new RegExp(`^(${UUID})$`),
  JobUpdate: new RegExp(`^(${UUID})$`),
  Contact: new RegExp(`^(${UUID})$`),
  WebhookEndpoint: new RegExp(`^(${UUID})$`),
  WebhookDelivery: new RegExp(`^(${UUID})$`),
} as const

export type NodeType = keyof typeof KEYS

/** The largest seq or version: they are PostgreSQL integers. */
const MAX_INT = 2 ** 31 - 1

/** The global id of a node: opaque to clients, the same for ever. */
export function encodeId(type: NodeType, ...key: (string | number)[]): string {
  const text = `${type}:${key.length === 1 ? key[0] : key.join(':')}`
  // Half of what Buffer takes; of letters, digits, - and : base64url is the same but for the padding.
  return btoa(text).slice(0, Math.ceil((text.length * 4) / 3))
}

/** The type and key of a global id, or null where it is not one that encodeId could have made. */
export function decodeId(globalId: string): { type: NodeType; key: string[] } | null {
  if (globalId.length > 200) return null
  const text = Buffer.from(globalId, 'base64url').toString('latin1')
  const colon = text.indexOf(':')
  const type = text.slice(0, colon) as NodeType
  if (!Object.hasOwn(KEYS, type)) return null
  const key = KEYS[type].exec(text.slice(colon + 1))?.slice(1)
  if (!key || encodeId(type, ...key) !== globalId) return null
  if (type === 'Message' && Number(key[1]) > MAX_INT) return null
  return { type, key }
}

/**
 * The key of a global id that must be of this type.
 * @throws BadUserInputError naming `field` for a malformed id or one of another type.
 */
export function requireKey(type: NodeType, globalId: string, field: string): string[] {
  const decoded = decodeId(globalId)
  if (decoded?.type !== type) throw new BadUserInputError(`${field} is not the id of a ${type}.`, field)
  return decoded.key
}

/** Like requireKey, for types whose key is one uuid. */
export function requireUuid(
  type: Exclude<NodeType, 'ConversationViewerState' | 'Participant' | 'Message'>,
  globalId: string,
  field: string,
): string {
  return requireKey(type, globalId, field)[0]!
}

/** The key of a message: its conversation's uuid and its seq. */
export function requireMessageKey(globalId: string, field: string): { conversationId: string; seq: number } {
  const [conversationId, seq] = requireKey('Message', globalId, field)
  return { conversationId: conversationId!, seq: Number(seq) }
}
