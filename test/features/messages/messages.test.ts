import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { messageCursor } from '../../../src/lib/cursors.ts'
import { ConversationDocument, MessagesDocument, type MessagesQueryVariables } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import {
  expectRefused,
  insertGroup,
  missingConversation,
  type Scene,
  send,
  sendMany,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

const COUNT = 123

let scene: Scene
let ada: TestClient
let bo: TestClient
let id: string

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy')
  id = await startDirect(ada, 'bo')
  await sendMany(ada, id, COUNT)
})
afterAll(() => scene.close())

type PageVariables = Omit<MessagesQueryVariables, 'id'>

async function page(variables: PageVariables = {}, client = ada, conversationId = id) {
  const { conversation } = await client.run(MessagesDocument, { id: conversationId, ...variables })
  const { edges, pageInfo } = conversation!.messages
  return {
    seqs: edges.map(({ node }) => node.seq),
    cursors: edges.map(({ cursor }) => cursor),
    nodes: edges.map(({ node }) => node),
    pageInfo,
  }
}

/** The numbers from `from` to `to`, both included. */
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('without arguments', () => {
  test('the newest 50 come, the oldest of them first', async () => {
    const { seqs, cursors, pageInfo } = await page()
    expect(seqs).toEqual(range(COUNT - 49, COUNT))
    expect(pageInfo).toEqual({
      hasNextPage: false,
      hasPreviousPage: true,
      startCursor: cursors[0],
      endCursor: cursors[49],
    })
    expect(await page({ last: 50 })).toEqual(await page())
    expect(await page({ first: null, last: null, after: null, before: null })).toEqual(await page())
  })

  test('both participants and a service see the same', async () => {
    expect(await page({}, bo)).toEqual(await page())
    expect(await page({}, scene.asService())).toEqual(await page())
  })

  test('an empty conversation has an empty page', async () => {
    const empty = await startDirect(ada, 'cy')
    for (const variables of [{}, { first: 10 }, { last: 10 }]) {
      expect(await page(variables, ada, empty)).toEqual({
        seqs: [],
        cursors: [],
        nodes: [],
        pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
      })
    }
  })
})

describe('each message', () => {
  test('is as it was when it was sent', async () => {
    const sent = await send(bo, await startDirect(bo, 'cy'), 'for cy', {
      metadata: { a: [1, null] },
      idempotencyKey: 'k',
    })
    const { nodes } = await page({}, scene.as('cy'), await startDirect(bo, 'cy'))
    expect(nodes).toEqual([sent])
  })

  test("has its edge's cursor, which stays the same whatever else is sent", async () => {
    const conversationId = await startDirect(bo, 'cy')
    const before = await page({}, bo, conversationId)
    await send(bo, conversationId, 'another')
    const after = await page({}, bo, conversationId)
    expect(after.cursors.slice(0, -1)).toEqual(before.cursors)
    expect(after.nodes.map(({ cursor }) => cursor)).toEqual(after.cursors)
    expect(new Set(after.cursors).size).toBe(after.cursors.length)
  })
})

describe('paging', () => {
  test.each([1, 7, 50, 61, 100])('forward by %i reaches the end without gap or repeat', async (first) => {
    const seen: number[] = []
    let after: string | undefined
    for (let more = true; more; ) {
      const { seqs, pageInfo } = await page({ first, after })
      expect(seqs.length).toBeLessThanOrEqual(first)
      expect(pageInfo.hasPreviousPage).toBe(seen.length > 0)
      seen.push(...seqs)
      more = pageInfo.hasNextPage
      after = pageInfo.endCursor!
    }
    expect(seen).toEqual(range(1, COUNT))
  })

  test.each([1, 7, 50, 61, 100])('backward by %i reaches the start without gap or repeat', async (last) => {
    const seen: number[] = []
    let before: string | undefined
    for (let more = true; more; ) {
      const { seqs, pageInfo } = await page({ last, before })
      expect(seqs.length).toBeLessThanOrEqual(last)
      expect(pageInfo.hasNextPage).toBe(seen.length > 0)
      seen.unshift(...seqs)
      more = pageInfo.hasPreviousPage
      before = pageInfo.startCursor!
    }
    expect(seen).toEqual(range(1, COUNT))
  })

  test('after alone gives the 50 that follow, before alone the 50 just before', async () => {
    const { cursors } = await page({ first: 100 })
    expect((await page({ after: cursors[9] })).seqs).toEqual(range(11, 60))
    expect((await page({ before: cursors[89] })).seqs).toEqual(range(40, 89))
    expect((await page({ before: cursors[9] })).seqs).toEqual(range(1, 9))
  })

  test('between two cursors gives what is between, from either end', async () => {
    const { cursors } = await page({ first: 100 })
    const between = { after: cursors[19], before: cursors[79] }
    expect((await page({ ...between, first: 5 })).seqs).toEqual(range(21, 25))
    expect((await page({ ...between, last: 5 })).seqs).toEqual(range(75, 79))
    expect((await page({ ...between, first: 100 })).seqs).toEqual(range(21, 79))
    expect((await page({ after: cursors[79], before: cursors[19] })).seqs).toEqual([])
  })

  test('beyond either end is empty', async () => {
    const { cursors } = await page()
    expect(await page({ after: cursors.at(-1) })).toMatchObject({ seqs: [], pageInfo: { hasNextPage: false } })
    const { cursors: oldest } = await page({ first: 1 })
    expect(await page({ before: oldest[0] })).toMatchObject({ seqs: [], pageInfo: { hasPreviousPage: false } })
    const farBeyond = messageCursor('00000000', uuidOf(id), 2 ** 31 - 2)
    expect(await page({ after: farBeyond })).toMatchObject({ seqs: [], pageInfo: { hasNextPage: false } })
  })

  test('forward while messages come has each once', async () => {
    const group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    await sendMany(ada, group, 10)
    const seen: number[] = []
    let after: string | undefined
    for (let more = true; more; ) {
      const { seqs, pageInfo } = await page({ first: 4, after }, bo, group)
      seen.push(...seqs)
      more = pageInfo.hasNextPage
      after = pageInfo.endCursor!
      if (seen.length < 20) await sendMany(ada, group, 3)
    }
    expect(seen.length).toBeGreaterThan(20)
    expect(seen).toEqual(range(1, seen.length))
  })
})

describe('whoever joined without history', () => {
  let group: string

  beforeAll(async () => {
    group = await insertGroup(scene, ['ada', 'bo', 'cy'])
    await sendMany(ada, group, 10)
    await scene.sql(
      `UPDATE participants SET visible_from_seq = 6, last_read_seq = 5
        WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'cy')`,
      [uuidOf(group)],
    )
  })

  test('sees nothing from before, by any argument', async () => {
    const cy = scene.as('cy')
    const { cursors } = await page({ first: 100 }, ada, group)
    for (const variables of [
      {},
      { first: 100 },
      { last: 100 },
      { after: cursors[0] },
      { first: 100, after: cursors[2] },
    ]) {
      const { seqs, pageInfo } = await page(variables, cy, group)
      expect(seqs).toEqual(range(6, 10))
      expect(pageInfo.hasPreviousPage).toBe(false)
    }
    expect((await page({ before: cursors[4] }, cy, group)).seqs).toEqual([])
    expect((await page({ last: 2 }, cy, group)).pageInfo.hasPreviousPage).toBe(true)
  })
})

describe('bad input', () => {
  const refused = (variables: PageVariables, field: string) =>
    expectRefused(scene, () => ada.execute(MessagesDocument, { id, ...variables }), { code: 'BAD_USER_INPUT', field })

  test.each([0, -1, 101, 2 ** 31 - 1, -(2 ** 31), 2 ** 31])('a page of %d', async (size) => {
    await refused({ first: size }, 'first')
    await refused({ last: size }, 'last')
  })

  test('first and last', async () => {
    await refused({ first: 10, last: 10 }, 'last')
  })

  test('a cursor of another conversation, one that was tampered with, and garbage', async () => {
    const { cursors } = await page({ first: 1 })
    const own = cursors[0]!
    const { conversation } = await ada.run(ConversationDocument, { id })
    const foreign = [
      messageCursor('00000000', uuidOf(missingConversation), 1),
      conversation!.cursor,
      conversation!.id,
      conversation!.participants.edges[0]!.cursor,
    ]
    const tampered = [
      `${own}000000`,
      own.replace(/\.\w+$/, '.'),
      own.replace(/\.\w+$/, '.-1'),
      own.replace(/\.\w+$/, '.zzzzzz'),
      own.replace(/^m/, 'p'),
      own.replace(/^m/, 'M'),
      `${own} `,
      `${own}\0`,
    ]
    for (const cursor of [
      ...foreign,
      ...tampered,
      '',
      ' ',
      'x',
      '1',
      '💥',
      'm...',
      "' OR 1=1 --",
      'a'.repeat(10_000),
    ]) {
      await refused({ after: cursor }, 'after')
      await refused({ before: cursor }, 'before')
    }
  })
})

test('a page that is refused leaves the fields beside it whole', async () => {
  const result = await ada.execute(MessagesDocument, { id, first: 101 })
  expect(result.data).toEqual({ conversation: null })
  expect(result.errors?.[0]?.path).toEqual(['conversation', 'messages'])
})
