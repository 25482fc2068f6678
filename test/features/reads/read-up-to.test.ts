import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import { MarkReadDocument, ReadUpToDocument, UpsertUsersDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { add, createGroup, leave } from '../groups.ts'
import { type Scene, send, sendMany, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

let scene: Scene
const statements: string[] = []
let ada: TestClient
let bo: TestClient
let cy: TestClient

beforeAll(async () => {
  scene = await startScene({ overrides: { onStatement: (sql) => statements.push(sql) } })
  ;[ada, bo, cy] = await usersOf(scene, 'ada', 'bo', 'cy')
})
afterAll(() => scene.close())

async function markRead(client: TestClient, conversationId: string, seq: number) {
  const messageId = encodeId('Message', uuidOf(conversationId), seq)
  await client.run(MarkReadDocument, { input: { conversationId, messageId } })
}

/** readUpToSeq of conversations, of which each message's status must follow. */
async function readUpTo(client: TestClient, ...ids: string[]): Promise<number[]> {
  const { nodes } = await client.run(ReadUpToDocument, { ids })
  return nodes!.map((node) => {
    if (!node || !('readUpToSeq' in node)) throw new Error('not a conversation')
    for (const { node: message } of node.messages.edges) {
      expect(message.status).toBe(message.seq <= node.readUpToSeq ? 'READ' : 'SENT')
    }
    return node.readUpToSeq
  })
}

test('is how far the last of all has read, the same to every viewer and to a service', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  const expectAll = async (seq: number) => {
    for (const client of [ada, bo, cy, scene.asService(), scene.asService('bo')]) {
      expect(await readUpTo(client, id)).toEqual([seq])
    }
  }
  await expectAll(0)
  await sendMany(ada, id, 4)
  await expectAll(0)
  await markRead(bo, id, 3)
  await expectAll(0)
  await markRead(cy, id, 2)
  await expectAll(2)
  await send(cy, id, 'an answer')
  await expectAll(3)
})

test('leaves out those who have left, and follows those who come', async () => {
  const id = await createGroup(ada, 'bo', 'cy')
  await sendMany(ada, id, 3)
  await markRead(bo, id, 3)
  expect(await readUpTo(ada, id)).toEqual([0])
  await leave(cy, id)
  expect(await readUpTo(ada, id)).toEqual([3])
  await add(ada, id, ['cy'])
  expect(await readUpTo(ada, id)).toEqual([3])
  await send(ada, id, 'm4')
  await markRead(bo, id, 4)
  expect(await readUpTo(ada, id)).toEqual([3])
})

test('waits for no agent', async () => {
  await scene.asService().run(UpsertUsersDocument, { input: { users: [{ externalId: 'robot', type: 'AGENT' }] } })
  const id = await startDirect(ada, 'robot')
  await send(ada, id, 'is anybody there?')
  expect(await readUpTo(ada, id)).toEqual([1])
})

test('is 0 in conversations of more than 100, whose messages stay SENT', async () => {
  const names = Array.from({ length: 100 }, (_, number) => `member ${number}`)
  await scene.asService().run(UpsertUsersDocument, { input: { users: names.map((externalId) => ({ externalId })) } })
  const id = await createGroup(ada, ...names.slice(1))
  await send(ada, id, 'to all')
  await scene.sql('UPDATE participants SET last_read_seq = 1 WHERE conversation_id = $1', [uuidOf(id)])
  expect(await readUpTo(ada, id)).toEqual([1])
  await add(ada, id, [names[0]!])
  expect(await readUpTo(ada, id)).toEqual([0])
})

test('takes one statement, however many conversations and messages are asked for', async () => {
  const ids: string[] = []
  for (let number = 0; number < 5; number++) {
    const id = await createGroup(ada, 'bo', 'cy')
    await sendMany(ada, id, 3)
    await markRead(bo, id, number % 4 || 1)
    ids.push(id)
  }
  statements.length = 0
  await readUpTo(ada, ...ids)
  expect(statements.filter((sql) => sql.includes('min(p.last_read_seq)'))).toHaveLength(1)
})
