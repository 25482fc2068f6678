import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  DeleteConversationDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  SetTypingDocument,
  UpdateConversationDocument,
} from '../../generated/graphql.ts'
import { startApp, type TestApp, type TestClient } from '../../support/app.ts'
import { type Scene, send } from '../support.ts'
import {
  createGroup,
  expectSound,
  open,
  type Request,
  request,
  setRole,
  startWith,
  userIds,
  versionsOf,
} from './support.ts'

let scene: Scene
let second: TestApp
let ada: TestClient
let boId: string
let cyId: string
let id: string

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'eve', 'fay')
  second = await startApp({ env: { RATE_LIMIT: '0' }, databaseUrl: scene.databaseUrl })
  ada = scene.as('ada')
  ;[boId, cyId] = await userIds(scene, 'bo', 'cy')
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  await setRole(ada, id, boId, 'ADMIN')
  await send(ada, id, 'one')
})
afterAll(async () => {
  await expectSound(scene)
  await second.close()
  await scene.close()
})

/** What is done, and how many rows it changes: each of them with a version of its own. */
const changes: [string, rows: number, () => Request][] = [
  ['a message', 1, () => request(SendMessageDocument, { conversationId: id, body: 'two' })],
  ['one new participant', 1, () => request(AddParticipantsDocument, { conversationId: id, externalIds: ['di'] })],
  ['three', 3, () => request(AddParticipantsDocument, { conversationId: id, externalIds: ['di', 'eve', 'fay'] })],
  [
    'two, and one who is in',
    2,
    () => request(AddParticipantsDocument, { conversationId: id, externalIds: ['di', 'bo', 'eve'] }),
  ],
  ['one who is in', 0, () => request(AddParticipantsDocument, { conversationId: id, externalIds: ['bo'] })],
  ['a removal', 1, () => request(RemoveParticipantDocument, { conversationId: id, userId: boId })],
  ['the owner leaving', 2, () => request(LeaveConversationDocument, { conversationId: id })],
  ['a role', 1, () => request(SetParticipantRoleDocument, { conversationId: id, userId: cyId, role: 'ADMIN' })],
  ['the same role', 0, () => request(SetParticipantRoleDocument, { conversationId: id, userId: boId, role: 'ADMIN' })],
  ['a new owner', 2, () => request(SetParticipantRoleDocument, { conversationId: id, userId: cyId, role: 'OWNER' })],
  ['a title and tags', 1, () => request(UpdateConversationDocument, { conversationId: id, title: 'New', tags: ['a'] })],
  ['the same title', 0, () => request(UpdateConversationDocument, { conversationId: id, title: 'Group' })],
  ['closing', 1, () => request(CloseConversationDocument, { conversationId: id })],
  ['deleting', 1, () => request(DeleteConversationDocument, { conversationId: id })],
  ['reading', 0, () => request(MarkReadDocument, { conversationId: id })],
  ['typing', 0, () => request(SetTypingDocument, { conversationId: id, isTyping: true })],
  ['one’s own state', 0, () => request(SetConversationStateDocument, { conversationId: id, isPinned: true })],
  ['what is refused', 0, () => request(ReopenConversationDocument, { conversationId: id })],
]

test.each(changes)(
  '%s raises the version by %i, and stamps as many rows with what it took',
  async (_name, rows, ask) => {
    const before = await versionsOf(scene, id)
    const [document, variables] = ask()
    await ada.execute(document, variables)
    const after = await versionsOf(scene, id)
    expect(after.version).toBe(before.version + rows)
    const changed = Object.entries(after.stamps).filter(([name, version]) => version !== before.stamps[name])
    const taken = Array.from({ length: rows }, (_, index) => before.version + 1 + index)
    expect(changed.map(([, version]) => version).sort((a, b) => a - b)).toEqual(taken)
  },
)

test('who left, and who was removed, leave a stamped row', async () => {
  const { version } = await versionsOf(scene, id)
  await scene.as('bo').run(LeaveConversationDocument, { input: { conversationId: id } })
  await ada.run(RemoveParticipantDocument, { input: { conversationId: id, userId: cyId } })
  expect((await versionsOf(scene, id)).stamps).toMatchObject({ bo: version + 1, cy: version + 2 })
})

describe('with many at the same time, over two nodes,', () => {
  test('what is only added has the versions 1 to n, each once', async () => {
    const room = await open(ada, { kind: 'JOB', subjectId: randomUUID(), participantExternalIds: ['bo', 'cy'] })
    const clients = [scene, second].flatMap((node) => ['ada', 'bo', 'cy'].map((name) => node.as(name)))
    await Promise.all(Array.from({ length: 60 }, (_, number) => send(clients[number % 6]!, room, `m${number}`)))
    const { version, stamps } = await versionsOf(scene, room)
    expect(version).toBe(64)
    const all = Array.from({ length: 64 }, (_, index) => index + 1)
    expect(Object.values(stamps).sort((a, b) => a - b)).toEqual(all)
  })

  test('each change of a row takes one version, no two the same, and the counter is the highest', async () => {
    const rooms = [id, await createGroup(ada, 'bo', 'cy'), await createGroup(ada, 'bo', 'cy')]
    const service = [scene.asService(), second.asService()]
    const ask = ([document, variables]: Request, client: TestClient) => client.execute(document, variables)
    const work: Promise<unknown>[] = []
    for (const conversationId of rooms) {
      for (let number = 0; number < 12; number++) {
        const node = number % 2 ? scene : second
        const by = service[number % 2]!
        const name = ['di', 'eve', 'fay'][number % 3]!
        work.push(
          send(node.as('ada'), conversationId, `m${number}`),
          ask(request(UpdateConversationDocument, { conversationId, title: `Title ${number}` }), by),
          ask(request(AddParticipantsDocument, { conversationId, externalIds: [name] }), by),
          ask(request(LeaveConversationDocument, { conversationId }), node.as(name)),
          ask(
            request(SetParticipantRoleDocument, { conversationId, userId: number % 2 ? boId : cyId, role: 'OWNER' }),
            by,
          ),
          ask(request(MarkReadDocument, { conversationId }), node.as('bo')),
        )
      }
    }
    await Promise.all(work)
    for (const conversationId of rooms) {
      const { version, stamps } = await versionsOf(scene, conversationId)
      const stamped = Object.values(stamps)
      expect(new Set(stamped).size).toBe(stamped.length)
      expect(Math.max(...stamped)).toBe(version)
    }
    await expectSound(scene)
  })
})
