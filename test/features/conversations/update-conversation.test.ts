import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CloseConversationDocument,
  UpdateConversationDocument,
  type UpdateConversationInput,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, startDirect, uuidOf } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  refusal,
  see,
  startWith,
  userId,
  versionsOf,
  type Way,
} from './support.ts'

let scene: Scene
let ada: TestClient

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy')
  ada = scene.as('ada')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

type Changes = Omit<UpdateConversationInput, 'conversationId'>

const ask = (conversationId: string, changes: Changes, client = ada) =>
  client.execute(UpdateConversationDocument, { input: { conversationId, ...changes } })

async function update(conversationId: string, changes: Changes, client = ada) {
  const { updateConversation } = await client.run(UpdateConversationDocument, { input: { conversationId, ...changes } })
  return updateConversation!.conversation
}

const all = { title: 'T', summary: 'S', keyTopics: ['a', 'b'], tags: ['x'], metadata: { deep: { a: [1, null] } } }

test('sets what is given, for all who take part', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  expect(await update(id, all)).toMatchObject({ id, ...all })
  for (const client of [ada, scene.as('bo'), scene.asService()]) expect(await see(client, id)).toMatchObject(all)
})

test.each(Object.keys(all) as (keyof typeof all)[])('%s alone: the others stay; null clears it', async (field) => {
  const id = await createGroup(ada, 'bo', 'cy')
  await update(id, all)
  const changed = { title: '2', summary: '2', keyTopics: ['2'], tags: ['2'], metadata: { two: 2 } }[field]
  expect(await update(id, { [field]: changed })).toMatchObject({ ...all, [field]: changed })
  const cleared = { title: null, summary: null, keyTopics: [], tags: [], metadata: {} }[field]
  expect(await update(id, { [field]: null })).toMatchObject({ ...all, [field]: cleared })
})

test('empty lists clear, and the order of labels is kept', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  expect(await update(id, { tags: ['b', 'a'], keyTopics: [] })).toMatchObject({ tags: ['b', 'a'], keyTopics: [] })
  expect(await update(id, { tags: [], keyTopics: ['z', 'y'] })).toMatchObject({ tags: [], keyTopics: ['z', 'y'] })
})

test('takes what is as long as may be', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  const labels = Array.from({ length: 50 }, (_, index) => `${index}${'💥'.repeat(98)}`)
  const longest = { title: '💥'.repeat(255), summary: '💥'.repeat(10_000), tags: labels, keyTopics: labels }
  expect(await update(id, longest)).toMatchObject(longest)
})

describe('the version', () => {
  test('is raised by one, whatever is changed at once, and stamped on the conversation', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    const before = await versionsOf(scene, id)
    const { updatedAt } = (await see(ada, id))!
    await update(id, all)
    const after = await versionsOf(scene, id)
    expect(after).toEqual({ version: before.version + 1, stamps: { ...before.stamps, details: before.version + 1 } })
    expect(Date.parse((await see(ada, id))!.updatedAt)).toBeGreaterThan(Date.parse(updatedAt))
  })

  test.each<[string, Changes]>([
    ['nothing given', {}],
    ['the same again', all],
    ['metadata with its keys in another order', { metadata: { b: { d: 1, c: 2 }, a: 1 } }],
  ])('stays where nothing changes: %s', async (_name, changes) => {
    const id = await createGroup(ada, 'bo', 'cy')
    await update(id, changes.metadata && !changes.title ? { metadata: { a: 1, b: { c: 2, d: 1 } } } : all)
    const before = await everything(scene)
    await update(id, changes)
    expect(await everything(scene)).toEqual(before)
  })

  test('is raised once for each of many at the same time', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    const { version } = await versionsOf(scene, id)
    await Promise.all(Array.from({ length: 20 }, (_, number) => update(id, { title: `${number}` })))
    expect((await versionsOf(scene, id)).version).toBe(version + 20)
  })
})

describe("DIRECT's title", () => {
  test("is each viewer's other one until it is given, and again when it is cleared", async () => {
    const id = await startDirect(ada, 'bo')
    const titles = async () => [(await see(ada, id))!.title, (await see(scene.as('bo'), id))!.title]
    expect(await titles()).toEqual(['bo', 'ada'])
    expect(await update(id, { title: 'Us' }, scene.as('bo'))).toMatchObject({ title: 'Us' })
    expect(await titles()).toEqual(['Us', 'Us'])
    expect((await see(scene.asService(), id))!.title).toBe('Us')
    await update(id, { title: null })
    expect(await titles()).toEqual(['bo', 'ada'])
    expect((await see(scene.asService(), id))!.title).toBeNull()
  })
})

test('a closed conversation may still be labelled', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  await ada.run(CloseConversationDocument, { input: { conversationId: id } })
  expect(await update(id, { tags: ['done'] })).toMatchObject({ tags: ['done'] })
})

describe('is refused, and nothing changes:', () => {
  const texts = (max: number) => ['', ' \n', 'x'.repeat(max + 1), '\0', 'a\ud800']
  const labels = [
    [''],
    [' '],
    ['x'.repeat(101)],
    ['\0'],
    ['\udfff'],
    ['a', 'b', 'a'],
    Array.from({ length: 51 }, String),
  ]
  const bad: [keyof Changes, Changes][] = [
    ...texts(255).map((title): [keyof Changes, Changes] => ['title', { title }]),
    ...texts(10_000).map((summary): [keyof Changes, Changes] => ['summary', { summary }]),
    ...labels.map((tags): [keyof Changes, Changes] => ['tags', { tags }]),
    ...labels.map((keyTopics): [keyof Changes, Changes] => ['keyTopics', { keyTopics }]),
    ...[{ a: 'x'.repeat(16_384) }, { a: '\0' }, { '\ud800': 1 }].map((metadata): [keyof Changes, Changes] => [
      'metadata',
      { metadata },
    ]),
  ]
  test.each(bad)('%s', async (field, changes) => {
    const id = await createGroup(ada, 'bo', 'cy')
    const before = await everything(scene)
    expect(refusalIn(await ask(id, { ...all, ...changes }))).toEqual({ code: 'BAD_USER_INPUT', field })
    expect(await everything(scene)).toEqual(before)
  })

  test.each(GARBAGE)('the conversation %j', async (id) => {
    const before = await everything(scene)
    expect(refusalIn(await ask(id, all))).toEqual({ code: 'BAD_USER_INPUT', field: 'conversationId' })
    expect(await everything(scene)).toEqual(before)
  })

  test("another type's id, and one of nothing", async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    const field = 'conversationId'
    expect(refusalIn(await ask(await userId(scene, 'bo'), all))).toEqual({ code: 'BAD_USER_INPUT', field })
    expect(refusalIn(await ask(encodeId('Message', uuidOf(id), 1), all))).toEqual({ code: 'BAD_USER_INPUT', field })
    expect(refusalIn(await ask(missingConversation, all))).toEqual({ code: 'NOT_FOUND', field })
  })

  test.each<Way>(['WebSocket', 'event stream'])('a blank title, over %s', async (way) => {
    const input = { conversationId: await createGroup(ada, 'bo', 'cy'), title: ' ' }
    const before = await everything(scene)
    const answer = askOver(way, scene, ada, UpdateConversationDocument, { input })
    expect(await refusal(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'title' })
    expect(await everything(scene)).toEqual(before)
  })
})
