import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  type AddParticipantsInput,
  DeactivateUserDocument,
  HistoryDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  RemoveParticipantDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { GARBAGE, missingConversation, refusalIn, type Scene, send, sendMany, startDirect } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  insertUsers,
  open,
  type Request,
  refusal,
  rolesIn,
  see,
  setRole,
  startWith,
  userIds,
  type Way,
} from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let service: TestClient
let adaId: string
let boId: string
let cyId: string
let diId: string
let id: string
const many = Array.from({ length: 1_000 }, (_, index) => `u${index + 1}`)

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'eve', 'gone')
  await insertUsers(scene, many)
  ada = scene.as('ada')
  bo = scene.as('bo')
  service = scene.asService()
  ;[adaId, boId, cyId, diId] = await userIds(scene, 'ada', 'bo', 'cy', 'di')
  await service.run(DeactivateUserDocument, { input: { externalId: 'gone' } })
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

type Added = Omit<AddParticipantsInput, 'conversationId'>

const add = (input: Added, client = ada, conversationId = id) =>
  client.run(AddParticipantsDocument, { input: { conversationId, ...input } })
const remove = (userId: string, client = ada, conversationId = id) =>
  client.run(RemoveParticipantDocument, { input: { conversationId, userId } })
const leave = (client: TestClient, conversationId = id) =>
  client.run(LeaveConversationDocument, { input: { conversationId } })

async function seqsSeenBy(client: TestClient, conversationId = id): Promise<number[]> {
  const { conversation } = await client.run(HistoryDocument, { id: conversationId })
  return conversation!.messages.edges.map(({ node }) => node.seq)
}

describe('adding', () => {
  test('makes members, by either list', async () => {
    await add({ userIds: [diId] })
    await add({ externalIds: ['eve'] })
    expect(await rolesIn(bo, id)).toEqual({ ada: 'OWNER', bo: 'MEMBER', cy: 'MEMBER', di: 'MEMBER', eve: 'MEMBER' })
    expect(await see(scene.as('di'), id)).toMatchObject({ participantCount: 5 })
  })

  test('GROUP: what was there before stays unseen, unless with history; both begin with nothing unread', async () => {
    await sendMany(ada, id, 2)
    await add({ externalIds: ['di'] })
    await add({ externalIds: ['eve'], withHistory: true })
    for (const [name, seqs] of [
      ['di', []],
      ['eve', [1, 2]],
    ] as const) {
      expect(await seqsSeenBy(scene.as(name))).toEqual(seqs)
      expect((await see(scene.as(name), id))!.viewerState).toMatchObject({ unreadCount: 0, lastReadSeq: 2 })
    }
    await send(ada, id, 'm3')
    expect(await seqsSeenBy(scene.as('di'))).toEqual([3])
    expect(await seqsSeenBy(scene.as('eve'))).toEqual([1, 2, 3])
    expect((await see(scene.as('di'), id))!.viewerState!.unreadCount).toBe(1)
  })

  test.each(['JOB', 'SUPPORT', 'GENERAL'] as const)('%s: all is seen, whatever withHistory says', async (kind) => {
    const room = await open(ada, { kind, subjectId: randomUUID() })
    await sendMany(ada, room, 2)
    await add({ externalIds: ['di'] }, ada, room)
    await add({ externalIds: ['eve'], withHistory: false }, service, room)
    for (const name of ['di', 'eve']) expect(await seqsSeenBy(scene.as(name), room)).toEqual([1, 2])
  })

  test('who is in already is passed over: nothing about them changes', async () => {
    await setRole(ada, id, boId, 'ADMIN')
    await send(ada, id, 'm1')
    const before = await everything(scene)
    await add({ externalIds: ['bo', 'ada', 'cy'], withHistory: true })
    expect(await everything(scene)).toEqual(before)
    await add({ externalIds: ['bo', 'di'] }, bo)
    expect(await rolesIn(ada, id)).toEqual({ ada: 'OWNER', bo: 'ADMIN', cy: 'MEMBER', di: 'MEMBER' })
  })

  test('20 times at once, it is done once', async () => {
    await Promise.all(Array.from({ length: 20 }, () => add({ userIds: [diId] })))
    expect(await see(ada, id)).toMatchObject({ participantCount: 4, version: 5 })
  })

  test('up to 1,000 take part: one more is refused, one who is in is not', async () => {
    const full = await createGroup(scene.as('u1'), ...many.slice(0, 999))
    const u1 = scene.as('u1')
    const before = await everything(scene)
    const input = { conversationId: full, externalIds: ['ada', 'bo'] }
    const refused = { code: 'BAD_USER_INPUT', field: 'externalIds' }
    expect(refusalIn(await u1.execute(AddParticipantsDocument, { input }))).toEqual(refused)
    expect(await everything(scene)).toEqual(before)
    await add({ externalIds: ['ada'] }, u1, full)
    expect(await see(ada, full)).toMatchObject({ participantCount: 1_000 })
    await add({ externalIds: ['ada', 'u7'] }, u1, full)
    const one = { conversationId: full, userIds: [boId] }
    expect(refusalIn(await u1.execute(AddParticipantsDocument, { input: one }))).toEqual({
      ...refused,
      field: 'userIds',
    })
    await leave(scene.as('u2'), full)
    await add({ userIds: [boId] }, u1, full)
  })

  test('of the last place only one of two at once gets it', async () => {
    const full = await createGroup(scene.as('u1'), ...many.slice(0, 999))
    const input = (userId: string) => ({ input: { conversationId: full, userIds: [userId] } })
    const answers = await Promise.all(
      [adaId, boId].map((user) => scene.as('u1').execute(AddParticipantsDocument, input(user))),
    )
    const refused = answers.filter(({ errors }) => errors)
    expect(refused.map(refusalIn)).toEqual([{ code: 'BAD_USER_INPUT', field: 'userIds' }])
  })

  const bad: [string, () => Added, code: string, field: string][] = [
    ['nobody named', () => ({}), 'BAD_USER_INPUT', 'userIds'],
    ['no ids', () => ({ userIds: [] }), 'BAD_USER_INPUT', 'userIds'],
    ['no externalIds', () => ({ externalIds: [] }), 'BAD_USER_INPUT', 'externalIds'],
    ['both lists', () => ({ userIds: [diId], externalIds: ['eve'] }), 'BAD_USER_INPUT', 'userIds'],
    ['twice the same', () => ({ userIds: [diId, diId] }), 'BAD_USER_INPUT', 'userIds'],
    ['over 1,000', () => ({ externalIds: [...many, 'di'] }), 'BAD_USER_INPUT', 'externalIds'],
    ['an unknown among known', () => ({ externalIds: ['di', 'x', 'eve'] }), 'NOT_FOUND', 'externalIds'],
    ['an unknown id', () => ({ userIds: [diId, encodeId('User', randomUUID())] }), 'NOT_FOUND', 'userIds'],
    ['a deactivated one', () => ({ externalIds: ['di', 'gone'] }), 'FORBIDDEN', 'externalIds'],
    ["a conversation's id", () => ({ userIds: [id] }), 'BAD_USER_INPUT', 'userIds'],
    ...GARBAGE.map((garbage): (typeof bad)[number] => [
      `the id ${JSON.stringify(garbage.slice(0, 20))}`,
      () => ({ userIds: [diId, garbage] }),
      ...(['BAD_USER_INPUT', 'userIds'] as const),
    ]),
  ]
  test.each(bad)('%s: refused, and nobody is added', async (_name, input, code, field) => {
    const before = await everything(scene)
    const answer = await ada.execute(AddParticipantsDocument, { input: { conversationId: id, ...input() } })
    expect(refusalIn(answer)).toEqual({ code, field })
    expect(await everything(scene)).toEqual(before)
  })
})

describe('removing', () => {
  test('takes a participant out, who sees nothing any more', async () => {
    await remove(boId)
    expect(await see(bo, id)).toBeNull()
    expect(await rolesIn(ada, id)).toEqual({ ada: 'OWNER', cy: 'MEMBER' })
    expect(await see(ada, id)).toMatchObject({ participantCount: 2 })
  })

  test('an admin may remove another admin, but not the owner: only a service may', async () => {
    await setRole(ada, id, boId, 'ADMIN')
    await setRole(ada, id, cyId, 'ADMIN')
    await remove(cyId, bo)
    const before = await everything(scene)
    const input = { conversationId: id, userId: adaId }
    expect(refusalIn(await bo.execute(RemoveParticipantDocument, { input }))).toEqual({ code: 'FORBIDDEN' })
    expect(refusalIn(await scene.asService('bo').execute(RemoveParticipantDocument, { input }))).toEqual({
      code: 'FORBIDDEN',
    })
    expect(await everything(scene)).toEqual(before)
    await remove(adaId, service)
    expect(await rolesIn(bo, id)).toEqual({ bo: 'OWNER' })
  })

  test('oneself is leaving, which a member may too', async () => {
    await remove(boId, bo)
    expect(await see(bo, id)).toBeNull()
    const [row] = await scene.sql(
      `SELECT change FROM participants p JOIN users u ON u.id = p.user_id
        WHERE u.external_id = 'bo' ORDER BY left_at DESC NULLS LAST LIMIT 1`,
    )
    expect(row).toEqual({ change: 'LEFT' })
    await remove(adaId, ada)
    expect(await rolesIn(scene.as('cy'), id)).toEqual({ cy: 'OWNER' })
  })

  test('who is not in, or no longer: NOT_FOUND', async () => {
    await remove(boId)
    const before = await everything(scene)
    for (const userId of [boId, diId, encodeId('User', randomUUID())]) {
      const answer = await ada.execute(RemoveParticipantDocument, { input: { conversationId: id, userId } })
      expect(refusalIn(answer)).toEqual({ code: 'NOT_FOUND', field: 'userId' })
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('20 times at once, it is done once', async () => {
    const input = { conversationId: id, userId: boId }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ada.execute(RemoveParticipantDocument, { input })),
    )
    const refused = answers.filter(({ errors }) => errors)
    expect(refused.map(refusalIn)).toEqual(Array(19).fill({ code: 'NOT_FOUND', field: 'userId' }))
    expect(await see(ada, id)).toMatchObject({ participantCount: 2, version: 5 })
  })
})

describe("the owner's place passes on, when the owner leaves,", () => {
  test('to the longest-standing admin', async () => {
    for (const name of ['di', 'eve']) await add({ externalIds: [name] })
    const [eveId] = await userIds(scene, 'eve')
    await setRole(ada, id, eveId, 'ADMIN')
    await setRole(ada, id, diId, 'ADMIN')
    await leave(ada)
    expect(await rolesIn(bo, id)).toEqual({ bo: 'MEMBER', cy: 'MEMBER', di: 'OWNER', eve: 'ADMIN' })
  })

  test('else to the longest-standing member, and at last to nobody', async () => {
    const room = await open(ada, { kind: 'GENERAL' })
    await add({ externalIds: ['eve'] }, ada, room)
    await add({ externalIds: ['bo'] }, ada, room)
    await leave(ada, room)
    expect(await rolesIn(bo, room)).toEqual({ bo: 'MEMBER', eve: 'OWNER' })
    await leave(scene.as('eve'), room)
    expect(await rolesIn(bo, room)).toEqual({ bo: 'OWNER' })
    await leave(bo, room)
    expect(await rolesIn(service, room)).toEqual({})
    expect(await see(service, room)).toMatchObject({ participantCount: 0 })
  })

  test('with one version for each of the two', async () => {
    const { version } = (await see(ada, id))!
    await leave(ada)
    expect(await see(bo, id)).toMatchObject({ version: version + 2 })
  })

  test('not when somebody else does', async () => {
    await leave(bo)
    expect(await rolesIn(ada, id)).toEqual({ ada: 'OWNER', cy: 'MEMBER' })
  })

  test('one owner is left, however many leave at once', async () => {
    await add({ externalIds: ['di', 'eve'] })
    await Promise.all(['ada', 'bo', 'cy', 'eve'].map((name) => leave(scene.as(name))))
    expect(await rolesIn(scene.as('di'), id)).toEqual({ di: 'OWNER' })
  })
})

describe('a role', () => {
  test('is given and taken by the owner, and raises the version by one; the same again changes nothing', async () => {
    const { version } = (await see(ada, id))!
    await setRole(ada, id, boId, 'ADMIN')
    expect(await rolesIn(bo, id)).toEqual({ ada: 'OWNER', bo: 'ADMIN', cy: 'MEMBER' })
    const before = await everything(scene)
    await setRole(ada, id, boId, 'ADMIN')
    await setRole(ada, id, adaId, 'OWNER')
    expect(await everything(scene)).toEqual(before)
    await setRole(ada, id, boId, 'MEMBER')
    expect(await see(ada, id)).toMatchObject({ version: version + 2 })
  })

  test('OWNER hands the conversation over: the owner before is an admin, with a version for each', async () => {
    const { version } = (await see(ada, id))!
    const input = { conversationId: id, userId: boId, role: 'OWNER' as const }
    const { setParticipantRole } = await ada.run(SetParticipantRoleDocument, { input })
    expect(setParticipantRole!.participant).toMatchObject({ role: 'OWNER', user: { externalId: 'bo' } })
    expect(await rolesIn(ada, id)).toEqual({ ada: 'ADMIN', bo: 'OWNER', cy: 'MEMBER' })
    expect(await see(ada, id)).toMatchObject({ version: version + 2 })
    await remove(adaId, bo)
  })

  test("OWNER is a service's to give where there is none", async () => {
    const room = await createGroup(service, 'ada', 'bo', 'cy')
    await setRole(service, room, boId, 'OWNER')
    expect(await rolesIn(bo, room)).toEqual({ ada: 'MEMBER', bo: 'OWNER', cy: 'MEMBER' })
    await setRole(service, room, cyId, 'OWNER')
    expect(await rolesIn(bo, room)).toEqual({ ada: 'MEMBER', bo: 'ADMIN', cy: 'OWNER' })
  })

  test('of the owner is not taken, only handed over', async () => {
    const before = await everything(scene)
    for (const client of [ada, service]) {
      for (const role of ['ADMIN', 'MEMBER'] as const) {
        const answer = await client.execute(SetParticipantRoleDocument, {
          input: { conversationId: id, userId: adaId, role },
        })
        expect(refusalIn(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'role' })
      }
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('of who is not in, or no longer: NOT_FOUND', async () => {
    await remove(cyId)
    const before = await everything(scene)
    for (const userId of [diId, cyId, encodeId('User', randomUUID())]) {
      const answer = await ada.execute(SetParticipantRoleDocument, {
        input: { conversationId: id, userId, role: 'ADMIN' },
      })
      expect(refusalIn(answer)).toEqual({ code: 'NOT_FOUND', field: 'userId' })
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('handed over to two at once, by the owner and a service, it is one’s', async () => {
    await Promise.all([setRole(service, id, boId, 'OWNER'), setRole(service, id, cyId, 'OWNER')])
    const roles = Object.values(await rolesIn(service, id)).sort()
    expect(roles).toEqual(['ADMIN', 'ADMIN', 'OWNER'])
  })
})

describe('whoever comes back is a new participant:', () => {
  test('role, visibility, read position and own state begin anew', async () => {
    await setRole(ada, id, boId, 'ADMIN')
    await sendMany(ada, id, 3)
    await bo.run(MarkReadDocument, { input: { conversationId: id } })
    await send(ada, id, 'm4')
    const mutedUntil = '2999-01-01T00:00:00.000Z'
    const state = { isPinned: true, isFavorited: true, isArchived: true, mutedUntil }
    await bo.run(SetConversationStateDocument, { input: { conversationId: id, ...state } })
    const [before] = (await see(ada, id))!.participants.edges.filter(({ node }) => node.user.externalId === 'bo')
    await remove(boId)
    await send(ada, id, 'm5')
    await add({ userIds: [boId] })
    const seen = (await see(bo, id))!
    expect(seen.viewerState).toMatchObject({
      ...{ role: 'MEMBER', lastReadSeq: 5, unreadCount: 0 },
      ...{ isPinned: false, isFavorited: false, isArchived: false, mutedUntil: null },
    })
    const [after] = seen.participants.edges.filter(({ node }) => node.user.externalId === 'bo')
    expect(Date.parse(after!.node.joinedAt)).toBeGreaterThan(Date.parse(before!.node.joinedAt))
    expect(seen.participants.edges.at(-1)!.node.user.externalId).toBe('bo')
    expect(await seqsSeenBy(bo)).toEqual([])
    await send(ada, id, 'm6')
    expect(await seqsSeenBy(bo)).toEqual([6])
  })

  test('who left by itself too, and with history all is seen', async () => {
    await sendMany(bo, id, 2)
    await leave(bo)
    await add({ userIds: [boId], withHistory: true })
    expect(await seqsSeenBy(bo)).toEqual([1, 2])
    expect((await see(bo, id))!.viewerState).toMatchObject({ lastReadSeq: 2, unreadCount: 0 })
  })

  test('nobody is shown as having read in an earlier stay what is not seen in this one', async () => {
    const { id: messageId } = await send(ada, id, 'm1')
    await bo.run(MarkReadDocument, { input: { conversationId: id, messageId } })
    const readers = async () => {
      const { conversation } = await ada.run(HistoryDocument, { id })
      return conversation!.messages.edges.map(({ node }) => node.readBy.edges.map((edge) => edge.node.user.externalId))
    }
    expect(await readers()).toEqual([['bo']])
    await remove(boId)
    expect(await readers()).toEqual([[]])
    await add({ userIds: [boId] })
    expect(await readers()).toEqual([[]])
  })
})

describe('is refused, and nothing changes:', () => {
  const of = (conversationId: string): [string, Request[0], object][] => [
    ['adding', AddParticipantsDocument as Request[0], { conversationId, userIds: [diId] }],
    ['removing', RemoveParticipantDocument as Request[0], { conversationId, userId: boId }],
    ['leaving', LeaveConversationDocument as Request[0], { conversationId }],
    ['giving a role', SetParticipantRoleDocument as Request[0], { conversationId, userId: boId, role: 'ADMIN' }],
  ]

  test.each(GARBAGE)('all of it, of the conversation %j', async (garbage) => {
    const before = await everything(scene)
    for (const [, document, input] of of(garbage)) {
      expect(refusalIn(await ada.execute(document, { input }))).toEqual({
        code: 'BAD_USER_INPUT',
        field: 'conversationId',
      })
    }
    expect(await everything(scene)).toEqual(before)
  })

  test('all of it, of one that is not there', async () => {
    for (const [, document, input] of of(missingConversation)) {
      expect(refusalIn(await ada.execute(document, { input }))).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
    }
  })

  test('all of it, of a direct one', async () => {
    const direct = await startDirect(ada, 'bo')
    for (const client of [ada, service]) {
      for (const [, document, input] of of(direct)) {
        expect(refusalIn(await client.execute(document, { input }))).toEqual({ code: 'FORBIDDEN' })
      }
    }
  })

  test.each(GARBAGE)('removing, and giving a role to, the user %j', async (userId) => {
    const before = await everything(scene)
    const refused = { code: 'BAD_USER_INPUT', field: 'userId' }
    const input = { conversationId: id, userId }
    expect(refusalIn(await ada.execute(RemoveParticipantDocument, { input }))).toEqual(refused)
    const role = 'ADMIN' as const
    expect(refusalIn(await ada.execute(SetParticipantRoleDocument, { input: { ...input, role } }))).toEqual(refused)
    expect(await everything(scene)).toEqual(before)
  })

  test.each<Way>(['WebSocket', 'event stream'])('all of it for strangers, over %s', async (way) => {
    const before = await everything(scene)
    for (const [, document, input] of of(id)) {
      const answer = askOver(way, scene, scene.as('eve'), document, { input })
      expect(await refusal(answer)).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
    }
    expect(await everything(scene)).toEqual(before)
  })
})
