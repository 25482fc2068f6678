import { print } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  ConversationDocument,
  type MessageFieldsFragment,
  MessagesDocument,
  SendMessageDocument,
  type SendMessageInput,
} from '../../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../../support/app.ts'
import {
  expectRefused,
  GARBAGE,
  insertGroup,
  missingConversation,
  type Scene,
  send,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let other: TestApp
let ada: TestClient
let bo: TestClient
let cy: TestClient
let id: string

beforeAll(async () => {
  scene = await startScene()
  other = await startApp({ databaseUrl: scene.databaseUrl })
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
  id = await startDirect(ada, 'bo')
})
afterAll(async () => {
  await other.close()
  await scene.close()
})

async function sendMessage(client: TestClient, input: Partial<SendMessageInput>) {
  const { sendMessage } = await client.run(SendMessageDocument, {
    input: { conversationId: id, body: 'hello', ...input },
  })
  return sendMessage!
}

/** The newest message as another request finds it. */
async function newest(client: TestClient, conversationId = id): Promise<MessageFieldsFragment> {
  const { conversation } = await client.run(MessagesDocument, { id: conversationId, last: 1 })
  return conversation!.messages.edges[0]!.node
}

const countOf = async (conversationId: string) => {
  const [row] = await scene.sql('SELECT count(*)::int AS count FROM messages WHERE conversation_id = $1', [
    uuidOf(conversationId),
  ])
  return row!.count
}

describe('a message', () => {
  test('is stored as it is answered, and the other one finds the same', async () => {
    const metadata = { mood: 'fine', nested: { list: [1, 2.5, true, null, 'x'] }, empty: {} }
    const { message, deduplicated } = await sendMessage(ada, { body: ' Hello,\n<b>Bo</b> ', metadata })
    expect(deduplicated).toBe(false)
    expect(message).toMatchObject({
      kind: 'TEXT',
      body: ' Hello,\n<b>Bo</b> ',
      metadata,
      idempotencyKey: null,
      sender: { externalId: 'ada' },
    })
    expect(await newest(bo)).toEqual(message)
  })

  test('has {} as its metadata if none are given', async () => {
    expect((await sendMessage(ada, {})).message.metadata).toEqual({})
    expect((await sendMessage(ada, { metadata: null })).message.metadata).toEqual({})
  })

  test('has the next seq and version of its conversation', async () => {
    const first = await send(ada, id, 'one')
    const second = await send(bo, id, 'two')
    expect(second).toMatchObject({ seq: first.seq + 1, version: first.version + 1 })
  })

  test("moves its sender's read position to it, and nobody else's", async () => {
    const message = await send(bo, id, 'read by me')
    const { conversation: toBo } = await bo.run(ConversationDocument, { id })
    const { conversation: toAda } = await ada.run(ConversationDocument, { id })
    expect(toBo!.viewerState).toMatchObject({ lastReadSeq: message.seq, unreadCount: 0 })
    expect(toAda!.viewerState!.lastReadSeq).toBeLessThan(message.seq)
  })
})

describe('from a service', () => {
  test("that acts for nobody is the system's, without a sender", async () => {
    const message = await send(scene.asService(), id, 'from the host')
    expect(message).toMatchObject({ kind: 'SYSTEM', sender: null, body: 'from the host' })
    expect(await newest(ada)).toEqual(message)
  })

  test("that acts for a user is that user's, whose read position stays", async () => {
    const { conversation: before } = await ada.run(ConversationDocument, { id })
    const message = await send(scene.asService('ada'), id, 'for ada')
    expect(message).toMatchObject({ kind: 'TEXT', sender: { externalId: 'ada' } })
    const { conversation: after } = await ada.run(ConversationDocument, { id })
    expect(after!.viewerState!.lastReadSeq).toBe(before!.viewerState!.lastReadSeq)
  })

  test('that acts for a user goes no further than that user', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    const input = { conversationId: id, body: 'x' }
    await expectRefused(scene, () => scene.asService('cy').execute(SendMessageDocument, { input }), refusal)
  })
})

describe('at once', () => {
  test('200 messages over two nodes get seq 1 to 200 and versions without a gap', async () => {
    const conversationId = await startDirect(ada, 'cy')
    const clients = [ada, cy, other.as('ada'), other.as('cy')]
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, number) => send(clients[number % 4]!, conversationId, `number ${number}`)),
    )
    const rows = await scene.sql('SELECT seq, version, body FROM messages WHERE conversation_id = $1 ORDER BY seq', [
      uuidOf(conversationId),
    ])
    // The conversation and its two participants are versions 1 to 3.
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1))
    expect(rows.map(({ version }) => version)).toEqual(Array.from({ length: 200 }, (_, index) => index + 4))
    expect(new Set(rows.map(({ body }) => body)).size).toBe(200)
    const answered = answers.map(({ seq, version, body }) => ({ seq, version, body }))
    expect(answered.sort((one, two) => one.seq - two.seq)).toEqual(rows)
    const { conversation } = await ada.run(ConversationDocument, { id: conversationId })
    expect(conversation).toMatchObject({ lastSeq: 200, version: 203 })
  })

  test('what is sent after another was acknowledged has a higher seq, over whichever node', async () => {
    let last = 0
    for (let number = 0; number < 20; number++) {
      const { seq } = await send(number % 2 ? other.as('bo') : ada, id, `turn ${number}`)
      expect(seq).toBeGreaterThan(last)
      last = seq
    }
  })

  test('refused ones leave no gap', async () => {
    const conversationId = await startDirect(bo, 'cy')
    await Promise.all(
      Array.from({ length: 60 }, (_, number) => {
        if (number % 3 === 0) return bo.execute(SendMessageDocument, { input: { conversationId, body: ' ' } })
        if (number % 3 === 1) return ada.execute(SendMessageDocument, { input: { conversationId, body: 'foreign' } })
        return send(cy, conversationId, 'in')
      }),
    )
    const rows = await scene.sql('SELECT seq, version FROM messages WHERE conversation_id = $1 ORDER BY seq', [
      uuidOf(conversationId),
    ])
    expect(rows).toEqual(Array.from({ length: 20 }, (_, index) => ({ seq: index + 1, version: index + 4 })))
  })
})

describe('with an idempotency key', () => {
  test('the same request gives the same message and stores nothing', async () => {
    const input = { body: 'once', metadata: { a: 1, b: { c: 2, d: 3 } }, idempotencyKey: 'again' }
    const { message, deduplicated } = await sendMessage(ada, input)
    expect(deduplicated).toBe(false)
    expect(message.idempotencyKey).toBe('again')
    await send(bo, id, 'in between')
    const stored = await countOf(id)
    const sameMetadata = { b: { d: 3, c: 2 }, a: 1 }
    for (const repeat of [input, input, { ...input, metadata: sameMetadata }]) {
      expect(await sendMessage(ada, repeat)).toEqual({ message, deduplicated: true })
    }
    expect(await sendMessage(other.as('ada'), input)).toEqual({ message, deduplicated: true })
    expect(await sendMessage(scene.asService('ada'), input)).toEqual({ message, deduplicated: true })
    expect(await countOf(id)).toBe(stored)
  })

  test('a repeat reads nothing for its sender', async () => {
    await sendMessage(ada, { idempotencyKey: 'unmoved' })
    const { seq } = await send(bo, id, 'not read yet')
    await sendMessage(ada, { idempotencyKey: 'unmoved' })
    const { conversation } = await ada.run(ConversationDocument, { id })
    expect(conversation!.viewerState).toMatchObject({ lastReadSeq: seq - 1, unreadCount: 1 })
  })

  test('20 of the same at once over two nodes are one row, and one says that it is new', async () => {
    const clients = [ada, other.as('ada')]
    for (let round = 0; round < 5; round++) {
      const before = await countOf(id)
      const input = { body: `round ${round}`, idempotencyKey: `at once ${round}` }
      const answers = await Promise.all(Array.from({ length: 20 }, (_, call) => sendMessage(clients[call % 2]!, input)))
      expect(await countOf(id)).toBe(Number(before) + 1)
      expect(answers.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1)
      expect(new Set(answers.map(({ message }) => JSON.stringify(message))).size).toBe(1)
    }
  })

  test('another request is a conflict', async () => {
    const input = { conversationId: id, body: 'original', metadata: { a: 1 }, idempotencyKey: 'taken' }
    await sendMessage(ada, input)
    for (const change of [{ body: 'other' }, { metadata: { a: 2 } }, { metadata: {} }, { metadata: null }]) {
      await expectRefused(scene, () => ada.execute(SendMessageDocument, { input: { ...input, ...change } }), {
        code: 'CONFLICT',
        field: 'idempotencyKey',
      })
    }
  })

  test('different requests at once are one message, the others conflicts', async () => {
    const before = await countOf(id)
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, number) => {
        const input = { conversationId: id, body: `variant ${number}`, idempotencyKey: 'variants' }
        return ada.execute(SendMessageDocument, { input })
      }),
    )
    expect(await countOf(id)).toBe(Number(before) + 1)
    expect(results.filter(({ errors }) => !errors)).toHaveLength(1)
    const codes = results.flatMap(({ errors }) => errors ?? []).map(({ extensions }) => extensions.code)
    expect(codes).toEqual(Array(9).fill('CONFLICT'))
  })

  test("another user's is independent, and so is another conversation's", async () => {
    const first = await sendMessage(ada, { body: 'from ada', idempotencyKey: 'shared' })
    const second = await sendMessage(bo, { body: 'from bo', idempotencyKey: 'shared' })
    const third = await sendMessage(ada, {
      conversationId: await startDirect(ada, 'cy'),
      body: 'to cy',
      idempotencyKey: 'shared',
    })
    expect([first, second, third].map(({ deduplicated }) => deduplicated)).toEqual([false, false, false])
    expect(new Set([first, second, third].map(({ message }) => message.id)).size).toBe(3)
  })

  test("the system is one sender: its keys are not a user's, and not another system message's", async () => {
    await sendMessage(ada, { body: 'from ada', idempotencyKey: 'system' })
    const service = scene.asService()
    const first = await sendMessage(service, { body: 'from the host', idempotencyKey: 'system' })
    expect(first).toMatchObject({ deduplicated: false, message: { kind: 'SYSTEM', sender: null } })
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => sendMessage(service, { body: 'from the host', idempotencyKey: 'system' })),
    )
    for (const answer of answers) expect(answer).toEqual({ ...first, deduplicated: true })
    const input = { conversationId: id, body: 'another', idempotencyKey: 'system' }
    await expectRefused(scene, () => service.execute(SendMessageDocument, { input }), {
      code: 'CONFLICT',
      field: 'idempotencyKey',
    })
  })

  test("without a key the same twice is two messages, the system's too", async () => {
    for (const client of [ada, scene.asService()]) {
      const first = await send(client, id, 'twice')
      const second = await send(client, id, 'twice')
      expect(second.seq).toBe(first.seq + 1)
    }
  })

  test('a key may have 255 characters of any kind', async () => {
    const idempotencyKey = '🗝'.repeat(255)
    expect(await sendMessage(ada, { idempotencyKey })).toMatchObject({
      deduplicated: false,
      message: { idempotencyKey },
    })
    expect(await sendMessage(ada, { idempotencyKey })).toMatchObject({ deduplicated: true })
  })

  test('whoever was removed learns nothing of a key that it had used', async () => {
    const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    const input = { conversationId: group, body: 'mine', idempotencyKey: 'before I left' }
    await sendMessage(cy, input)
    await scene.sql(
      `UPDATE participants SET left_at = now()
        WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
      [uuidOf(group)],
    )
    await expectRefused(scene, () => cy.execute(SendMessageDocument, { input }), {
      code: 'NOT_FOUND',
      field: 'conversationId',
    })
  })
})

describe('a body comes back exactly', () => {
  test.each([
    ['of one character', 'x'],
    ['of 10,000 characters', 'x'.repeat(10_000)],
    ['of 10,000 astral characters', '😀'.repeat(10_000)],
    ['with bidirectional controls', 'a\u202Eb\u2066c\u2069\u200Fd'],
    ['with 9,999 combining marks', `a${'\u0301'.repeat(9_999)}`],
    ['that is neither composed nor decomposed', 'é e\u0301 ﬁ Å'],
    ['with markup, quotes and placeholders', `<script>alert('x')</script> "$1" \\ %s \${x} {{y}} ';--`],
    ['with line ends of all kinds and blanks around', ' \t\r\n a \u2028 b \r\n '],
    ['with control characters', '\u0001\u0008\u001b[31m\u007f'],
    ['with what looks like an escape', '\\u0000 \\ud800 \\n'],
    ['with a byte order mark and non-characters', '\ufeffa\ufffe\uffff'],
  ])('%s', async (_, body) => {
    const { message } = await sendMessage(ada, { body })
    expect(message.body).toBe(body)
    expect((await newest(bo)).body).toBe(body)
  })
})

describe('metadata come back exactly', () => {
  /** An object nested so many levels deep. */
  const nested = (levels: number): Record<string, unknown> => (levels === 1 ? {} : { a: nested(levels - 1) })

  test.each([
    ['of 16 KiB', { a: 'x'.repeat(16 * 1024 - 8) }],
    ['of 16 KiB in characters of several bytes', { a: 'é'.repeat((16 * 1024 - 8) / 2) }],
    ['of 32 levels', nested(32)],
    ['of 32 levels of lists', { a: JSON.parse('['.repeat(31) + ']'.repeat(31)) }],
    [
      'with any characters in keys and values',
      { '': '', '💥\u202E': '\u0301', 'a.b[0]$': "';--", '\\u0000': '\\u0000' },
    ],
    ['with numbers of all sizes', { a: 0, b: -1.5, c: 1e300, d: 1e-300, e: 2 ** 53 - 1, f: 0.1 }],
    [
      'with keys that mean something to JavaScript',
      JSON.parse('{"__proto__": {"x": 1}, "constructor": 1, "toJSON": 2}'),
    ],
  ])('%s', async (_, metadata) => {
    const { message } = await sendMessage(ada, { metadata })
    expect(message.metadata).toEqual(metadata)
    expect(Object.keys(message.metadata).sort()).toEqual(Object.keys(metadata).sort())
    expect((await newest(bo)).metadata).toEqual(metadata)
  })

  describe('or are refused', () => {
    test.each([
      ['of 16 KiB and a byte', { a: 'x'.repeat(16 * 1024 - 7) }],
      ['of over 16 KiB in fewer characters', { a: '😀'.repeat(5_000) }],
      ['of 33 levels', nested(33)],
      ['of 33 levels of lists', { a: JSON.parse('['.repeat(32) + ']'.repeat(32)) }],
      ['with a NUL in a value', { a: 'x\0y' }],
      ['with a NUL in a key', { 'x\0y': 1 }],
      ['with a NUL deep within', { a: [{ b: ['\0'] }] }],
      ['with half of a surrogate pair in a value', { a: '\ud800' }],
      ['with half of a surrogate pair in a key', { '\udfff': 1 }],
    ])('%s', async (_, metadata) => {
      const input = { conversationId: id, body: 'x', metadata }
      await expectRefused(scene, () => ada.execute(SendMessageDocument, { input }), {
        code: 'BAD_USER_INPUT',
        field: 'metadata',
      })
    })

    test('with a number beyond what JSON can hold, which would be stored as null', async () => {
      const text = JSON.stringify({ input: { conversationId: id, body: 'x', metadata: 'METADATA' } })
      const body = `{"query": ${JSON.stringify(print(SendMessageDocument))}, "variables": ${text.replace('"METADATA"', '{"a": [{"b": 1e400}]}')}}`
      const request = async () => {
        const headers = { authorization: `Bearer ${await ada.token}`, 'content-type': 'application/json' }
        return (await fetch(`${scene.url}/graphql`, { method: 'POST', headers, body })).json()
      }
      await expectRefused(scene, request, { code: 'BAD_USER_INPUT', field: 'metadata' })
    })

    test.each([
      ['a list', []],
      ['a string', 'x'],
      ['a number', 1],
      ['true', true],
    ])('that are %s', async (_, metadata) => {
      const input = { conversationId: id, body: 'x', metadata: metadata as unknown as Record<string, unknown> }
      await expectRefused(scene, () => ada.execute(SendMessageDocument, { input }), {
        code: 'BAD_USER_INPUT',
        field: 'metadata',
      })
    })
  })
})

describe('is refused', () => {
  const refused = (input: Partial<SendMessageInput>, code: string, field: string, client = ada) =>
    expectRefused(
      scene,
      () => client.execute(SendMessageDocument, { input: { conversationId: id, body: 'hello', ...input } }),
      { code, field },
    )

  test('to a conversation that one is not in, the same as to one that is missing', async () => {
    const foreign = { conversationId: id, body: 'hello' }
    const missing = { conversationId: missingConversation, body: 'hello' }
    await refused(foreign, 'NOT_FOUND', 'conversationId', cy)
    await refused(missing, 'NOT_FOUND', 'conversationId', cy)
    await refused(missing, 'NOT_FOUND', 'conversationId', scene.asService())
    const [first, second] = [
      await cy.execute(SendMessageDocument, { input: foreign }),
      await cy.execute(SendMessageDocument, { input: missing }),
    ]
    expect(first).toEqual(second)
  })

  test('to what is no conversation', async () => {
    for (const conversationId of [
      ...GARBAGE,
      encodeId('User', uuidOf(id)),
      encodeId('Message', uuidOf(id), 1),
      uuidOf(id),
    ]) {
      await refused({ conversationId }, 'BAD_USER_INPUT', 'conversationId')
    }
  })

  test.each([
    ['left out', undefined],
    ['null', null],
    ['empty', ''],
    ['of blanks', ' \t\r\n\u00a0\u2003\u3000\ufeff'],
    ['of 10,001 characters', 'x'.repeat(10_001)],
    ['of 10,001 astral characters', '😀'.repeat(10_001)],
    ['of 100,000 combining marks', `a${'\u0301'.repeat(100_000)}`],
    ['with a NUL', 'a\0b'],
    ['of a NUL', '\0'],
    ['with the first half of a surrogate pair', 'a\ud83d'],
    ['with the second half of a surrogate pair', '\ude00a'],
    ['with the halves the wrong way round', '\ude00\ud83d'],
  ])('with a body that is %s', async (_, body) => {
    await refused({ body }, 'BAD_USER_INPUT', 'body')
  })

  test.each([
    ['empty', ''],
    ['blank', '  '],
    ['of 256 characters', 'k'.repeat(256)],
    ['with a NUL', 'k\0'],
    ['with half of a surrogate pair', '\ud800'],
  ])('with a key that is %s', async (_, idempotencyKey) => {
    await refused({ idempotencyKey }, 'BAD_USER_INPUT', 'idempotencyKey')
  })
})
