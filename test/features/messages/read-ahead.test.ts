import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import fc from 'fast-check'
import { parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { messageCursor } from '../../../src/lib/cursors.ts'
import { CloseConversationDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { seedOfRun } from '../../support/random-operations.ts'
import { isOfRequest } from '../../support/statements.ts'
import { createGroup } from '../groups.ts'
import { missingConversation, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../support.ts'
import { edit, remove } from './support.ts'

// A conversation that is asked for together with a page of its messages is read in one statement, unlike one that is
// asked for in any other way, and both must be the same.

const COUNT = 60

let scene: Scene
let ada: TestClient
let bo: TestClient
let group: string
const statements: string[] = []

beforeAll(async () => {
  scene = await startScene({
    env: { RATE_LIMIT: '0' },
    overrides: { onStatement: (sql) => void (isOfRequest(sql) && statements.push(sql)) },
  })
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy', 'eve')
  group = await createGroup(ada, 'bo', 'cy')
  await fill()
})
afterAll(() => scene.close())

/** Messages of every kind, and cy, who sees none from before the 20th. */
async function fill() {
  const senders = [ada, bo, scene.asService()]
  const metadata = { a: [1.5, null, { b: 'x\u2028"\\' }], n: 1e21 }
  for (let number = 1; number <= COUNT; number++) {
    const message = await send(senders[number % 3]!, group, `m${number} 💥 "\\\n\u2028`, {
      ...(number % 5 === 0 && { metadata, idempotencyKey: `k${number}` }),
    })
    if (number % 7 === 0 && number % 3 !== 2) await edit(senders[number % 3]!, message.id, 'edited')
    if (number % 11 === 0 && number % 3 !== 2) await remove(senders[number % 3]!, message.id)
    if (number % 13 === 0) await send(bo, group, 'reply', { replyToId: message.id })
  }
  await scene.sql(
    `UPDATE participants SET visible_from_seq = 20, last_read_seq = 19, muted_until = '0001-01-01 00:00:00Z BC'
      WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
    [uuidOf(group)],
  )
  await scene.asService().run(CloseConversationDocument, { input: { conversationId: group } })
}

const CONVERSATION = `
  id kind title subjectId summary keyTopics tags metadata closedAt startedAt messageCount participantCount readUpToSeq
  lastSeq version cursor lastMessageAt createdAt updatedAt lastMessage { id }
  viewerState { lastReadSeq unreadCount isArchived isPinned mutedUntil }`
const PAGE = `
  edges { cursor node {
    id seq version cursor kind body metadata status idempotencyKey createdAt editedAt deletedAt
    replyTo { seq } sender { id externalId username displayName avatarUrl role type } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`
/** What a selection of a conversation as above gives. */
interface Found {
  title: string | null
  closedAt: string | null
  viewerState: { mutedUntil: string | null }
  messages: Page
  newest: Page
  oldest: Page
}
interface Page {
  edges: { node: { seq: number; sender: object | null } & Record<string, unknown> }[]
  pageInfo: { startCursor: string }
}
const document = (text: string) => parse(text) as TypedDocumentNode<{ conversation: Found }, Record<string, unknown>>

const VARIABLES = '$id: ID!, $first: Int, $after: String, $last: Int, $before: String'
const ARGUMENTS = '(first: $first, after: $after, last: $last, before: $before)'

const TOGETHER = document(
  `query(${VARIABLES}) { conversation(id: $id) { ${CONVERSATION} messages${ARGUMENTS} { ${PAGE} } } }`,
)
const APART = document(
  `query(${VARIABLES}) { conversation: node(id: $id) { ... on Conversation { ${CONVERSATION} messages${ARGUMENTS} { ${PAGE} } } } }`,
)

const seq = fc.option(
  fc.integer({ min: 0, max: COUNT + 10 }).map((number) => number || 2 ** 31 - 2),
  { nil: null },
)
const size = fc.option(fc.integer({ min: 1, max: 100 }), { nil: null })

test('any page that anybody asks for is the same as when it is read by itself', async () => {
  const [row] = await scene.sql('SELECT epoch FROM database_epoch')
  const cursor = (number: number | null) => number && messageCursor(String(row!.epoch), uuidOf(group), number)
  const viewers = [ada, bo, scene.as('cy'), scene.as('eve'), scene.asService()]
  const asked = fc.record({ by: fc.constantFrom(...viewers), size, fromStart: fc.boolean(), after: seq, before: seq })
  await fc.assert(
    fc.asyncProperty(asked, async ({ by, size, fromStart, after, before }) => {
      const page = { after: cursor(after), before: cursor(before), [fromStart ? 'first' : 'last']: size }
      expect(await by.execute(TOGETHER, { id: group, ...page })).toEqual(
        await by.execute(APART, { id: group, ...page }),
      )
    }),
    { seed: seedOfRun(), numRuns: 100 },
  )
}, 120_000)

test('what is in the pages is what was put there', async () => {
  const { conversation: found } = await scene.as('cy').run(TOGETHER, { id: group, first: 100 })
  const nodes = found.messages.edges.map(({ node }) => node)
  expect(nodes[0]).toMatchObject({ seq: 20 })
  for (const field of ['editedAt', 'deletedAt', 'idempotencyKey', 'replyTo']) {
    expect(nodes.some((node) => node[field] !== null)).toBe(true)
  }
  expect(nodes.some(({ sender }) => sender === null)).toBe(true)
  expect(found.viewerState.mutedUntil).toBe('0000-01-01T00:00:00.000Z')
  expect(found.closedAt).not.toBeNull()
})

describe('the statements', () => {
  /** Of a request for the group. */
  async function sent(query: string, variables: object = {}): Promise<number> {
    statements.length = 0
    await ada.run(document(query), { id: group, ...variables })
    return statements.length
  }
  const messages = 'messages(last: 50) { edges { node { seq sender { displayName } } } pageInfo { startCursor } }'

  test.each([
    ['plain', `query($id: ID!) { conversation(id: $id) { ${messages} } }`],
    ['by an alias', `query($id: ID!) { c: conversation(id: $id) { m: ${messages} title } }`],
    [
      'in fragments',
      `query($id: ID!) { conversation(id: $id) { ...A } } fragment A on Node { ... on Conversation { ...B } }
                      fragment B on Conversation { id ... { ${messages} } }`,
    ],
    [
      'in parts',
      `query($id: ID!) { conversation(id: $id) { ${messages} } ...Q }
                  fragment Q on Query { conversation(id: $id) { messages(last: 50) { edges { cursor } } } }`,
    ],
    [
      'included',
      `query($id: ID!, $yes: Boolean = true) { conversation(id: $id) { ${messages.replace(')', ') @include(if: $yes) @skip(if: false)')} } }`,
    ],
    [
      'with the conversation again below it',
      `query($id: ID!) { conversation(id: $id) { messages(last: 2) { edges { node { conversation { title } sender { id } } } } } }`,
    ],
  ])('are one: %s', async (_how, query) => {
    // By graphql-js, and then by a plan.
    for (let time = 0; time < 5; time++) expect(await sent(query)).toBe(1)
  })

  test('are one for each cursor, forward and back', async () => {
    const query = `query(${VARIABLES}) { conversation(id: $id) { messages${ARGUMENTS} { ${PAGE.replace('replyTo { seq }', '').replace('status', '')} } } }`
    const { conversation } = await ada.run(document(query), { id: group, last: 5 })
    const { startCursor } = conversation.messages.pageInfo
    expect(await sent(query, { last: 5, before: startCursor })).toBe(1)
    expect(await sent(query, { first: 3, after: startCursor })).toBe(1)
    expect(await sent(query)).toBe(1)
  })

  test.each([
    [
      'another page is asked for too',
      `query($id: ID!) { conversation(id: $id) { ${messages} more: messages(first: 2) { edges { node { seq sender { id } } } } } }`,
      3,
    ],
    [
      'it is another conversation’s',
      `query($id: ID!) { conversation(id: $id) { title lastMessage { conversation { ${messages} } } } }`,
      5,
    ],
  ])('are more where %s', async (_how, query, count) => {
    for (let time = 0; time < 5; time++) expect(await sent(query)).toBe(count)
  })

  test('read no page that is skipped', async () => {
    for (const part of ['... @include(if: $no)', '... @skip(if: $yes)', '...A @include(if: $no)']) {
      const fragment = part.startsWith('...A') ? `fragment A on Conversation { ${messages} }` : ''
      const query = `query($id: ID!, $no: Boolean = false, $yes: Boolean = true) {
        conversation(id: $id) { title ${part} ${fragment ? '' : `{ ${messages} }`} summary @include(if: $no) @skip(if: $yes) } } ${fragment}`
      expect(await sent(query)).toBe(1)
      expect(statements.filter((sql) => sql.includes('JOIN messages'))).toEqual([])
    }
  })

  test('don’t look for senders, or for the other one of two, whom the page has brought', async () => {
    const direct = await startDirect(ada, 'bo')
    await send(bo, direct, 'hello')
    statements.length = 0
    const query = document(`query($id: ID!) { conversation(id: $id) { title ${messages} } }`)
    const { conversation } = await ada.run(query, { id: direct })
    expect(conversation).toMatchObject({
      title: 'bo',
      messages: { edges: [{ node: { sender: { displayName: 'bo' } } }] },
    })
    expect(statements).toHaveLength(1)
  })
})

test('two pages of a conversation by two names are two', async () => {
  const query = document(`query($id: ID!) { conversation(id: $id) {
    newest: messages(last: 2) { edges { node { seq } } } oldest: messages(first: 2) { edges { node { seq } } } } }`)
  const { conversation } = await ada.run(query, { id: group })
  const seqs = (page: Page) => page.edges.map(({ node }) => node.seq)
  const newest = seqs(conversation.newest)
  expect(seqs(conversation.oldest)).toEqual([1, 2])
  expect(newest[0]).toBeGreaterThan(COUNT)
})

test('a stranger, and who asks for what is not there, are told the same, whatever the arguments', async () => {
  for (const page of [{}, { first: 5 }, { last: 101 }, { after: 'x' }]) {
    const [strangers, missing, apart] = await Promise.all([
      scene.as('eve').execute(TOGETHER, { id: group, ...page }),
      ada.execute(TOGETHER, { id: missingConversation, ...page }),
      scene.as('eve').execute(APART, { id: group, ...page }),
    ])
    expect(strangers).toEqual({ data: { conversation: null } })
    expect(missing).toEqual(strangers)
    expect(apart).toEqual(strangers)
  }
})

test('whoever has left sees nothing any more', async () => {
  await scene.sql(
    `UPDATE participants SET left_at = now() WHERE conversation_id = $1
        AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
    [uuidOf(group)],
  )
  expect(await scene.as('cy').execute(TOGETHER, { id: group })).toEqual({ data: { conversation: null } })
})

test('what is deleted is nobody’s', async () => {
  await scene.sql('UPDATE conversations SET deleted_at = now() WHERE id = $1', [uuidOf(group)])
  for (const client of [ada, scene.asService()]) {
    expect(await client.execute(TOGETHER, { id: group })).toEqual({ data: { conversation: null } })
  }
})
