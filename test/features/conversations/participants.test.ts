import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConversationDocument, ParticipantsDocument, type ParticipantsQueryVariables } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { expectRefused, insertGroup, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

const names = Array.from({ length: 23 }, (_, index) => `user-${index}`)

let scene: Scene
let member: TestClient
let id: string

// Five joined in the same millisecond: their order is any, but always the same one.
beforeAll(async () => {
  scene = await startScene()
  ;[member] = await usersOf(scene, 'user-0', ...names.slice(1))
  id = await insertGroup(scene, names)
  await scene.sql(
    `UPDATE participants SET joined_at = '2026-01-01 00:00:09Z'
      WHERE joined_at BETWEEN '2026-01-01 00:00:09Z' AND '2026-01-01 00:00:13Z'`,
  )
  const rows = await scene.sql(
    'SELECT external_id FROM participants JOIN users ON users.id = user_id ORDER BY joined_at, user_id',
  )
  names.splice(0, names.length, ...rows.map((row) => String(row.external_id)))
})
afterAll(() => scene.close())

async function page(variables: Omit<ParticipantsQueryVariables, 'id'> = {}, client = member) {
  const { conversation } = await client.run(ParticipantsDocument, { id, ...variables })
  const { edges, pageInfo } = conversation!.participants
  return { names: edges.map(({ node }) => node.user.externalId), cursors: edges.map(({ cursor }) => cursor), pageInfo }
}

test('are listed longest-standing first, 50 when nothing is said', async () => {
  expect(await page()).toMatchObject({ names, pageInfo: { hasNextPage: false, hasPreviousPage: false } })
})

describe('paging', () => {
  test.each([1, 4, 22, 23, 24, 100])('forward by %i reaches the end without gap or repeat', async (first) => {
    const seen: string[] = []
    let after: string | undefined
    for (let more = true; more; ) {
      const { names: some, cursors, pageInfo } = await page({ first, after })
      expect(some.length).toBeLessThanOrEqual(first)
      seen.push(...some)
      expect(pageInfo.hasPreviousPage).toBe(after !== undefined)
      more = pageInfo.hasNextPage
      after = cursors.at(-1)
    }
    expect(seen).toEqual(names)
  })

  test.each([1, 4, 22, 23, 24, 100])('backward by %i reaches the start without gap or repeat', async (last) => {
    const seen: string[] = []
    let before: string | undefined
    for (let more = true; more; ) {
      const { names: some, cursors, pageInfo } = await page({ last, before })
      expect(some.length).toBeLessThanOrEqual(last)
      seen.unshift(...some)
      expect(pageInfo.hasNextPage).toBe(before !== undefined)
      more = pageInfo.hasPreviousPage
      before = cursors[0]
    }
    expect(seen).toEqual(names)
  })

  test('between two cursors gives what is between, from either end', async () => {
    const { cursors } = await page()
    const between = { after: cursors[4], before: cursors[15] }
    expect((await page(between)).names).toEqual(names.slice(5, 15))
    expect((await page({ ...between, first: 3 })).names).toEqual(names.slice(5, 8))
    expect((await page({ ...between, last: 3 })).names).toEqual(names.slice(12, 15))
  })

  test('before alone gives those just before', async () => {
    const { cursors } = await page()
    expect((await page({ before: cursors[3] })).names).toEqual(names.slice(0, 3))
  })

  test('beyond either end is empty', async () => {
    const { cursors } = await page()
    expect(await page({ after: cursors.at(-1) })).toMatchObject({ names: [], pageInfo: { hasNextPage: false } })
    expect(await page({ last: 5, before: cursors[0] })).toMatchObject({
      names: [],
      pageInfo: { hasPreviousPage: false },
    })
  })

  test('is the same to a service', async () => {
    expect(await page({}, scene.asService())).toEqual(await page())
  })
})

test('each shows its role, when it joined, and how far it has read', async () => {
  await usersOf(scene, 'ada', 'bo')
  const ada = scene.as('ada')
  const direct = await startDirect(ada, 'bo')
  const message = await send(ada, direct, 'hello')
  const { conversation } = await scene.as('bo').run(ConversationDocument, { id: direct })
  const byName = new Map(conversation!.participants.edges.map(({ node }) => [node.user.externalId, node]))
  expect(byName.get('ada')).toMatchObject({
    role: 'MEMBER',
    joinedAt: conversation!.createdAt,
    lastReadSeq: 1,
    lastReadAt: message.createdAt,
  })
  expect(byName.get('bo')).toMatchObject({ role: 'MEMBER', lastReadSeq: 0, lastReadAt: null })
})

describe('bad input', () => {
  const refused = (variables: Omit<ParticipantsQueryVariables, 'id'>, field: string) =>
    expectRefused(scene, () => member.execute(ParticipantsDocument, { id, ...variables }), {
      code: 'BAD_USER_INPUT',
      field,
    })

  test.each([0, -1, 101, 2 ** 31])('a page of %d', async (size) => {
    await refused({ first: size }, 'first')
    await refused({ last: size }, 'last')
  })

  test('first and last', async () => {
    await refused({ first: 1, last: 1 }, 'last')
  })

  test('a cursor of another conversation or list, one that was tampered with, and garbage', async () => {
    const other = await insertGroup(scene, ['user-0', 'user-1', 'user-2'])
    const { conversation } = await member.run(ParticipantsDocument, { id: other })
    const { conversation: full } = await member.run(ConversationDocument, { id })
    const {
      cursors: [own],
    } = await page()
    const foreign = [conversation!.participants.edges[0]!.cursor, full!.cursor, uuidOf(id)]
    const tampered = [own!.slice(0, -1), `${own}x`, own!.replace('p.', 'm.'), `${own}\0`]
    for (const cursor of [...foreign, ...tampered, '', ' ', '💥', 'p..', "' --"]) {
      await refused({ after: cursor }, 'after')
      await refused({ last: 5, before: cursor }, 'before')
    }
  })
})
