import { BadUserInputError } from './errors.ts'

// Cursors are opaque to clients and give no rights: access is checked where one is used. Each kind has a letter of its
// own, so that one of another list is refused; integers are written in base 36, uuids as 22 characters of base64url.

const EPOCH = '[0-9a-z]{8}'
const UUID = '[\\w-]{22}'
const INT = '[0-9a-z]{1,6}'
const TIME = '-?[0-9a-z]{1,9}'

const MESSAGE = new RegExp(`^m\\.(${EPOCH})\\.(${UUID})\\.(${INT})$`)
const CONVERSATION = new RegExp(`^c\\.(${EPOCH})\\.(${UUID})\\.(${INT})\\.(${INT})$`)
const INBOX = new RegExp(`^i\\.(${EPOCH})\\.(\\d{1,19})-(\\d{1,19})-((?:\\d{1,19}_)*\\d{1,19})?$`)
const PARTICIPANT = new RegExp(`^p\\.(${UUID})\\.(${TIME})\\.(${UUID})$`)
const SUBJECT = new RegExp(`^s\\.(${UUID})\\.(${INT})$`)
const CONTACT = new RegExp(`^k\\.(${UUID})$`)
const BLOCK = new RegExp(`^b\\.(${TIME})\\.(${UUID})$`)
const AUDIT = /^a\.(\d{1,18})$/
const DELIVERY = new RegExp(`^w\\.(${UUID})\\.([0-9]{1,18})$`)
const CONVERSATION_LIST = new RegExp(`^l\\.([01])\\.(${TIME})\\.(${UUID})$`)

// The word is empty where an e-mail address was searched for.
const USER_SEARCH = new RegExp(`^u\\.(${UUID})\\.([\\w-]{0,400})$`)
const WORD = /^[\p{L}\p{M}\p{N}]*$/u
const READER = new RegExp(`^r\\.(${TIME})\\.(${UUID})$`)

/** A seq is a PostgreSQL integer, and so is the one after it. */
const MAX_SEQ = 2 ** 31 - 2
/** xid8 is unsigned, but no server gets beyond this. */
const MAX_XID = 2n ** 62n
/** More than there are connections to any server, and so transactions under way. */
const MAX_XIDS = 5_000

const shortUuid = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64url')

function longUuid(short: string): string {
  const hex = Buffer.from(short, 'base64url').toString('hex')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const time = (date: Date) => date.getTime().toString(36)
const dateOf = (text: string) => new Date(Number.parseInt(text, 36))

function match(pattern: RegExp, cursor: string, field: string): string[] {
  const found = pattern.exec(cursor)
  if (!found) throw new BadUserInputError(`${field} is not a cursor of this list.`, field)
  return found.slice(1)
}

/** @param short The conversation's id as a cursor holds it. */
function requireConversation(short: string, conversationId: string, field: string) {
  if (longUuid(short) !== conversationId) {
    throw new BadUserInputError(`${field} is a cursor of another conversation.`, field)
  }
}

/** Of a message: the same for ever. */
export function messageCursor(epoch: string, conversationId: string, seq: number): string {
  return `m.${epoch}.${shortUuid(conversationId)}.${seq.toString(36)}`
}

/** The seq of a message's cursor. @throws BadUserInputError for what is none, or one of another conversation. */
export function parseMessageCursor(cursor: string, conversationId: string, field: string): number {
  const [, conversation, text] = match(MESSAGE, cursor, field)
  requireConversation(conversation!, conversationId, field)
  return seqOf(text!, field)
}

function seqOf(text: string, field: string): number {
  const seq = Number.parseInt(text, 36)
  if (seq > MAX_SEQ) throw new BadUserInputError(`${field} is not a cursor of this list.`, field)
  return seq
}

/** The epoch and seq of a message's cursor. @throws BadUserInputError as parseMessageCursor. */
export function parseMessagePlace(cursor: string, conversationId: string, field: string) {
  const seq = parseMessageCursor(cursor, conversationId, field)
  return { epoch: match(MESSAGE, cursor, field)[0]!, seq }
}

export const isMessageCursor = (cursor: string) => cursor.startsWith('m.')

/** Where a conversation stands: what happens later than this is new to whoever holds it. */
export function conversationCursor(epoch: string, conversationId: string, version: number, seq: number): string {
  return `c.${epoch}.${shortUuid(conversationId)}.${version.toString(36)}.${seq.toString(36)}`
}

/** @throws BadUserInputError for what is none, or one of another conversation. */
export function parseConversationCursor(cursor: string, conversationId: string, field: string) {
  const [epoch, conversation, version, seq] = match(CONVERSATION, cursor, field)
  requireConversation(conversation!, conversationId, field)
  return { epoch: epoch!, version: Number.parseInt(version!, 36), seq: Number.parseInt(seq!, 36) }
}

/** Of the whole inbox: a PostgreSQL snapshot (`xmin:xmax:xip,…`), as commits are not in the order of any counter. */
export function inboxCursor(epoch: string, snapshot: string): string {
  return `i.${epoch}.${snapshot.replaceAll(':', '-').replaceAll(',', '_')}`
}

/** The epoch and the pg_snapshot, in which nothing is that PostgreSQL would refuse. @throws BadUserInputError. */
export function parseInboxCursor(cursor: string, field: string): { epoch: string; snapshot: string } {
  const [epoch, xmin, xmax, running] = match(INBOX, cursor, field)
  const xids = (running?.split('_') ?? []).map(BigInt)
  const ascending = [BigInt(xmin!), ...xids].every((xid, i, all) => i < 2 || xid > all[i - 1]!)
  const within = xids.every((xid) => xid >= BigInt(xmin!) && xid < BigInt(xmax!))
  // PostgreSQL takes no xid whose lower 32 bits are 0.
  const isNone = [xmin!, xmax!].some((xid) => BigInt.asUintN(32, BigInt(xid)) === 0n)
  if (
    isNone ||
    xids.length > MAX_XIDS ||
    BigInt(xmin!) > BigInt(xmax!) ||
    BigInt(xmax!) > MAX_XID ||
    !ascending ||
    !within
  ) {
    throw new BadUserInputError(`${field} is not a cursor of this list.`, field)
  }
  return { epoch: epoch!, snapshot: `${xmin}:${xmax}:${xids.join(',')}` }
}

/** Of a participant in its conversation's list, which is sorted by the time of joining. */
export function participantCursor(conversationId: string, joinedAt: Date, userId: string): string {
  return `p.${shortUuid(conversationId)}.${time(joinedAt)}.${shortUuid(userId)}`
}

export function parseParticipantCursor(
  cursor: string,
  conversationId: string,
  field: string,
): { joinedAt: Date; userId: string } {
  const [conversation, joinedAt, userId] = match(PARTICIPANT, cursor, field)
  requireConversation(conversation!, conversationId, field)
  return { joinedAt: dateOf(joinedAt!), userId: longUuid(userId!) }
}

/** Of a dispute, payment or job update in its conversation's list, which goes by the messages that told of them first. */
export function subjectCursor(conversationId: string, seq: number): string {
  return `s.${shortUuid(conversationId)}.${seq.toString(36)}`
}

/** The seq of that message. @throws BadUserInputError for what is no such cursor, or one of another conversation. */
export function parseSubjectCursor(cursor: string, conversationId: string, field: string): number {
  const [conversation, seq] = match(SUBJECT, cursor, field)
  requireConversation(conversation!, conversationId, field)
  return seqOf(seq!, field)
}

/** Of a contact in the viewer's list, which goes by id, and so by time. */
export function contactCursor(id: string): string {
  return `k.${shortUuid(id)}`
}

export function parseContactCursor(cursor: string, field: string): string {
  return longUuid(match(CONTACT, cursor, field)[0]!)
}

/** Of a user whom the viewer blocks, in the order in which they were blocked. */
export function blockCursor(blockedAt: Date, userId: string): string {
  return `b.${time(blockedAt)}.${shortUuid(userId)}`
}

export function parseBlockCursor(cursor: string, field: string): { blockedAt: Date; userId: string } {
  const [blockedAt, userId] = match(BLOCK, cursor, field)
  return { blockedAt: dateOf(blockedAt!), userId: longUuid(userId!) }
}

/** Of an entry of the audit log, by its number. */
export function auditCursor(id: string): string {
  return `a.${id}`
}

export function parseAuditCursor(cursor: string, field: string): string {
  return match(AUDIT, cursor, field)[0]!
}

/** Of a webhook's delivery in its endpoint's list. */
export function deliveryCursor(endpointId: string, position: string): string {
  return `w.${shortUuid(endpointId)}.${position}`
}

/** The delivery's position. @throws BadUserInputError for what is no such cursor, or one of another endpoint. */
export function parseDeliveryCursor(cursor: string, endpointId: string, field: string): string {
  const [endpoint, position] = match(DELIVERY, cursor, field)
  if (longUuid(endpoint!) !== endpointId)
    throw new BadUserInputError(`${field} is a cursor of another endpoint.`, field)
  return position!
}

/** Of a conversation in the viewer's list, which has the pinned ones first and then goes by activity. */
export function conversationListCursor(isPinned: boolean, activityAt: Date, conversationId: string): string {
  return `l.${isPinned ? 1 : 0}.${time(activityAt)}.${shortUuid(conversationId)}`
}

export function parseConversationListCursor(
  cursor: string,
  field: string,
): { isPinned: boolean; activityAt: Date; id: string } {
  const [pinned, activityAt, id] = match(CONVERSATION_LIST, cursor, field)
  return { isPinned: pinned === '1', activityAt: dateOf(activityAt!), id: longUuid(id!) }
}

/** Of a user in a search: the word that was found, and whose it is. */
export function userSearchCursor(word: string, userId: string): string {
  return `u.${shortUuid(userId)}.${Buffer.from(word).toString('base64url')}`
}

export function parseUserSearchCursor(cursor: string, field: string): { word: string; userId: string } {
  const [userId, encoded] = match(USER_SEARCH, cursor, field)
  const word = Buffer.from(encoded!, 'base64url').toString()
  match(WORD, word, field)
  return { word, userId: longUuid(userId!) }
}

/** Of a reader of a message, in the order in which they read it. */
export function readerCursor(readAt: Date, userId: string): string {
  return `r.${time(readAt)}.${shortUuid(userId)}`
}

export function parseReaderCursor(cursor: string, field: string): { readAt: Date; userId: string } {
  const [readAt, userId] = match(READER, cursor, field)
  return { readAt: dateOf(readAt!), userId: longUuid(userId!) }
}
