import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { SendMessageDocument, SetTypingDocument, StartDirectConversationDocument } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { createGroup, insertUsers, userId } from '../conversations/support.ts'
import { refusalIn, type Scene, send, startDirect } from '../support.ts'
import { ask, befriend, block, remove, respond, startUnlimited, unblock } from './support.ts'

// DIRECT_MESSAGES=contacts: only those whose contact was accepted write to each other directly.

let scene: Scene
let count = 0
let names: { ada: string; bo: string; cy: string }
let ada: TestClient
let bo: TestClient

beforeAll(async () => {
  scene = await startUnlimited({ DIRECT_MESSAGES: 'contacts' })
})
afterAll(() => scene.close())
beforeEach(async () => {
  count++
  names = { ada: `ada ${count}`, bo: `bo ${count}`, cy: `cy ${count}` }
  await insertUsers(scene, Object.values(names))
  ;[ada, bo] = [scene.as(names.ada), scene.as(names.bo)]
})

const start = (client: TestClient, externalId: string) =>
  client.execute(StartDirectConversationDocument, { input: { externalId } })
const sendTo = (client: TestClient, conversationId: string) =>
  client.execute(SendMessageDocument, { input: { conversationId, body: 'hello' } })

describe('a new direct conversation', () => {
  const refused = { code: 'FORBIDDEN', field: 'externalId' }

  test('takes an accepted contact, whoever asked', async () => {
    expect(refusalIn(await start(ada, names.bo))).toEqual(refused)
    const { id } = await ask(ada, names.bo)
    for (const [client, other] of [[ada, names.bo] as const, [bo, names.ada] as const]) {
      expect(refusalIn(await start(client, other))).toEqual(refused)
    }
    await respond(bo, id, true)
    const conversationId = await startDirect(ada, names.bo)
    expect(await startDirect(bo, names.ada)).toBe(conversationId)
    await send(ada, conversationId, 'hello')
    await send(bo, conversationId, 'hello')
  })

  test('is refused after a declined request', async () => {
    await respond(bo, (await ask(ada, names.bo)).id, false)
    expect(refusalIn(await start(ada, names.bo))).toEqual(refused)
    expect(refusalIn(await start(bo, names.ada))).toEqual(refused)
  })

  test('is refused by a block in spite of the contact', async () => {
    await befriend(scene, names.ada, names.bo)
    await block(ada, await userId(scene, names.bo))
    for (const [client, other] of [[ada, names.bo] as const, [bo, names.ada] as const]) {
      expect(refusalIn(await start(client, other))).toEqual(refused)
    }
  })
})

describe('a message', () => {
  const refused = { code: 'FORBIDDEN', field: 'conversationId' }

  test('is refused from the end of the contact on, and admitted once there is one again', async () => {
    const contactId = await befriend(scene, names.ada, names.bo)
    const conversationId = await startDirect(ada, names.bo)
    await send(bo, conversationId, 'hello')
    await remove(ada, contactId)
    for (const client of [ada, bo]) {
      expect(refusalIn(await sendTo(client, conversationId))).toEqual(refused)
      const input = { conversationId, isTyping: true }
      expect(refusalIn(await client.execute(SetTypingDocument, { input }))).toEqual(refused)
    }
    expect(await startDirect(ada, names.bo)).toBe(conversationId)
    await befriend(scene, names.bo, names.ada)
    await send(ada, conversationId, 'hello again')
  })

  test('is refused by a block, and admitted after it', async () => {
    await befriend(scene, names.ada, names.bo)
    const conversationId = await startDirect(ada, names.bo)
    const boId = await userId(scene, names.bo)
    await block(ada, boId)
    for (const client of [ada, bo]) expect(refusalIn(await sendTo(client, conversationId))).toEqual(refused)
    await unblock(ada, boId)
    for (const client of [ada, bo]) await send(client, conversationId, 'hello')
  })

  test('of the host goes in without a contact', async () => {
    const contactId = await befriend(scene, names.ada, names.bo)
    const conversationId = await startDirect(ada, names.bo)
    await remove(bo, contactId)
    await send(scene.asService(), conversationId, 'from the host')
    expect(refusalIn(await sendTo(scene.asService(names.ada), conversationId))).toEqual(refused)
  })

  test('in a group takes no contact', async () => {
    const groupId = await createGroup(ada, names.bo, names.cy)
    await send(bo, groupId, 'hello')
  })
})
