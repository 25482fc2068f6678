import type { ExecutionResult } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mintToken } from '../../../src/lib/token.ts'
import {
  AddParticipantsDocument,
  CreateGroupConversationDocument,
  DeactivateUserDocument,
  OpenConversationDocument,
  ReactivateUserDocument,
  RemoveParticipantDocument,
  RevokeTokensDocument,
  SendMessageDocument,
  StartDirectConversationDocument,
  UserDocument,
  ViewerDocument,
} from '../../generated/graphql.ts'
import { SECRET, type TestClient } from '../../support/app.ts'
import { createGroup } from '../groups.ts'
import { expectRefused, type Scene, send, startDirect, startScene, usersOf } from '../support.ts'

let scene: Scene
let host: TestClient
let ada: TestClient
let bo: TestClient
/** The id of bo, as users see it. */
let boId: string

beforeAll(async () => {
  scene = await startScene()
  host = scene.asService()
  ;[ada, bo] = await usersOf(scene, 'ada', 'bo', 'cy', 'di')
  boId = (await bo.run(ViewerDocument)).viewer!.id
})
afterAll(() => scene.close())

const deactivate = (externalId = 'bo') => host.run(DeactivateUserDocument, { input: { externalId } })
const reactivate = (externalId = 'bo') => host.run(ReactivateUserDocument, { input: { externalId } })

/** The status and the code with which a token is answered; 200 and none where it is let in. */
async function answerTo(token: string | Promise<string>, headers: Record<string, string> = {}) {
  const response = await fetch(`${scene.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await token}`, ...headers },
    body: JSON.stringify({ query: '{ viewer { externalId } }' }),
  })
  const { errors } = (await response.json()) as { errors?: { extensions: { code: string } }[] }
  return [response.status, errors?.[0]?.extensions.code]
}
const LET_IN = [200, undefined]
const REFUSED = [401, 'UNAUTHENTICATED']

describe('a deactivated user', () => {
  beforeEach(() => reactivate())

  test('is refused at once, and let in again once reactivated', async () => {
    expect(await answerTo(bo.token)).toEqual(LET_IN)
    const { deactivateUser } = await deactivate()
    expect(deactivateUser!.user).toMatchObject({ id: boId, externalId: 'bo' })
    expect(await answerTo(bo.token)).toEqual(REFUSED)
    expect(await answerTo(host.token, { 'x-parley-act-as': 'bo' })).toEqual(REFUSED)
    expect(await answerTo(ada.token)).toEqual(LET_IN)
    const { reactivateUser } = await reactivate()
    expect(reactivateUser!.user.id).toBe(boId)
    expect(await answerTo(bo.token)).toEqual(LET_IN)
    expect(await answerTo(host.token, { 'x-parley-act-as': 'bo' })).toEqual(LET_IN)
  })

  test('stays so when deactivated again, from the first time on', async () => {
    await deactivate()
    const since = () => scene.sql(`SELECT deactivated_at FROM users WHERE external_id = 'bo'`)
    const first = await since()
    await deactivate()
    expect(await since()).toEqual(first)
    expect(await answerTo(bo.token)).toEqual(REFUSED)
  })

  test('is still seen by others, with what it wrote', async () => {
    const id = await startDirect(bo, 'ada')
    await send(bo, id, 'goodbye')
    await deactivate()
    expect((await ada.run(UserDocument, { externalId: 'bo' })).user).toMatchObject({ id: boId })
  })

  test('can be written to by nobody, who are all told the same', async () => {
    const conversationId = await startDirect(ada, 'bo')
    const group = await createGroup(ada, 'cy', 'di')
    await deactivate()
    const refused = [
      await scene.as('cy').execute(StartDirectConversationDocument, { input: { externalId: 'bo' } }),
      await scene.as('cy').execute(StartDirectConversationDocument, { input: { userId: boId } }),
      await ada.execute(SendMessageDocument, { input: { conversationId, body: 'are you there?' } }),
      await host.execute(SendMessageDocument, { input: { conversationId, body: 'of the system' } }),
      await ada.execute(AddParticipantsDocument, { input: { conversationId: group, externalIds: ['bo'] } }),
      await ada.execute(AddParticipantsDocument, { input: { conversationId: group, userIds: [boId] } }),
      await ada.execute(CreateGroupConversationDocument, {
        input: { title: 'New', participantExternalIds: ['bo', 'cy'] },
      }),
      await ada.execute(OpenConversationDocument, { input: { kind: 'GENERAL', participantIds: [boId] } }),
    ]
    const fields = ['externalId', 'userId', 'conversationId', 'conversationId']
    fields.push('externalIds', 'userIds', 'participantExternalIds', 'participantIds')
    for (const [index, { errors }] of refused.entries()) {
      expect(errors).toHaveLength(1)
      expect(errors![0]!.message).toBe('This user takes no messages.')
      expect(errors![0]!.extensions).toEqual({ code: 'FORBIDDEN', field: fields[index] })
    }
    // What was written before can still be read.
    expect(await startDirect(ada, 'bo')).toBe(conversationId)
    await reactivate()
    await send(ada, conversationId, 'welcome back')
  })

  test('stays in its groups, where the others go on', async () => {
    const id = await createGroup(ada, 'bo', 'cy')
    await deactivate()
    expect((await send(ada, id, 'without bo')).seq).toBe(1)
    const { removeParticipant } = await ada.run(RemoveParticipantDocument, {
      input: { conversationId: id, userId: boId },
    })
    expect(removeParticipant!.conversation.id).toBe(id)
  })

  test('has a retry of what was sent before answered as it was', async () => {
    const conversationId = await startDirect(ada, 'bo')
    const input = { conversationId, body: 'once', idempotencyKey: 'k' }
    await ada.run(SendMessageDocument, { input })
    await deactivate()
    const { sendMessage } = await ada.run(SendMessageDocument, { input })
    expect(sendMessage).toMatchObject({ deduplicated: true, message: { body: 'once' } })
  })
})

describe('revoked tokens', () => {
  const now = Date.now()
  const minute = 60_000
  const tokenOf = (issuedAt: number, sub = 'cy') =>
    mintToken({ secret: SECRET, sub, expiresInSeconds: 3600, now: issuedAt })
  const revoke = (issuedBefore: number) =>
    host.run(RevokeTokensDocument, { input: { externalId: 'cy', issuedBefore: new Date(issuedBefore).toISOString() } })

  test('are those of the user that were issued before, and no others', async () => {
    expect(await answerTo(tokenOf(now - 10 * minute))).toEqual(LET_IN)
    const { revokeTokens } = await revoke(now - 5 * minute)
    expect(revokeTokens!.user.externalId).toBe('cy')
    expect(await answerTo(tokenOf(now - 10 * minute))).toEqual(REFUSED)
    expect(await answerTo(tokenOf(now - 4 * minute))).toEqual(LET_IN)
    expect(await answerTo(tokenOf(now - 10 * minute, 'di'))).toEqual(LET_IN)
  })

  test('do not come back by naming an earlier time', async () => {
    await revoke(now - 5 * minute)
    await revoke(now - 20 * minute)
    expect(await answerTo(tokenOf(now - 10 * minute))).toEqual(REFUSED)
  })

  test('leave a service able to act for the user', async () => {
    await revoke(now)
    expect(await answerTo(host.token, { 'x-parley-act-as': 'cy' })).toEqual(LET_IN)
  })
})

describe('is for services alone', () => {
  const time = new Date().toISOString()
  const calls = (client: TestClient, externalId: string): (() => Promise<ExecutionResult<unknown>>)[] => [
    () => client.execute(DeactivateUserDocument, { input: { externalId } }),
    () => client.execute(ReactivateUserDocument, { input: { externalId } }),
    () => client.execute(RevokeTokensDocument, { input: { externalId, issuedBefore: time } }),
  ]

  test('not for users, themselves included, nor for a service that acts for one', async () => {
    for (const client of [ada, scene.asService('ada')]) {
      for (const externalId of ['ada', 'di', 'nobody']) {
        for (const call of calls(client, externalId)) await expectRefused(scene, call, { code: 'FORBIDDEN' })
      }
    }
  })

  test('who are told of unknown users', async () => {
    for (const call of calls(host, 'nobody')) {
      await expectRefused(scene, call, { code: 'NOT_FOUND', field: 'externalId' })
    }
    for (const externalId of ['', ' ', 'a\0', 'a'.repeat(256)]) {
      for (const call of calls(host, externalId)) {
        await expectRefused(scene, call, { code: 'BAD_USER_INPUT', field: 'externalId' })
      }
    }
  })
})
