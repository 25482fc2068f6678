import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  ConversationDocument,
  StartDirectConversationDocument,
  type StartDirectConversationInput,
  UserDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import { startApp } from '../../support/app.ts'
import {
  expectRefused,
  GARBAGE,
  missingConversation,
  type Scene,
  startDirect,
  startScene,
  usersOf,
  uuidOf,
} from '../support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient

beforeAll(async () => {
  scene = await startScene()
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
})
afterAll(() => scene.close())

async function start(client: TestClient, input: StartDirectConversationInput) {
  const { startDirectConversation } = await client.run(StartDirectConversationDocument, { input })
  return startDirectConversation!
}

async function idOf(externalId: string) {
  const { user } = await ada.run(UserDocument, { externalId })
  return user!.id
}

describe('the first call', () => {
  test('opens it for the two, empty and unread by neither', async () => {
    const { created, conversation } = await start(ada, { externalId: 'bo' })
    expect(created).toBe(true)
    expect(conversation).toEqual({
      id: expect.any(String),
      kind: 'DIRECT',
      title: 'bo',
      lastSeq: 0,
      version: 3,
      cursor: expect.any(String),
      lastMessageAt: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updatedAt: expect.any(String),
      viewerState: { id: expect.any(String), unreadCount: 0, lastReadSeq: 0, role: 'MEMBER' },
    })
    const { conversation: asBoSeesIt } = await bo.run(ConversationDocument, { id: conversation.id })
    expect(asBoSeesIt).toMatchObject({ title: 'ada', viewerState: { unreadCount: 0, role: 'MEMBER' } })
    expect(asBoSeesIt!.participants.edges.map(({ node }) => node.user.externalId).sort()).toEqual(['ada', 'bo'])
  })

  test('gives the conversation and its two participants a version each', async () => {
    const id = await startDirect(ada, 'cy')
    expect(await scene.sql('SELECT version, details_version FROM conversations WHERE id = $1', [uuidOf(id)])).toEqual([
      { version: 3, details_version: 1 },
    ])
    expect(
      await scene.sql('SELECT version FROM participants WHERE conversation_id = $1 ORDER BY 1', [uuidOf(id)]),
    ).toEqual([{ version: 2 }, { version: 3 }])
  })
})

describe('a later call', () => {
  test('returns the one that is there, from either side and by either id', async () => {
    const { conversation } = await start(ada, { externalId: 'bo' })
    const again = [
      await start(ada, { externalId: 'bo' }),
      await start(ada, { userId: await idOf('bo') }),
      await start(bo, { externalId: 'ada' }),
      await start(bo, { userId: await idOf('ada') }),
      await start(scene.asService('ada'), { externalId: 'bo' }),
    ]
    for (const { created, conversation: other } of again) {
      expect(created).toBe(false)
      expect(other.id).toBe(conversation.id)
    }
  })

  test('changes nothing', async () => {
    await start(ada, { externalId: 'bo' })
    const before = await scene.sql('SELECT xmin, * FROM conversations')
    await start(bo, { externalId: 'ada' })
    expect(await scene.sql('SELECT xmin, * FROM conversations')).toEqual(before)
  })
})

test('a service opens one for the user whom it acts for', async () => {
  const { created, conversation } = await start(scene.asService('cy'), { externalId: 'di' })
  expect(created).toBe(true)
  expect(conversation).toMatchObject({ title: 'di', viewerState: { role: 'MEMBER' } })
})

describe('at once', () => {
  let other: TestApp

  beforeAll(async () => {
    other = await startApp({ databaseUrl: scene.databaseUrl })
  })
  afterAll(() => other.close())

  test('16 calls from both sides over two nodes give one row, and one of them says created', async () => {
    for (let pair = 0; pair < 5; pair++) {
      const [left, right] = [`left-${pair}`, `right-${pair}`]
      await usersOf(scene, left, right)
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, call) => {
          const node = call % 2 ? scene : other
          return call % 4 < 2
            ? start(node.as(left), { externalId: right })
            : start(node.as(right), { externalId: left })
        }),
      )
      const ids = new Set(answers.map(({ conversation }) => conversation.id))
      expect(ids.size).toBe(1)
      expect(answers.filter(({ created }) => created)).toHaveLength(1)
      const rows = await scene.sql(
        `SELECT c.id, count(*)::int AS participants FROM conversations c JOIN participants p ON p.conversation_id = c.id
          WHERE p.user_id IN (SELECT id FROM users WHERE external_id IN ($1, $2)) GROUP BY c.id`,
        [left, right],
      )
      expect(rows).toEqual([{ id: uuidOf([...ids][0]!), participants: 2 }])
    }
  })

  test('first requests of a user who opens several do not wait for each other in vain', async () => {
    const names = Array.from({ length: 16 }, (_, index) => `peer-${index}`)
    await usersOf(scene, 'hub', ...names)
    const answers = await Promise.all(
      names.flatMap((name) => [
        start(scene.as('hub'), { externalId: name }),
        start(other.as(name), { externalId: 'hub' }),
      ]),
    )
    expect(answers.filter(({ created }) => created)).toHaveLength(16)
    expect(new Set(answers.map(({ conversation }) => conversation.id)).size).toBe(16)
  })
})

describe('is refused', () => {
  const refused = (input: StartDirectConversationInput, code: string, field: string, client = ada) =>
    expectRefused(scene, () => client.execute(StartDirectConversationDocument, { input }), { code, field })

  test('with oneself', async () => {
    await refused({ externalId: 'ada' }, 'BAD_USER_INPUT', 'externalId')
    await refused({ userId: await idOf('ada') }, 'BAD_USER_INPUT', 'userId')
    await refused({ externalId: 'ada' }, 'BAD_USER_INPUT', 'externalId', scene.asService('ada'))
  })

  test('with an unknown user, whom it does not create', async () => {
    await refused({ externalId: 'nobody' }, 'NOT_FOUND', 'externalId')
    await refused({ userId: encodeId('User', uuidOf(missingConversation)) }, 'NOT_FOUND', 'userId')
  })

  test('with both ids, or neither', async () => {
    await refused({ externalId: 'bo', userId: await idOf('bo') }, 'BAD_USER_INPUT', 'userId')
    await refused({}, 'BAD_USER_INPUT', 'userId')
    await refused({ userId: null }, 'BAD_USER_INPUT', 'userId')
    await refused({ externalId: null }, 'BAD_USER_INPUT', 'userId')
    await refused({ userId: null, externalId: null }, 'BAD_USER_INPUT', 'userId')
  })

  test('an id that is left null counts as left out', async () => {
    expect((await start(ada, { externalId: 'bo', userId: null })).conversation.title).toBe('bo')
    expect((await start(ada, { externalId: null, userId: await idOf('bo') })).conversation.title).toBe('bo')
  })

  test('with a userId that is garbage, or of another type', async () => {
    for (const userId of [...GARBAGE, missingConversation, uuidOf(missingConversation)]) {
      await refused({ userId }, 'BAD_USER_INPUT', 'userId')
    }
  })

  test("with an externalId that can be nobody's", async () => {
    for (const externalId of ['', ' ', 'x'.repeat(256), 'a\0', '\udc00']) {
      await refused({ externalId }, 'BAD_USER_INPUT', 'externalId')
    }
  })

  test('to a service that acts for nobody', async () => {
    await expectRefused(
      scene,
      () => scene.asService().execute(StartDirectConversationDocument, { input: { externalId: 'bo' } }),
      { code: 'FORBIDDEN' },
    )
  })
})
