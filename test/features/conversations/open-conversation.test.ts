import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  DeactivateUserDocument,
  DeleteConversationDocument,
  LeaveConversationDocument,
  OpenConversationDocument,
  type OpenConversationInput,
} from '../../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../../support/app.ts'
import { refusalIn, type Scene, send, uuidOf } from '../support.ts'
import {
  askOver,
  everything,
  expectSound,
  insertUsers,
  refusal,
  rolesIn,
  see,
  startWith,
  userIds,
  versionsOf,
} from './support.ts'

let scene: Scene
/** A second node of the same. */
let second: TestApp
const many = Array.from({ length: 1_000 }, (_, index) => `u${index + 1}`)

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'gone')
  await insertUsers(scene, many)
  second = await startApp({ env: { RATE_LIMIT: '0' }, databaseUrl: scene.databaseUrl })
  await scene.asService().run(DeactivateUserDocument, { input: { externalId: 'gone' } })
})
afterAll(async () => {
  await expectSound(scene)
  await second.close()
  await scene.close()
})

const ask = (input: OpenConversationInput, client: TestClient = scene.as('ada')) =>
  client.execute(OpenConversationDocument, { input })

async function opened(input: OpenConversationInput, client: TestClient = scene.as('ada')) {
  const { openConversation } = await client.run(OpenConversationDocument, { input })
  return { created: openConversation!.created, id: openConversation!.conversation.id }
}

/** A JOB of its own for each test. */
const job = (...participantExternalIds: string[]): OpenConversationInput => ({
  kind: 'JOB',
  subjectId: `job ${randomUUID()}`,
  participantExternalIds,
})

const kinds = ['JOB', 'SUPPORT', 'GENERAL'] as const

describe.each(kinds)('%s', (kind) => {
  const subject = () => ({ kind, subjectId: randomUUID() })

  test('has whoever opened it as the owner, and what was given', async () => {
    const given = { ...subject(), title: 'A room', metadata: { a: [1] } }
    const { id, created } = await opened({ ...given, participantExternalIds: ['bo', 'cy'] })
    expect(created).toBe(true)
    expect(await rolesIn(scene.as('bo'), id)).toEqual({ ada: 'OWNER', bo: 'MEMBER', cy: 'MEMBER' })
    expect(await see(scene.as('cy'), id)).toMatchObject({ ...given, participantCount: 3, closedAt: null, version: 4 })
    expect(Object.values((await versionsOf(scene, id)).stamps).sort()).toEqual([1, 2, 3, 4])
  })

  test('may be opened alone', async () => {
    const { id } = await opened(subject())
    expect(await rolesIn(scene.as('ada'), id)).toEqual({ ada: 'OWNER' })
  })

  test("of a service's has members only", async () => {
    const { id } = await opened({ ...subject(), participantExternalIds: ['ada', 'bo'] }, scene.asService())
    expect(await rolesIn(scene.asService(), id)).toEqual({ ada: 'MEMBER', bo: 'MEMBER' })
  })

  test('has up to 1,000 participants', async () => {
    const { id } = await opened({ ...subject(), participantExternalIds: many }, scene.as('u1'))
    expect(await see(scene.as('u999'), id)).toMatchObject({ participantCount: 1_000 })
  })
})

test.each(['SUPPORT', 'GENERAL'] as const)('%s: another one each time, and needs no subject', async (kind) => {
  const input: OpenConversationInput = { kind, participantExternalIds: ['bo'] }
  const [first, other] = [await opened(input), await opened(input)]
  expect([first.created, other.created]).toEqual([true, true])
  expect(other.id).not.toBe(first.id)
})

describe('one JOB for each subject and set of participants', () => {
  test('16 simultaneous calls over two nodes, by all of them and a service, open one', async () => {
    const input = job('ada', 'bo', 'cy')
    const clients = [scene, second].flatMap((node) => [
      ...['ada', 'bo', 'cy'].map((name) => node.as(name)),
      node.asService(),
    ])
    const answers = await Promise.all([...clients, ...clients].map((client) => opened(input, client)))
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await scene.sql('SELECT id FROM conversations WHERE subject_id = $1', [input.subjectId])).toHaveLength(1)
  })

  test('in whatever order they are named, by whichever ids, and whatever the title', async () => {
    const input = job('bo', 'cy')
    const { id } = await opened(input)
    const ids = await userIds(scene, 'cy', 'bo', 'ada')
    expect(await opened({ ...input, title: 'Other', participantExternalIds: ['cy', 'bo'] })).toEqual({
      id,
      created: false,
    })
    expect(await opened({ kind: 'JOB', subjectId: input.subjectId!, participantIds: ids })).toEqual({
      id,
      created: false,
    })
    expect(await see(scene.as('ada'), id)).toMatchObject({ title: null })
  })

  test('another set of participants, or another subject, has one of its own', async () => {
    const input = job('bo')
    const ids = [
      (await opened(input)).id,
      (await opened({ ...input, participantExternalIds: ['cy'] })).id,
      (await opened({ ...input, participantExternalIds: ['bo', 'cy'] })).id,
      (await opened({ ...input, subjectId: `${input.subjectId}!` })).id,
    ]
    expect(new Set(ids).size).toBe(4)
  })

  test('the set is that of the opening, whoever came later', async () => {
    const input = job('bo')
    const { id } = await opened(input)
    await scene.as('ada').run(AddParticipantsDocument, { input: { conversationId: id, externalIds: ['cy'] } })
    expect(await opened(input)).toEqual({ id, created: false })
    expect((await opened({ ...input, participantExternalIds: ['bo', 'cy'] })).id).not.toBe(id)
  })

  test('a closed one is still the one', async () => {
    const input = job('bo')
    const { id } = await opened(input)
    await scene.as('ada').run(CloseConversationDocument, { input: { conversationId: id } })
    expect(await opened(input)).toEqual({ id, created: false })
  })

  test('a deleted one makes room for another', async () => {
    const input = job('bo')
    const { id } = await opened(input)
    await scene.as('ada').run(DeleteConversationDocument, { input: { conversationId: id } })
    const next = await opened(input)
    expect(next.created).toBe(true)
    expect(next.id).not.toBe(id)
    expect(await opened(input, scene.as('ada'))).toEqual({ id: next.id, created: false })
  })

  test('whoever has left it gets a CONFLICT, and the others the one that is there', async () => {
    const input = job('ada', 'bo', 'cy')
    const { id } = await opened(input)
    await scene.as('bo').run(LeaveConversationDocument, { input: { conversationId: id } })
    const before = await everything(scene)
    expect(refusalIn(await ask(input, scene.as('bo')))).toEqual({ code: 'CONFLICT', field: 'subjectId' })
    expect(await opened(input, scene.as('cy'))).toEqual({ id, created: false })
    expect(await opened(input, scene.asService())).toEqual({ id, created: false })
    expect(await everything(scene)).toEqual(before)
  })
})

describe('is refused, and nothing is written:', () => {
  const refused: [string, OpenConversationInput, code: string, field: string][] = [
    ['a JOB without a subject', { kind: 'JOB', participantExternalIds: ['bo'] }, 'BAD_USER_INPUT', 'subjectId'],
    ['a blank subject', { kind: 'SUPPORT', subjectId: ' ' }, 'BAD_USER_INPUT', 'subjectId'],
    ['a subject that is too long', { kind: 'JOB', subjectId: 'x'.repeat(256) }, 'BAD_USER_INPUT', 'subjectId'],
    ['a subject with a NUL', { kind: 'JOB', subjectId: '\0' }, 'BAD_USER_INPUT', 'subjectId'],
    ['a blank title', { kind: 'GENERAL', title: '' }, 'BAD_USER_INPUT', 'title'],
    ['a title that is too long', { kind: 'GENERAL', title: 'x'.repeat(256) }, 'BAD_USER_INPUT', 'title'],
    [
      'metadata that is too big',
      { kind: 'GENERAL', metadata: { a: 'x'.repeat(16_384) } },
      'BAD_USER_INPUT',
      'metadata',
    ],
    ['a blank key', { kind: 'GENERAL', idempotencyKey: '' }, 'BAD_USER_INPUT', 'idempotencyKey'],
    ['no ids', { kind: 'GENERAL', participantIds: [] }, 'BAD_USER_INPUT', 'participantIds'],
    ['no externalIds', { kind: 'GENERAL', participantExternalIds: [] }, 'BAD_USER_INPUT', 'participantExternalIds'],
    [
      'both lists',
      { kind: 'GENERAL', participantIds: ['x'], participantExternalIds: ['bo'] },
      'BAD_USER_INPUT',
      'participantIds',
    ],
    ['a garbled id', { kind: 'GENERAL', participantIds: ['x'] }, 'BAD_USER_INPUT', 'participantIds'],
    ['twice the same', job('bo', 'bo'), 'BAD_USER_INPUT', 'participantExternalIds'],
    ['1,001', job(...many), 'BAD_USER_INPUT', 'participantExternalIds'],
    ['an unknown among known', job('bo', 'x', 'cy'), 'NOT_FOUND', 'participantExternalIds'],
    [
      'an unknown id',
      { kind: 'GENERAL', participantIds: [encodeId('User', randomUUID())] },
      'NOT_FOUND',
      'participantIds',
    ],
    ['a deactivated one', job('bo', 'gone'), 'FORBIDDEN', 'participantExternalIds'],
  ]

  test.each(refused)('%s', async (_name, input, code, field) => {
    const before = await everything(scene)
    expect(refusalIn(await ask(input))).toEqual({ code, field })
    expect(await everything(scene)).toEqual(before)
  })

  test('a service names nobody', async () => {
    const before = await everything(scene)
    const answer = await ask({ kind: 'GENERAL' }, scene.asService())
    expect(refusalIn(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'participantIds' })
    expect(await everything(scene)).toEqual(before)
  })

  test.each(['WebSocket', 'event stream'] as const)('no subject, over %s', async (way) => {
    const before = await everything(scene)
    const answer = askOver(way, scene, scene.as('ada'), OpenConversationDocument, { input: { kind: 'JOB' } })
    expect(await refusal(answer)).toEqual({ code: 'BAD_USER_INPUT', field: 'subjectId' })
    expect(await everything(scene)).toEqual(before)
  })
})

describe('with an idempotencyKey', () => {
  test.each(kinds)('%s: 20 calls at once, over two nodes, open one; all get the same answer', async (kind) => {
    const input = { kind, subjectId: randomUUID(), participantExternalIds: ['bo'], idempotencyKey: `at once ${kind}` }
    const calls = Array.from({ length: 20 }, (_, index) => opened(input, (index % 2 ? scene : second).as('ada')))
    const answers = await Promise.all(calls)
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
    expect(answers.every(({ created }) => created)).toBe(true)
    const found = await scene.sql('SELECT id FROM conversations WHERE subject_id = $1', [input.subjectId])
    expect(found).toEqual([{ id: uuidOf(answers[0]!.id) }])
  })

  test('another order is the same request; anything else is a CONFLICT, and writes nothing', async () => {
    const input: OpenConversationInput = {
      ...{ kind: 'GENERAL', title: 'A', subjectId: 's', idempotencyKey: 'other', participantExternalIds: ['bo', 'cy'] },
    }
    const { id } = await opened(input)
    expect(await opened({ ...input, participantExternalIds: ['cy', 'bo'] })).toEqual({ id, created: true })
    const others: Partial<OpenConversationInput>[] = [
      ...[{ kind: 'SUPPORT' as const }, { title: 'B' }, { title: null }, { subjectId: 't' }],
      ...[{ metadata: { a: 1 } }, { participantExternalIds: ['bo'] }],
    ]
    for (const other of others) {
      const before = await everything(scene)
      expect(refusalIn(await ask({ ...input, ...other }))).toEqual({ code: 'CONFLICT', field: 'idempotencyKey' })
      expect(await everything(scene)).toEqual(before)
    }
  })

  test('the key of another actor, or of createGroupConversation, is another key', async () => {
    const input: OpenConversationInput = {
      kind: 'GENERAL',
      participantExternalIds: ['ada', 'bo'],
      idempotencyKey: 'mine',
    }
    const ids = [
      (await opened(input)).id,
      (await opened(input, scene.as('bo'))).id,
      (await opened(input, scene.asService())).id,
    ]
    expect(new Set(ids).size).toBe(3)
  })

  test('a second JOB with a key of its own is the first one', async () => {
    const input = job('bo')
    const { id } = await opened({ ...input, idempotencyKey: 'first' })
    expect(await opened({ ...input, idempotencyKey: 'second' })).toEqual({ id, created: false })
    expect(await opened({ ...input, idempotencyKey: 'second' })).toEqual({ id, created: false })
  })
})

test('all may write in it, from the first message on', async () => {
  const { id } = await opened(job('bo'))
  expect((await send(scene.as('bo'), id, 'hello')).seq).toBe(1)
})
