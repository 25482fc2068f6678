import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type ConversationFilter,
  ConversationIdsDocument,
  SetConversationStateDocument,
  type SetConversationStateInput,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, send, startDirect } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  refusal,
  see,
  startWith,
  versionsOf,
  type Way,
} from './support.ts'

let scene: Scene
let now = Date.now()
let ada: TestClient
let bo: TestClient
let id: string

beforeAll(async () => {
  scene = await startWith({ clock: { now: () => now } }, 'ada', 'bo', 'cy', 'di')
  ada = scene.as('ada')
  bo = scene.as('bo')
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  await send(bo, id, 'one')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

type Changes = Omit<SetConversationStateInput, 'conversationId'>

const ask = (conversationId: string, changes: Changes, client = ada) =>
  client.execute(SetConversationStateDocument, { input: { conversationId, ...changes } })

async function set(changes: Changes, client = ada) {
  const input = { conversationId: id, ...changes }
  const { setConversationState } = await client.run(SetConversationStateDocument, { input })
  return setConversationState!.conversation.viewerState
}

const isListed = async (filter: ConversationFilter = {}, client = ada) => {
  const { conversations } = await client.run(ConversationIdsDocument, { filter, first: 100 })
  return conversations!.edges.some(({ node }) => node.id === id)
}
const stateOf = async (client: TestClient) => (await see(client, id))!.viewerState
const inAMinute = () => new Date(now + 60_000).toISOString()

const nothing = { isArchived: false, isPinned: false, isFavorited: false, mutedUntil: null }

test('sets what is given, for the viewer alone; what is left out stays, and null clears', async () => {
  const mutedUntil = inAMinute()
  const everySet = { isArchived: true, isPinned: true, isFavorited: true, mutedUntil }
  expect(await set(everySet)).toMatchObject(everySet)
  expect(await stateOf(ada)).toMatchObject(everySet)
  for (const client of [bo, scene.as('cy')]) expect(await stateOf(client)).toMatchObject(nothing)
  expect(await set({})).toMatchObject(everySet)
  for (const field of ['isArchived', 'isPinned', 'isFavorited'] as const) {
    expect(await set({ [field]: false })).toMatchObject({ ...everySet, [field]: false })
    await set({ [field]: true })
    expect(await set({ [field]: null })).toMatchObject({ ...everySet, [field]: false })
    await set({ [field]: true })
  }
  expect(await set({ mutedUntil: null })).toMatchObject({ ...everySet, mutedUntil: null })
  expect(await set({ isArchived: null, isPinned: null, isFavorited: null })).toMatchObject(nothing)
})

test('raises no version', async () => {
  const before = await versionsOf(scene, id)
  await set({ isArchived: true, isPinned: true, isFavorited: true, mutedUntil: inAMinute() })
  expect(await versionsOf(scene, id)).toEqual(before)
})

test('a service that acts for a user sets that one’s', async () => {
  await set({ isPinned: true }, scene.asService('ada'))
  expect(await stateOf(ada)).toMatchObject({ isPinned: true })
})

describe('archived', () => {
  test('it is out of the list, until a newer message comes', async () => {
    await set({ isArchived: true })
    expect([await isListed(), await isListed({ archived: 'ONLY' })]).toEqual([false, true])
    expect(await isListed({}, bo)).toBe(true)
    await send(bo, id, 'two')
    expect([await isListed(), await isListed({ archived: 'ONLY' })]).toEqual([true, false])
    expect(await stateOf(ada)).toMatchObject({ isArchived: false })
  })

  test('one’s own message brings it back too', async () => {
    await set({ isArchived: true })
    await send(ada, id, 'two')
    expect(await isListed()).toBe(true)
  })

  test('without a message in it, it comes back with the first', async () => {
    id = await createGroup(ada, 'bo', 'cy')
    expect(await set({ isArchived: true })).toMatchObject({ isArchived: true })
    await send(bo, id, 'one')
    expect(await isListed()).toBe(true)
  })

  test('while it is muted it stays, whatever comes, and comes back when that ends', async () => {
    await set({ isArchived: true, mutedUntil: inAMinute() })
    await send(bo, id, 'two')
    expect([await isListed(), await stateOf(ada)]).toMatchObject([false, { isArchived: true }])
    now += 60_001
    expect([await isListed(), await stateOf(ada)]).toMatchObject([true, { isArchived: false }])
  })

  test('when it is no longer muted it comes back at once', async () => {
    await set({ isArchived: true, mutedUntil: inAMinute() })
    await send(bo, id, 'two')
    await set({ mutedUntil: null })
    expect(await isListed()).toBe(true)
  })

  test('again, after it came back, it is away as of then', async () => {
    await set({ isArchived: true })
    await send(bo, id, 'two')
    await set({ isArchived: true })
    expect(await isListed()).toBe(false)
    await send(bo, id, 'three')
    expect(await isListed()).toBe(true)
  })

  test('reading it, pinning it and renaming it leave it away', async () => {
    await set({ isArchived: true })
    await set({ isPinned: true, isFavorited: true })
    expect(await isListed()).toBe(false)
  })
})

test('muted alone hides nothing', async () => {
  expect(await set({ mutedUntil: inAMinute() })).toMatchObject({ isArchived: false })
  await send(bo, id, 'two')
  expect(await isListed()).toBe(true)
})

test('pinned ones come first, whatever is newer, and each group by newest activity', async () => {
  const di = scene.as('di')
  const ids = [await startDirect(di, 'ada'), await startDirect(di, 'bo'), await startDirect(di, 'cy')]
  const listed = async () => {
    const { conversations } = await di.run(ConversationIdsDocument, { first: 100 })
    return conversations!.edges.map(({ node }) => ids.indexOf(node.id))
  }
  expect(await listed()).toEqual([2, 1, 0])
  await di.run(SetConversationStateDocument, { input: { conversationId: ids[0]!, isPinned: true } })
  expect(await listed()).toEqual([0, 2, 1])
  await send(bo, ids[1]!, 'new')
  expect(await listed()).toEqual([0, 1, 2])
  await di.run(SetConversationStateDocument, { input: { conversationId: ids[2]!, isPinned: true } })
  expect(await listed()).toEqual([2, 0, 1])
  await send(ada, ids[0]!, 'new')
  expect(await listed()).toEqual([0, 2, 1])
  await di.run(SetConversationStateDocument, { input: { conversationId: ids[0]!, isPinned: false } })
  expect(await listed()).toEqual([2, 0, 1])
})

describe('is refused, and nothing changes:', () => {
  test.each(GARBAGE)('the conversation %j', async (garbage) => {
    const before = await everything(scene)
    const refused = { code: 'BAD_USER_INPUT', field: 'conversationId' }
    expect(refusalIn(await ask(garbage, { isPinned: true }))).toEqual(refused)
    expect(await everything(scene)).toEqual(before)
  })

  test('one that is not there, and one of others', async () => {
    const before = await everything(scene)
    const refused = { code: 'NOT_FOUND', field: 'conversationId' }
    expect(refusalIn(await ask(missingConversation, { isPinned: true }))).toEqual(refused)
    expect(refusalIn(await ask(id, { isPinned: true }, scene.as('di')))).toEqual(refused)
    expect(await everything(scene)).toEqual(before)
  })

  const years = ['9999-12-31T23:59:59-23:59', '0000-01-01T00:00:00+23:59', '+010000-01-01T00:00:00Z']
  const times = ['soon', '', '2026-13-01T00:00:00Z', '1700000000', '2026-01-01', ...years]
  test.each(times)('muted until %j', async (mutedUntil) => {
    const before = await everything(scene)
    const refused = { code: 'BAD_USER_INPUT', field: 'mutedUntil' }
    expect(
      refusalIn(await ada.execute(SetConversationStateDocument, { input: { conversationId: id, mutedUntil } })),
    ).toEqual(refused)
    expect(await everything(scene)).toEqual(before)
  })

  test.each<Way>(['WebSocket', 'event stream'])('one of others, over %s', async (way) => {
    const before = await everything(scene)
    const input = { conversationId: id, isPinned: true }
    const answer = askOver(way, scene, scene.as('di'), SetConversationStateDocument, { input })
    expect(await refusal(answer)).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
    expect(await everything(scene)).toEqual(before)
  })
})

test.each(['0001-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z'])('muted until %s', async (mutedUntil) => {
  expect(await set({ mutedUntil })).toMatchObject({ mutedUntil })
})
