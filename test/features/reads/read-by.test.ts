import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { MarkReadDocument, ReadByDocument, ReadByOfPageDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { add, createGroup, leave } from '../groups.ts'
import { GARBAGE, refusalIn, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

let scene: Scene
const statements: string[] = []
let ada: TestClient
let bo: TestClient
let cy: TestClient
let di: TestClient

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql) => statements.push(sql) } })
  ;[ada, bo, cy, di] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

const messageId = (conversationId: string, seq: number) => encodeId('Message', uuidOf(conversationId), seq)

async function markRead(client: TestClient, conversationId: string, seq?: number) {
  const input = { conversationId, ...(seq !== undefined && { messageId: messageId(conversationId, seq) }) }
  await client.run(MarkReadDocument, { input })
}

/** Who has read which message, in the order of the answer. */
async function readersOf(conversationId: string, client = ada): Promise<Record<number, string[]>> {
  const { conversation } = await client.run(ReadByOfPageDocument, { id: conversationId })
  return Object.fromEntries(
    conversation!.messages.edges.map(({ node }) => [
      node.seq,
      node.readBy.edges.map((edge) => edge.node.user.externalId),
    ]),
  )
}

async function sendSome(client: TestClient, conversationId: string, count: number) {
  for (let number = 0; number < count; number++) await send(client, conversationId, 'text')
}

test('names those who have read up to the message or beyond, its sender left out', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  await sendSome(ada, id, 3)
  expect(await readersOf(id)).toEqual({ 1: [], 2: [], 3: [] })
  await markRead(bo, id, 2)
  expect(await readersOf(id)).toEqual({ 1: ['bo'], 2: ['bo'], 3: [] })
  await markRead(cy, id)
  expect(await readersOf(id)).toEqual({ 1: ['bo', 'cy'], 2: ['bo', 'cy'], 3: ['cy'] })
})

test('has those first who read first, each at the time at which it read this one', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  await sendSome(ada, id, 2)
  await markRead(cy, id, 1)
  await markRead(bo, id, 2)
  await markRead(cy, id, 2)
  expect(await readersOf(id)).toEqual({ 1: ['cy', 'bo'], 2: ['bo', 'cy'] })
  const times = async (seq: number) => {
    const { node } = await ada.run(ReadByDocument, { id: messageId(id, seq) })
    if (!node || !('readBy' in node)) throw new Error('no message')
    return Object.fromEntries(node.readBy.edges.map((edge) => [edge.node.user.externalId, edge.node.readAt]))
  }
  const [first, second] = [await times(1), await times(2)]
  expect(first.bo).toBe(second.bo)
  expect(Date.parse(first.cy!)).toBeLessThan(Date.parse(second.cy!))
})

describe('sending', () => {
  test('is reading what others wrote before', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    await sendSome(ada, id, 2)
    await send(bo, id, 'an answer')
    expect(await readersOf(id)).toEqual({ 1: ['bo'], 2: ['bo'], 3: [] })
    await send(ada, id, 'thanks')
    expect(await readersOf(id)).toEqual({ 1: ['bo'], 2: ['bo'], 3: ['ada'], 4: [] })
  })

  test('by a service for somebody, or of the system, is not', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    await send(ada, id, 'a question')
    await send(scene.asService('bo'), id, 'an answer')
    await send(scene.asService(), id, 'of the system')
    expect(await readersOf(id)).toEqual({ 1: [], 2: [], 3: [] })
    await markRead(bo, id)
    await markRead(ada, id)
    expect(await readersOf(id)).toEqual({ 1: ['bo'], 2: ['ada'], 3: ['bo', 'ada'] })
  })
})

describe('whoever joins later', () => {
  test('is no reader of what was written before, with or without history', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    await sendSome(ada, id, 2)
    await add(ada, id, ['di'], { withHistory: true })
    await markRead(di, id)
    await sendSome(ada, id, 1)
    await markRead(di, id)
    expect(await readersOf(id)).toEqual({ 1: [], 2: [], 3: ['di'] })
    const other = await createGroup(ada, 'bo', 'cy')
    await sendSome(ada, other, 2)
    await add(ada, other, ['di'])
    await sendSome(ada, other, 1)
    await send(di, other, 'here I am')
    expect(await readersOf(other)).toEqual({ 1: [], 2: [], 3: ['di'], 4: [] })
    expect(await readersOf(other, di)).toEqual({ 3: ['di'], 4: [] })
  })

  test('and had been there before is a new participant', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    await sendSome(ada, id, 2)
    await markRead(cy, id)
    expect(await readersOf(id)).toEqual({ 1: ['cy'], 2: ['cy'] })
    await leave(cy, id)
    expect(await readersOf(id)).toEqual({ 1: [], 2: [] })
    await add(ada, id, ['cy'], { withHistory: true })
    expect(await readersOf(id)).toEqual({ 1: [], 2: [] })
    await sendSome(ada, id, 1)
    await markRead(cy, id)
    expect(await readersOf(id)).toEqual({ 1: [], 2: [], 3: ['cy'] })
  })
})

describe('paging', () => {
  let id: string
  let readers: string[]
  const page = async (first?: number, after?: string) => {
    const { node } = await ada.run(ReadByDocument, { id: messageId(id, 1), first, after })
    if (!node || !('readBy' in node)) throw new Error('no message')
    return node.readBy
  }

  beforeAll(async () => {
    readers = Array.from({ length: 7 }, (_, number) => `reader ${number}`)
    const clients = await usersOf(scene, ...readers)
    id = await createGroup(ada, ...readers)
    await sendSome(ada, id, 1)
    // The later ones at once: the same time, so that the user decides.
    await markRead(clients[0]!, id)
    await Promise.all(clients.slice(1).map((client) => markRead(client, id)))
  })

  test('gives each reader once, in the order of the whole', async () => {
    const whole = (await page()).edges.map((edge) => edge.node.user.externalId)
    expect(whole[0]).toBe('reader 0')
    expect([...whole].sort()).toEqual(readers)
    for (const first of [1, 2, 3, 7, 100]) {
      const walked: string[] = []
      let after: string | undefined
      for (;;) {
        const { edges, pageInfo } = await page(first, after)
        walked.push(...edges.map((edge) => edge.node.user.externalId))
        expect(pageInfo.hasPreviousPage).toBe(after !== undefined)
        if (!pageInfo.hasNextPage) break
        expect(edges).toHaveLength(first)
        after = pageInfo.endCursor!
      }
      expect(walked).toEqual(whole)
    }
  })

  test('refuses a first outside 1 to 100, and what is no cursor of it', async () => {
    for (const first of [0, -1, 101]) {
      const result = await ada.execute(ReadByDocument, { id: messageId(id, 1), first })
      expect(result.errors?.map((error) => error.extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'first' }])
    }
    for (const after of GARBAGE) {
      const result = await ada.execute(ReadByDocument, { id: messageId(id, 1), after })
      expect(result.errors?.map((error) => error.extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'after' }])
    }
  })
})

test('of a page of messages is one statement', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  await sendSome(ada, id, 20)
  await markRead(bo, id)
  statements.length = 0
  await readersOf(id)
  expect(statements.filter((sql) => sql.includes('read_advances'))).toHaveLength(1)
})

test('is the same to all who see the message, a service too', async () => {
  const id = await startDirect(bo, 'cy')
  await send(bo, id, 'hello')
  await markRead(cy, id)
  for (const client of [bo, cy, scene.asService()]) expect(await readersOf(id, client)).toEqual({ 1: ['cy'] })
  const result = await ada.execute(ReadByDocument, { id: messageId(id, 1) })
  expect(result).toEqual({ data: { node: null } })
  expect(refusalIn(await ada.execute(MarkReadDocument, { input: { conversationId: id } }))).toMatchObject({
    code: 'NOT_FOUND',
  })
})
