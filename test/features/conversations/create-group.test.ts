import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CreateGroupConversationDocument,
  type CreateGroupConversationInput,
  DeactivateUserDocument,
  LeaveConversationDocument,
} from '../../generated/graphql.ts'
import { GARBAGE, refusalIn, type Scene, send } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  insertUsers,
  refusal,
  rolesIn,
  see,
  startWith,
  userId,
  versionsOf,
} from './support.ts'

let scene: Scene
/** `u1` to `u1000`. */
const many = Array.from({ length: 1_000 }, (_, index) => `u${index + 1}`)
let boId: string
let cyId: string

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'gone')
  await insertUsers(scene, many)
  await scene.asService().run(DeactivateUserDocument, { input: { externalId: 'gone' } })
  boId = await userId(scene, 'bo')
  cyId = await userId(scene, 'cy')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

const create = (input: CreateGroupConversationInput, client = scene.as('ada')) =>
  client.execute(CreateGroupConversationDocument, { input })

async function created(input: CreateGroupConversationInput, client = scene.as('ada')): Promise<string> {
  const { createGroupConversation } = await client.run(CreateGroupConversationDocument, { input })
  return createGroupConversation!.conversation.id
}

describe('a new group', () => {
  test('has its creator as the owner, all others as members, and what was given', async () => {
    const metadata = { colour: 'red', nested: [1, { a: null }] }
    const id = await created({ title: ' The crew 💥', participantIds: [boId, cyId], metadata })
    for (const client of [scene.as('ada'), scene.as('bo'), scene.asService()]) {
      expect(await rolesIn(client, id)).toEqual({ ada: 'OWNER', bo: 'MEMBER', cy: 'MEMBER' })
      expect(await see(client, id)).toMatchObject({
        ...{ kind: 'GROUP', title: ' The crew 💥', metadata, participantCount: 3, messageCount: 0, lastSeq: 0 },
        ...{ closedAt: null, summary: null, subjectId: null, keyTopics: [], tags: [], lastMessage: null },
      })
    }
    expect((await see(scene.as('bo'), id))!.viewerState).toMatchObject({
      ...{ role: 'MEMBER', unreadCount: 0, isArchived: false, isPinned: false, isFavorited: false, mutedUntil: null },
    })
    expect(await see(scene.as('di'), id)).toBeNull()
  })

  test('has a version for its own row and one for each participant', async () => {
    const { version, stamps } = await versionsOf(scene, await createGroup(scene.as('ada'), 'bo', 'cy', 'di'))
    expect(version).toBe(5)
    expect(Object.values(stamps).sort()).toEqual([1, 2, 3, 4, 5])
  })

  test('is the same whether the viewer is named too', async () => {
    const id = await createGroup(scene.as('ada'), 'bo', 'ada', 'cy')
    expect(await rolesIn(scene.as('ada'), id)).toEqual({ ada: 'OWNER', bo: 'MEMBER', cy: 'MEMBER' })
  })

  test('is another one each time', async () => {
    expect(await createGroup(scene.as('ada'), 'bo', 'cy')).not.toBe(await createGroup(scene.as('ada'), 'bo', 'cy'))
  })

  test("of a service's has members only", async () => {
    const id = await createGroup(scene.asService(), 'ada', 'bo', 'cy')
    expect(await rolesIn(scene.as('ada'), id)).toEqual({ ada: 'MEMBER', bo: 'MEMBER', cy: 'MEMBER' })
  })

  test('of a service that acts for a user has that one as its owner', async () => {
    const id = await createGroup(scene.asService('di'), 'bo', 'cy')
    expect(await rolesIn(scene.as('bo'), id)).toEqual({ di: 'OWNER', bo: 'MEMBER', cy: 'MEMBER' })
  })

  test('has up to 1,000 participants, the viewer included', async () => {
    const id = await createGroup(scene.as('u1'), ...many)
    expect(await see(scene.as('u1000'), id)).toMatchObject({ participantCount: 1_000, version: 1_001 })
    await send(scene.as('u500'), id, 'hello')
    expect((await see(scene.as('u1000'), id))!.viewerState!.unreadCount).toBe(1)
  })
})

describe('is refused, and nothing is written:', () => {
  const unknown = () => encodeId('User', randomUUID())
  const refused: [string, () => Partial<CreateGroupConversationInput>, code: string, field: string][] = [
    ['two', () => ({ participantExternalIds: ['bo'] }), 'BAD_USER_INPUT', 'participantExternalIds'],
    ['two, one of them named twice', () => ({ participantIds: [boId, boId] }), 'BAD_USER_INPUT', 'participantIds'],
    [
      'the viewer and one',
      () => ({ participantExternalIds: ['ada', 'bo'] }),
      'BAD_USER_INPUT',
      'participantExternalIds',
    ],
    ['nobody named', () => ({}), 'BAD_USER_INPUT', 'participantIds'],
    ['no ids', () => ({ participantIds: [] }), 'BAD_USER_INPUT', 'participantIds'],
    ['no externalIds', () => ({ participantExternalIds: [] }), 'BAD_USER_INPUT', 'participantExternalIds'],
    [
      'twice the same',
      () => ({ participantExternalIds: ['bo', 'cy', 'bo'] }),
      'BAD_USER_INPUT',
      'participantExternalIds',
    ],
    [
      'both lists',
      () => ({ participantIds: [boId], participantExternalIds: ['cy'] }),
      'BAD_USER_INPUT',
      'participantIds',
    ],
    ['1,001', () => ({ participantExternalIds: many }), 'BAD_USER_INPUT', 'participantExternalIds'],
    [
      'over 1,000 named',
      () => ({ participantExternalIds: [...many, 'bo'] }),
      'BAD_USER_INPUT',
      'participantExternalIds',
    ],
    ['an unknown among known', () => ({ participantIds: [boId, cyId, unknown()] }), 'NOT_FOUND', 'participantIds'],
    [
      'an unknown externalId',
      () => ({ participantExternalIds: ['bo', 'cy', 'x'] }),
      'NOT_FOUND',
      'participantExternalIds',
    ],
    [
      'a blank externalId',
      () => ({ participantExternalIds: ['bo', 'cy', ' '] }),
      'BAD_USER_INPUT',
      'participantExternalIds',
    ],
    ['a NUL', () => ({ participantExternalIds: ['bo', 'cy', '\0'] }), 'BAD_USER_INPUT', 'participantExternalIds'],
    [
      'a deactivated one',
      () => ({ participantExternalIds: ['bo', 'cy', 'gone'] }),
      'FORBIDDEN',
      'participantExternalIds',
    ],
    [
      "another type's id",
      () => ({ participantIds: [boId, encodeId('Conversation', randomUUID())] }),
      'BAD_USER_INPUT',
      'participantIds',
    ],
    ...GARBAGE.map((id): (typeof refused)[number] => [
      `the id ${JSON.stringify(id.slice(0, 20))}`,
      () => ({ participantIds: [boId, cyId, id] }),
      ...(['BAD_USER_INPUT', 'participantIds'] as const),
    ]),
    ...['', ' \n\t', 'x'.repeat(256), '💥'.repeat(256), '\0', '\ud800'].map((title): (typeof refused)[number] => [
      `the title ${JSON.stringify(title.slice(0, 10))}`,
      () => ({ title, participantIds: [boId, cyId] }),
      ...(['BAD_USER_INPUT', 'title'] as const),
    ]),
    [
      'metadata of over 16 KiB',
      () => ({ participantIds: [boId, cyId], metadata: { a: 'x'.repeat(16_384) } }),
      'BAD_USER_INPUT',
      'metadata',
    ],
    [
      'metadata with a NUL',
      () => ({ participantIds: [boId, cyId], metadata: { a: ['\0'] } }),
      'BAD_USER_INPUT',
      'metadata',
    ],
    ...['', ' ', 'k'.repeat(256), '\0'].map((idempotencyKey): (typeof refused)[number] => [
      `the key ${JSON.stringify(idempotencyKey.slice(0, 10))}`,
      () => ({ participantIds: [boId, cyId], idempotencyKey }),
      ...(['BAD_USER_INPUT', 'idempotencyKey'] as const),
    ]),
  ]

  test.each(refused)('%s', async (_name, input, code, field) => {
    const before = await everything(scene)
    expect(refusalIn(await create({ title: 'Group', ...input() }))).toEqual({ code, field })
    expect(await everything(scene)).toEqual(before)
  })

  test.each(['WebSocket', 'event stream'] as const)('an unknown user, over %s', async (way) => {
    const before = await everything(scene)
    const variables = { input: { title: 'Group', participantExternalIds: ['bo', 'cy', 'x'] } }
    const answer = askOver(way, scene, scene.as('ada'), CreateGroupConversationDocument, variables)
    expect(await refusal(answer)).toEqual({ code: 'NOT_FOUND', field: 'participantExternalIds' })
    expect(await everything(scene)).toEqual(before)
  })
})

describe('with an idempotencyKey', () => {
  test('20 calls at once make one group, and a later one gives it back', async () => {
    const input = { title: 'Group', participantIds: [boId, cyId], idempotencyKey: 'at once' }
    const before = await scene.sql('SELECT id FROM conversations')
    const ids = await Promise.all(Array.from({ length: 20 }, () => created(input)))
    expect(new Set(ids).size).toBe(1)
    expect(await created(input)).toBe(ids[0])
    expect((await scene.sql('SELECT id FROM conversations')).length).toBe(before.length + 1)
  })

  test('the same participants in another order, or named by the other ids, are the same request', async () => {
    const input = { title: 'Group', idempotencyKey: 'order' }
    const id = await created({ ...input, participantIds: [boId, cyId] })
    expect(await created({ ...input, participantIds: [cyId, boId] })).toBe(id)
    expect(await created({ ...input, participantExternalIds: ['cy', 'ada', 'bo'] })).toBe(id)
  })

  test('another request under the key is a CONFLICT, and writes nothing', async () => {
    const input = { title: 'Group', participantIds: [boId, cyId], idempotencyKey: 'other' }
    await created(input)
    const others = [
      { title: 'Another' },
      { participantIds: [boId, cyId, await userId(scene, 'di')] },
      { metadata: { a: 1 } },
    ]
    for (const other of others) {
      const before = await everything(scene)
      expect(refusalIn(await create({ ...input, ...other }))).toEqual({ code: 'CONFLICT', field: 'idempotencyKey' })
      expect(await everything(scene)).toEqual(before)
    }
  })

  test('the key of another actor is another key', async () => {
    const input = { title: 'Group', participantExternalIds: ['ada', 'bo', 'cy'], idempotencyKey: 'actors' }
    const ids = [await created(input), await created(input, scene.as('bo')), await created(input, scene.asService())]
    expect(new Set(ids).size).toBe(3)
    // Acting for a user is being that user.
    expect(await created(input, scene.asService('bo'))).toBe(ids[1])
  })

  test('a refused call leaves the key to be used', async () => {
    const input = { title: 'Group', participantExternalIds: ['bo', 'late', 'cy'], idempotencyKey: 'refused' }
    expect(refusalIn(await create(input))).toEqual({ code: 'NOT_FOUND', field: 'participantExternalIds' })
    await insertUsers(scene, ['late'])
    expect(await see(scene.as('late'), await created(input))).not.toBeNull()
  })

  test('a retry after one has left is a CONFLICT', async () => {
    const input = { title: 'Group', participantIds: [boId, cyId], idempotencyKey: 'left' }
    await scene.as('ada').run(LeaveConversationDocument, { input: { conversationId: await created(input) } })
    expect(refusalIn(await create(input))).toEqual({ code: 'CONFLICT', field: 'idempotencyKey' })
  })
})
