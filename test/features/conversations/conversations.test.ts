import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { conversationListCursor, messageCursor } from '../../../src/lib/cursors.ts'
import {
  ConversationDocument,
  ConversationsDocument,
  type ConversationsQueryVariables,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import {
  expectRefused,
  missingConversation,
  type Scene,
  send,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene

beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.close())

async function list(client: TestClient, variables: ConversationsQueryVariables = {}) {
  const { conversations } = await client.run(ConversationsDocument, variables)
  const { edges, ...rest } = conversations!
  return { ...rest, ids: edges.map(({ node }) => node.id), edges }
}

/** All ids, page by page; `between` is done after each. */
async function walk(client: TestClient, first: number, between: (page: number) => Promise<unknown> = async () => {}) {
  const ids: string[] = []
  let after: string | null = null
  for (let page = 1; ; page++) {
    const { ids: some, pageInfo } = await list(client, { first, after })
    expect(some.length).toBeLessThanOrEqual(first)
    ids.push(...some)
    if (!pageInfo.hasNextPage) return ids
    after = pageInfo.endCursor!
    await between(page)
  }
}

describe('the order', () => {
  test('is by newest activity; without messages a conversation counts by when it was opened', async () => {
    const [ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
    const withBo = await startDirect(ada, 'bo')
    const withCy = await startDirect(ada, 'cy')
    expect((await list(ada)).ids).toEqual([withCy, withBo])
    await send(bo, withBo, 'newest')
    expect((await list(ada)).ids).toEqual([withBo, withCy])
    const withDi = await startDirect(ada, 'di')
    expect((await list(ada)).ids).toEqual([withDi, withBo, withCy])
  })

  test('is not changed by reading', async () => {
    const ada = scene.as('ada')
    const before = await list(ada)
    await ada.run(ConversationDocument, { id: before.ids.at(-1)! })
    expect((await list(ada)).ids).toEqual(before.ids)
  })
})

test('each holds what the conversation by itself holds', async () => {
  const ada = scene.as('ada')
  const { edges } = await list(ada)
  expect(edges.length).toBeGreaterThan(0)
  for (const { node } of edges) {
    const { conversation } = await ada.run(ConversationDocument, { id: node.id })
    expect(conversation).toMatchObject(node)
  }
})

test("one's own only, those that were left not among them", async () => {
  const [eve, fay] = await usersOf(scene, 'eve', 'fay', 'gus')
  const withFay = await startDirect(eve, 'fay')
  await startDirect(fay, 'gus')
  expect((await list(eve)).ids).toEqual([withFay])
  await scene.sql(
    `UPDATE participants SET left_at = now()
      WHERE conversation_id = $1 AND user_id = (SELECT id FROM users WHERE external_id = 'eve')`,
    [uuidOf(withFay)],
  )
  expect((await list(eve)).ids).toEqual([])
})

test('none is an empty page with a cursor', async () => {
  const [hermit] = await usersOf(scene, 'hermit')
  expect(await list(hermit)).toEqual({
    ids: [],
    edges: [],
    cursor: expect.stringMatching(/./),
    pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
  })
})

describe('paging', () => {
  let ada: TestClient
  let ids: string[]
  let run = 0

  // Users of each test's own, with 23 conversations, the newest first; five of them at the same millisecond.
  beforeEach(async () => {
    const name = `pager-${++run}`
    const peers = Array.from({ length: 23 }, (_, index) => `${name}-${index}`)
    ;[ada] = await usersOf(scene, name, ...peers)
    ids = []
    for (const peer of peers) ids.unshift(await startDirect(ada, peer))
    const tied = ids.slice(8, 13)
    await scene.sql(
      `UPDATE conversations SET activity_at = (SELECT activity_at FROM conversations WHERE id = $1) WHERE id = ANY($2)`,
      [uuidOf(tied[0]!), tied.map(uuidOf)],
    )
    tied.sort((one, other) => (uuidOf(one) < uuidOf(other) ? 1 : -1))
    ids.splice(8, 5, ...tied)
  })

  test.each([1, 2, 5, 22, 23, 24, 100])('by %i reaches the end without gap or repeat', async (first) => {
    expect(await walk(ada, first)).toEqual(ids)
  })

  test('goes by 50 when nothing is said', async () => {
    expect((await list(ada)).ids).toEqual(ids)
    expect(await list(ada, { first: null, after: null })).toMatchObject({ ids })
  })

  test('tells whether more follows and precedes', async () => {
    const first = await list(ada, { first: 10 })
    expect(first.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: first.edges[0]!.cursor,
      endCursor: first.edges[9]!.cursor,
    })
    const last = await list(ada, { first: 100, after: first.pageInfo.endCursor })
    expect(last.ids).toEqual(ids.slice(10))
    expect(last.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
    const beyond = await list(ada, { after: last.pageInfo.endCursor })
    expect(beyond).toMatchObject({ ids: [], pageInfo: { hasNextPage: false, endCursor: null } })
  })

  test('repeats none and skips none while others get messages and new ones are opened', async () => {
    const seen = await walk(ada, 3, async (page) => {
      await send(ada, ids[page]!, 'moves to the top')
      await usersOf(scene, `${run}-new-${page}`)
      await startDirect(ada, `${run}-new-${page}`)
    })
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(ids)
    // What went up, and what is new, is found at the top.
    const [newest, moved] = (await list(ada)).ids
    expect(ids).not.toContain(newest)
    expect(ids).toContain(moved)
  })

  test('one that gets a message before its page has come is at the top, and not twice', async () => {
    const late = ids.at(-1)!
    const seen = await walk(ada, 10, async (page) => {
      if (page === 1) await send(ada, late, 'now first')
    })
    expect(seen).toEqual(ids.slice(0, -1))
    expect((await list(ada)).ids[0]).toBe(late)
  })
})

describe('to a service', () => {
  test('all are listed, newest first, none with a state', async () => {
    const service = scene.asService()
    await send(scene.as('ada'), (await list(scene.as('ada'))).ids[0]!, 'newest of all')
    const rows = await scene.sql('SELECT id FROM conversations ORDER BY activity_at DESC, id DESC')
    const ids = await walk(service, 7)
    expect(ids.map(uuidOf)).toEqual(rows.map(({ id }) => id))
    const { edges } = await list(service)
    expect(edges.every(({ node }) => node.viewerState === null)).toBe(true)
    expect(edges[0]!.node.lastMessage).toMatchObject({ body: 'newest of all' })
  })

  test('that acts for a user those of that user', async () => {
    expect(await list(scene.asService('ada'))).toMatchObject({ ids: (await list(scene.as('ada'))).ids })
  })
})

describe('cursor', () => {
  /** The snapshot in it: which transactions it has seen. */
  const snapshotIn = (cursor: string) => cursor.split('.')[2]!.replaceAll('-', ':').replaceAll('_', ',')

  test('is of a moment that saw all that the answer holds, and nothing later', async () => {
    const [ivy] = await usersOf(scene, 'ivy', 'jon')
    const id = await startDirect(ivy, 'jon')
    await send(ivy, id, 'seen')
    const { cursor } = await list(ivy)
    const later = await send(ivy, id, 'not seen')
    const messages = await scene.sql(
      `SELECT seq, pg_visible_in_snapshot(xid, $1::pg_snapshot) AS seen FROM messages WHERE conversation_id = $2
        ORDER BY seq`,
      [snapshotIn(cursor), uuidOf(id)],
    )
    expect(messages).toEqual([
      { seq: 1, seen: true },
      { seq: later.seq, seen: false },
    ])
  })

  test('is there on every page, an empty one too', async () => {
    const ivy = scene.as('ivy')
    const { pageInfo } = await list(ivy, { first: 1 })
    const empty = await list(ivy, { after: pageInfo.endCursor })
    expect(empty.ids).toEqual([])
    const [visible] = await scene.sql(
      'SELECT bool_and(pg_visible_in_snapshot(xid, $1::pg_snapshot)) AS all FROM messages',
      [snapshotIn(empty.cursor)],
    )
    expect(visible).toEqual({ all: true })
  })
})

describe('bad input', () => {
  const refused = (variables: ConversationsQueryVariables, field: string) =>
    expectRefused(scene, () => scene.as('ada').execute(ConversationsDocument, variables), {
      code: 'BAD_USER_INPUT',
      field,
    })

  test.each([0, -1, 101, 2 ** 31 - 1, 2 ** 31, 1.5])('first: %d', async (first) => {
    await refused({ first }, 'first')
  })

  test('a cursor that is none of this list', async () => {
    const { cursor, edges } = await list(scene.as('ada'))
    const own = edges[0]!.cursor
    const foreign = [
      cursor,
      edges[0]!.node.cursor,
      edges[0]!.node.id,
      messageCursor('00000000', uuidOf(missingConversation), 1),
    ]
    const tampered = [own.slice(0, -1), `${own}x`, own.toUpperCase(), own.replaceAll('.', ','), ` ${own}`, `${own}\n`]
    const garbage = ['', ' ', 'x', '0', '💥', "'; DROP TABLE users; --", 'l..', 'a'.repeat(10_000), '\0']
    for (const after of [...foreign, ...tampered, ...garbage]) await refused({ after }, 'after')
  })
})

test('a cursor of any time and of a conversation that is not there is only a place in the list', async () => {
  const ada = scene.as('ada')
  const { ids } = await list(ada)
  const cursorAt = (time: number) => conversationListCursor(false, new Date(time), uuidOf(missingConversation))
  expect((await list(ada, { after: cursorAt(Date.now() + 1e9) })).ids).toEqual(ids)
  expect((await list(ada, { after: cursorAt(36 ** 9 - 1) })).ids).toEqual(ids)
  expect((await list(ada, { after: cursorAt(0) })).ids).toEqual([])
  expect((await list(ada, { after: cursorAt(1 - 36 ** 9) })).ids).toEqual([])
})
