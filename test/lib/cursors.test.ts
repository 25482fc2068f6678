import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  conversationCursor,
  inboxCursor,
  isMessageCursor,
  messageCursor,
  parseConversationCursor,
  parseInboxCursor,
  parseMessagePlace,
} from '../../src/lib/cursors.ts'
import { BadUserInputError } from '../../src/lib/errors.ts'
import { seedOfRun } from '../support/random-operations.ts'

/** PostgreSQL's code for a text that is none of its type. */
const INVALID_TEXT = '22P02'

const EPOCH = '0a1b2c3d'
const CONVERSATION = '01936d8e-9a00-7abc-8def-0123456789ab'
const OTHER = '01936d8e-9a00-7abc-8def-0123456789ac'

/** The field that is named as wrong; null where nothing is. */
function wrongField(parse: () => unknown): string | null | undefined {
  try {
    parse()
    return null
  } catch (error) {
    if (error instanceof BadUserInputError) return error.field
    throw error
  }
}

describe("a conversation's cursor", () => {
  const cursor = conversationCursor(EPOCH, CONVERSATION, 71, 1234)
  const wrong = (text: string) => wrongField(() => parseConversationCursor(text, CONVERSATION, 'after'))

  test('holds the epoch, the version and the seq', () => {
    expect(parseConversationCursor(cursor, CONVERSATION, 'after')).toEqual({ epoch: EPOCH, version: 71, seq: 1234 })
    expect(parseConversationCursor(conversationCursor(EPOCH, CONVERSATION, 0, 0), CONVERSATION, 'after')).toEqual({
      ...{ epoch: EPOCH, version: 0, seq: 0 },
    })
    expect(isMessageCursor(cursor)).toBe(false)
  })

  test('is none of another conversation', () => {
    expect(wrongField(() => parseConversationCursor(cursor, OTHER, 'after'))).toBe('after')
  })

  test.each([
    ['nothing', ''],
    ['of a message', messageCursor(EPOCH, CONVERSATION, 1)],
    ['of the inbox', inboxCursor(EPOCH, '1:2:')],
    ['cut off', cursor.replace(/\.\w+$/, '')],
    ['with more after it', `${cursor}.1`],
    ['with a line break after it', `${cursor}\n`],
    ['with a space before it', ` ${cursor}`],
    ['of a negative version', cursor.replace(/\.\w+\.\w+$/, '.-1.1')],
    ['of a longer seq', cursor.replace(/\w+$/, 'zzzzzzz')],
    ['of a longer epoch', cursor.replace(EPOCH, `${EPOCH}0`)],
    ['in capitals', cursor.toUpperCase()],
  ])('is nothing that is %s', (_, text) => {
    expect(wrong(text)).toBe('after')
  })
})

test("a message's cursor holds the epoch and the seq", () => {
  const cursor = messageCursor(EPOCH, CONVERSATION, 1234)
  expect(isMessageCursor(cursor)).toBe(true)
  expect(parseMessagePlace(cursor, CONVERSATION, 'after')).toEqual({ epoch: EPOCH, seq: 1234 })
  expect(wrongField(() => parseMessagePlace(cursor, OTHER, 'after'))).toBe('after')
  expect(wrongField(() => parseMessagePlace(cursor.replace(/\w+$/, 'zzzzzz'), CONVERSATION, 'after'))).toBe('after')
})

describe("the inbox's cursor", () => {
  let client: pg.Client
  beforeAll(async () => {
    client = new pg.Client(inject('postgresUrl'))
    await client.connect()
  })
  afterAll(() => client.end())

  /** What PostgreSQL makes of a snapshot; null where it refuses. */
  async function asPostgresHasIt(snapshot: string): Promise<string | null> {
    const refuse = (error: unknown) => {
      if (error instanceof pg.DatabaseError && error.code === INVALID_TEXT) return null
      throw error
    }
    const asked = client.query<{ snapshot: string }>('SELECT $1::pg_snapshot::text AS snapshot', [snapshot])
    return asked.then(({ rows }) => rows[0]!.snapshot, refuse)
  }

  const parse = (text: string) => parseInboxCursor(text, 'after')

  test.each(['3:3:', '10:20:', '10:20:10,14,19', '1:4611686018427387903:2,4611686018427387902'])(
    'holds the epoch and the snapshot %s',
    async (snapshot) => {
      expect(parse(inboxCursor(EPOCH, snapshot))).toEqual({ epoch: EPOCH, snapshot })
      expect(await asPostgresHasIt(snapshot)).toBe(snapshot)
    },
  )

  test('holds what PostgreSQL says that it sees', async () => {
    const { rows } = await client.query<{ snapshot: string }>('SELECT pg_current_snapshot()::text AS snapshot')
    const { snapshot } = rows[0]!
    expect(parse(inboxCursor(EPOCH, snapshot)).snapshot).toBe(snapshot)
  })

  test.each([
    ['nothing', ''],
    ['of a message', messageCursor(EPOCH, CONVERSATION, 1)],
    ['of a conversation', conversationCursor(EPOCH, CONVERSATION, 1, 1)],
    ['without an epoch', 'i..1-2-'],
    ['cut off', `i.${EPOCH}.1-2`],
    ['with a line break after it', `i.${EPOCH}.1-2-\n`],
    ['written as PostgreSQL does', `i.${EPOCH}.1:2:`],
    ['from transaction 0', `i.${EPOCH}.0-2-`],
    ['ending before it begins', `i.${EPOCH}.3-2-`],
    ['from a transaction that there can not be', `i.${EPOCH}.4294967296-4294967297-`],
    ['up to a transaction that there can not be', `i.${EPOCH}.1-4294967296-`],
    ['beyond all transactions', `i.${EPOCH}.1-4611686018427387905-`],
    ['of a number of 20 digits', `i.${EPOCH}.1-18446744073709551616-`],
    ['negative', `i.${EPOCH}.-1-2-`],
    ['with transactions from before it', `i.${EPOCH}.5-9-4`],
    ['with transactions from after it', `i.${EPOCH}.5-9-9`],
    ['with transactions out of order', `i.${EPOCH}.5-9-7_6`],
    ['with one transaction twice', `i.${EPOCH}.5-9-6_6`],
    ['with no transaction between two', `i.${EPOCH}.5-9-6__7`],
    ['with no transaction at the end', `i.${EPOCH}.5-9-6_`],
    ['with letters', `i.${EPOCH}.5-9-6_x`],
  ])('is nothing that is %s', (_, text) => {
    expect(wrongField(() => parse(text))).toBe('after')
  })

  test('is none that PostgreSQL would refuse, whatever is in it', async () => {
    const number = fc.oneof(
      { arbitrary: fc.nat(12).map(String), weight: 8 },
      {
        arbitrary: fc.constantFrom('', '-1', '007', 'x', '4294967296', '4294967297', '9999999999999999999'),
        weight: 1,
      },
    )
    const text = fc
      .tuple(number, number, fc.array(number, { maxLength: 3 }))
      .map(([xmin, xmax, xids]) => `i.${EPOCH}.${xmin}-${xmax}-${xids.join('_')}`)
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(text, async (cursor) => {
        if (wrongField(() => parse(cursor)) === 'after') return
        accepted++
        expect(await asPostgresHasIt(parse(cursor).snapshot)).not.toBeNull()
      }),
      { numRuns: 1_000, seed: seedOfRun() },
    )
    expect(accepted).toBeGreaterThan(0)
  })
})
