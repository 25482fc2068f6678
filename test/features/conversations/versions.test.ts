import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
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
import { type Scene, send, sendMany, uuidOf } from '../support.ts'
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
let messageId: string

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'cy', 'di', 'eve', 'fay')
  second = await startApp({ env: { RATE_LIMIT: '0' }, databaseUrl: scene.databaseUrl })
  ada = scene.as('ada')
  ;[boId, cyId] = await userIds(scene, 'bo', 'cy')
})
beforeEach(async () => {
  id = await createGroup(ada, 'bo', 'cy')
  await setRole(ada, id, boId, 'ADMIN')
  ;({ id: messageId } = await send(ada, id, 'one'))
})
afterAll(async () => {
  await expectSound(scene)
  await second.close()
  await scene.close()
})

/** What is done, and how many rows it changes: each of them with a version of its own. */
const changes: [string, rows: number, () => Request][] = [
  ['a message', 1, () => request(SendMessageDocument, { conversationId: id, body: 'two' })],
  ['an edit', 1, () => request(EditMessageDocument, { messageId, body: 'edited' })],
  ['an edit to the same', 0, () => request(EditMessageDocument, { messageId, body: 'one' })],
  ['a message deleted', 1, () => request(DeleteMessageDocument, { messageId })],
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
  ['an edit that is refused', 0, () => request(EditMessageDocument, { messageId, body: ' ' })],
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

test('a message that is edited and deleted is stamped anew each time, and deleting it again changes nothing', async () => {
  const { version } = await versionsOf(scene, id)
  const requests = [
    request(EditMessageDocument, { messageId, body: 'two' }),
    request(EditMessageDocument, { messageId, body: 'three' }),
    request(DeleteMessageDocument, { messageId }),
    request(DeleteMessageDocument, { messageId }),
  ]
  const stamped: unknown[] = []
  for (const [document, variables] of requests) {
    await ada.run(document, variables)
    stamped.push((await versionsOf(scene, id)).stamps.m1)
  }
  expect(stamped).toEqual([version + 1, version + 2, version + 3, version + 3])
  expect((await versionsOf(scene, id)).version).toBe(version + 3)
})

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
    const firstOf = (conversationId: string) => encodeId('Message', uuidOf(conversationId), 1)
    for (const conversationId of rooms) await sendMany(ada, conversationId, 6)
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
            request(EditMessageDocument, { messageId: firstOf(conversationId), body: `edit ${number}` }),
            node.as('ada'),
          ),
          ask(
            request(DeleteMessageDocument, { messageId: encodeId('Message', uuidOf(conversationId), number + 2) }),
            by,
          ),
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
