import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { decodeId, encodeId, type NodeType } from '../../src/lib/ids.ts'

const uuid = randomUUID()
const KEYS: [NodeType, (string | number)[]][] = [
  ['User', [uuid]],
  ['Conversation', [uuid]],
  ['ConversationViewerState', [uuid, randomUUID()]],
  ['Participant', [uuid, randomUUID()]],
  ...[1, 23, 456, 2 ** 31 - 1].map((seq): [NodeType, (string | number)[]] => ['Message', [uuid, seq]]),
  ['Dispute', [uuid]],
  ['JobUpdate', [uuid]],
  ['WebhookDelivery', [uuid]],
]

test.each(KEYS)('an id of a %s of %j is base64url without padding, and read again', (type, key) => {
  const id = encodeId(type, ...key)
  expect(id).toBe(Buffer.from(`${type}:${key.join(':')}`).toString('base64url'))
  expect(encodeId(type, key.join(':'))).toBe(id)
  expect(decodeId(id)).toEqual({ type, key: key.map(String) })
})

test.each([
  ['with padding', `${encodeId('Message', uuid, 1)}=`],
  ['in base64 of something else', Buffer.from(`User:${uuid}?`).toString('base64url')],
  ['in upper case', Buffer.from(`User:${uuid.toUpperCase()}x`).toString('base64url')],
])('none is read %s', (_how, id) => {
  expect(decodeId(id)).toBeNull()
})
