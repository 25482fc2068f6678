import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  type ConversationFilter,
  ConversationIdsDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  SetConversationStateDocument,
  UpdateConversationDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, refusalIn, type Scene, send, startDirect } from '../support.ts'
import { askOver, createGroup, expectSound, open, refusal, startWith, userIds, type Way } from './support.ts'

let scene: Scene
let ada: TestClient
let boId: string
let cyId: string
let diId: string
/** ada's conversations by name; the newest is the last. */
const ids: Record<string, string> = {}

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'eve')
  ada = scene.as('ada')
  ;[boId, cyId, diId] = await userIds(scene, 'bo', 'cy', 'di')
  const [bo, cy] = [scene.as('bo'), scene.as('cy')]
  ids.direct = await startDirect(ada, 'bo')
  ids.group = await createGroup(ada, 'bo', 'cy')
  ids.job = await open(ada, { kind: 'JOB', subjectId: 'job 1', participantExternalIds: ['bo'] })
  ids.otherJob = await open(ada, { kind: 'JOB', subjectId: 'job 2', participantExternalIds: ['cy'] })
  ids.support = await open(ada, { kind: 'SUPPORT', subjectId: 'job 1' })
  ids.room = await open(ada, { kind: 'GENERAL', participantExternalIds: ['bo', 'cy', 'di'] })
  await open(bo, { kind: 'GENERAL', participantExternalIds: ['cy'] })
  const set = (name: string, state: object) =>
    ada.run(SetConversationStateDocument, { input: { conversationId: ids[name]!, ...state } })
  const tag = (name: string, ...tags: string[]) =>
    ada.run(UpdateConversationDocument, { input: { conversationId: ids[name]!, tags } })
  await tag('group', 'red', 'blue')
  await tag('job', 'red')
  await tag('support', 'Red')
  await send(bo, ids.job!, 'unread')
  await send(cy, ids.group!, 'unread')
  await send(bo, ids.direct!, 'read')
  await ada.run(MarkReadDocument, { input: { conversationId: ids.direct! } })
  await set('group', { isPinned: true })
  await set('otherJob', { isFavorited: true })
  await set('direct', { isFavorited: true, isArchived: true })
  await set('support', { isArchived: true })
  // Left by di, who is no longer among its participants.
  await scene.as('di').run(LeaveConversationDocument, { input: { conversationId: ids.room! } })
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

/** Names of what is listed, in its order. */
async function list(filter: ConversationFilter | null, client = ada, first = 100): Promise<string[]> {
  const { conversations } = await client.run(ConversationIdsDocument, { filter, first })
  return conversations!.edges.map(({ node }) => nameOf(node.id))
}
const nameOf = (id: string) => Object.keys(ids).find((name) => ids[name] === id) ?? 'other'

const filters: [ConversationFilter | null, string[]][] = [
  // Without any: pinned first, then newest activity.
  [null, ['group', 'job', 'room', 'otherJob']],
  [{}, ['group', 'job', 'room', 'otherJob']],
  [{ archived: 'EXCLUDE' }, ['group', 'job', 'room', 'otherJob']],
  [{ archived: 'ONLY' }, ['direct', 'support']],
  [{ archived: 'INCLUDE' }, ['group', 'direct', 'job', 'room', 'support', 'otherJob']],
  [
    { archived: null, kinds: null, isPinned: null, tag: null, subjectId: null, participantIds: null },
    ['group', 'job', 'room', 'otherJob'],
  ],
  [{ kinds: ['JOB'] }, ['job', 'otherJob']],
  [{ kinds: ['GENERAL', 'GROUP'] }, ['group', 'room']],
  [{ kinds: ['SUPPORT'] }, []],
  [{ kinds: ['SUPPORT'], archived: 'INCLUDE' }, ['support']],
  [{ kinds: ['ROLEPLAY'], archived: 'INCLUDE' }, []],
  [{ isPinned: true }, ['group']],
  [{ isPinned: false }, ['job', 'room', 'otherJob']],
  [{ isFavorited: true }, ['otherJob']],
  [{ isFavorited: true, archived: 'INCLUDE' }, ['direct', 'otherJob']],
  [{ isFavorited: false }, ['group', 'job', 'room']],
  [{ isUnread: true }, ['group', 'job']],
  [{ isUnread: false }, ['room', 'otherJob']],
  [{ isUnread: false, archived: 'ONLY' }, ['direct', 'support']],
  [{ isUnread: true, archived: 'ONLY' }, []],
  [{ tag: 'red' }, ['group', 'job']],
  [{ tag: 'blue' }, ['group']],
  [{ tag: 're' }, []],
  [{ tag: 'Red', archived: 'INCLUDE' }, ['support']],
  [{ tag: "' OR true --" }, []],
  [{ tag: '%' }, []],
  [{ subjectId: 'job 1' }, ['job']],
  [{ subjectId: 'job 1', archived: 'INCLUDE' }, ['job', 'support']],
  [{ subjectId: 'job' }, []],
  [{ kinds: ['JOB', 'GROUP'], isUnread: true, isPinned: false, tag: 'red', subjectId: 'job 1' }, ['job']],
  [{ kinds: ['JOB'], isPinned: true }, []],
  [{ tag: 'red', subjectId: 'job 2' }, []],
]

describe('lists what fits all that is given:', () => {
  test.each(filters)('%j: %j', async (filter, expected) => {
    expect(await list(filter)).toEqual(expected)
  })

  test('those in which all of the named take part now', async () => {
    const adaId = (await userIds(scene, 'ada'))[0]
    const archived = 'INCLUDE'
    expect(await list({ participantIds: [boId], archived })).toEqual(['group', 'direct', 'job', 'room'])
    expect(await list({ participantIds: [adaId, boId], archived })).toEqual(['group', 'direct', 'job', 'room'])
    expect(await list({ participantIds: [boId, cyId] })).toEqual(['group', 'room'])
    expect(await list({ participantIds: [boId, cyId], kinds: ['GENERAL'] })).toEqual(['room'])
    expect(await list({ participantIds: [diId], archived })).toEqual([])
    expect(await list({ participantIds: [adaId], archived })).toHaveLength(6)
    expect(await list({ participantIds: [encodeId('User', randomUUID())], archived })).toEqual([])
  })

  test("another viewer's pins, archive and favourites are not theirs", async () => {
    const bo = scene.as('bo')
    expect(await list({ archived: 'ONLY' }, bo)).toEqual([])
    expect(await list({ isPinned: true }, bo)).toEqual([])
    expect(await list({ isFavorited: true }, bo)).toEqual([])
    expect(await list({ kinds: ['DIRECT'] }, bo)).toEqual(['direct'])
    expect(await list({ tag: 'red' }, scene.as('eve'))).toEqual([])
  })

  test('to a service, of all; what belongs to a viewer is FORBIDDEN', async () => {
    const service = scene.asService()
    expect(await list({ subjectId: 'job 1' }, service)).toEqual(['job', 'support'])
    expect(await list({ participantIds: [boId, cyId] }, service)).toEqual(['group', 'other', 'room'])
    const ofViewer: ConversationFilter[] = [
      ...[{ archived: 'ONLY' as const }, { isPinned: true }, { isFavorited: false }, { isUnread: true }],
    ]
    for (const filter of ofViewer) {
      expect(refusalIn(await service.execute(ConversationIdsDocument, { filter }))).toEqual({ code: 'FORBIDDEN' })
      expect(await list(filter, scene.asService('ada'))).toEqual(await list(filter))
    }
  })
})

describe('page by page', () => {
  /** All names, in pages of `first`; `between` is done after each page. */
  async function walk(
    filter: ConversationFilter,
    first: number,
    between: (page: number) => Promise<unknown> = async () => {},
  ) {
    const names: string[] = []
    let after: string | null | undefined = null
    for (let page = 1; ; page++) {
      const { conversations }: { conversations?: Listed | null } = await ada.run(ConversationIdsDocument, {
        filter,
        first,
        after,
      })
      names.push(...conversations!.edges.map(({ node }) => nameOf(node.id)))
      if (!conversations!.pageInfo.hasNextPage) return names
      after = conversations!.pageInfo.endCursor
      await between(page)
    }
  }
  interface Listed {
    edges: { node: { id: string } }[]
    pageInfo: { hasNextPage: boolean; endCursor?: string | null }
  }
  const pin = (name: string, isPinned: boolean) =>
    ada.run(SetConversationStateDocument, { input: { conversationId: ids[name]!, isPinned } })

  test.each([1, 2, 3, 5, 6])('%i at a time: the same as at once', async (first) => {
    for (const filter of [{ archived: 'INCLUDE' as const }, {}, { kinds: ['JOB' as const] }, { isPinned: false }]) {
      expect(await walk(filter, first)).toEqual(await list(filter))
    }
  })

  test('what is pinned while it is read is not read twice, what is unpinned is not lost', async () => {
    const all = ['group', 'direct', 'job', 'room', 'support', 'otherJob']
    // Ahead of the reader: it is skipped to the front, and nothing else moves.
    const pinned = await walk({ archived: 'INCLUDE' }, 2, (page) =>
      page === 1 ? pin('room', true) : Promise.resolve(),
    )
    expect(pinned).toEqual(all.filter((name) => name !== 'room'))
    await pin('room', false)
    // Behind the reader: it comes once more, among those that are not pinned.
    const unpinned = await walk({ archived: 'INCLUDE' }, 1, (page) =>
      page === 1 ? pin('group', false) : Promise.resolve(),
    )
    expect(unpinned).toEqual(['group', 'direct', 'group', 'job', 'room', 'support', 'otherJob'])
    await pin('group', true)
  })
})

describe('is refused:', () => {
  const bad: [field: string, ConversationFilter][] = [
    ['kinds', { kinds: [] }],
    ['kinds', { kinds: ['JOB', 'GROUP', 'JOB'] }],
    ['participantIds', { participantIds: [] }],
    ['tag', { tag: '\0' }],
    ['tag', { tag: 'a\ud800' }],
    ['tag', { tag: '' }],
    ['tag', { tag: 'x'.repeat(101) }],
    ['subjectId', { subjectId: 'a\0b' }],
    ['subjectId', { subjectId: '\udc00' }],
    ['subjectId', { subjectId: ' ' }],
    ['subjectId', { subjectId: 'x'.repeat(256) }],
    ...GARBAGE.map((id): [string, ConversationFilter] => ['participantIds', { participantIds: [id] }]),
    ['participantIds', { participantIds: [encodeId('Conversation', randomUUID())] }],
    ['participantIds', { participantIds: Array.from({ length: 1_001 }, () => encodeId('User', randomUUID())) }],
  ]
  test.each(bad)('%s of %j', async (field, filter) => {
    for (const client of [ada, scene.asService()]) {
      const answer = await client.execute(ConversationIdsDocument, { filter })
      expect(refusalIn(answer)).toEqual({ code: 'BAD_USER_INPUT', field: `filter.${field}` })
    }
  })

  test('the same participant twice, and one id of many that is garbled', async () => {
    for (const participantIds of [
      [boId, boId],
      [boId, cyId, 'x'],
    ]) {
      const answer = await ada.execute(ConversationIdsDocument, { filter: { participantIds } })
      expect(refusalIn(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'filter.participantIds' })
    }
  })

  test.each<Way>(['WebSocket', 'event stream'])('no kinds, over %s', async (way) => {
    const answer = askOver(way, scene, ada, ConversationIdsDocument, { filter: { kinds: [] } })
    expect(await refusal(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'filter.kinds' })
  })
})
