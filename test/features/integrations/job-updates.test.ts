import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CloseConversationDocument, PostJobUpdateDocument, type PostJobUpdateInput } from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { open, startWith } from '../conversations/support.ts'
import { missingConversation, refusalIn, type Scene } from '../support.ts'
import { expectRefused, historyOf, postJobUpdate, whileFailing, written } from './support.ts'

let scene: Scene
let ada: TestClient
let bo: TestClient
let host: TestClient
let conversationId: string
let jobs = 0

beforeAll(async () => {
  scene = await startWith('ada', 'bo', 'eve')
  ;[ada, bo, host] = [scene.as('ada'), scene.as('bo'), scene.asService()]
})
afterAll(() => scene.close())
beforeEach(async () => {
  conversationId = await open(ada, { kind: 'JOB', subjectId: `job ${++jobs}`, participantExternalIds: ['bo'] })
})

describe('posting a job update', () => {
  test('writes it, and a message that tells of it', async () => {
    const { jobUpdate, message } = await postJobUpdate(ada, { conversationId, status: 'Half done', note: 'See you' })
    expect(jobUpdate).toEqual({
      id: expect.any(String),
      conversation: { id: conversationId },
      postedBy: { externalId: 'ada' },
      jobStatus: 'Half done',
      note: 'See you',
      createdAt: expect.stringMatching(/Z$/),
    })
    expect(message).toMatchObject({
      seq: 1,
      kind: 'JOB_UPDATE',
      body: 'Job update: Half done. See you',
      sender: { externalId: 'ada' },
      subject: { __typename: 'JobUpdate', ...jobUpdate },
    })
    expect(await historyOf(bo, conversationId)).toEqual([message])
  })

  test('without a note, by the host', async () => {
    const { jobUpdate, message } = await postJobUpdate(host, { conversationId, status: 'Done' })
    expect(jobUpdate).toMatchObject({ postedBy: null, note: null })
    expect(message).toMatchObject({ body: 'Job update: Done', sender: null })
  })

  test.each<[string, Partial<PostJobUpdateInput>, string, string]>([
    ['a blank status', { status: ' ' }, 'BAD_USER_INPUT', 'status'],
    ['a status that is too long', { status: 'x'.repeat(101) }, 'BAD_USER_INPUT', 'status'],
    ['a blank note', { note: '' }, 'BAD_USER_INPUT', 'note'],
    ['a note that is too long', { note: 'x'.repeat(1_001) }, 'BAD_USER_INPUT', 'note'],
    ['a NUL character', { note: '\0' }, 'BAD_USER_INPUT', 'note'],
    ['an unknown conversation', { conversationId: missingConversation }, 'NOT_FOUND', 'conversationId'],
  ])('with %s is refused, and nothing is written', async (_what, input, code, field) => {
    const whole = { conversationId, status: 'Done', ...input }
    await expectRefused(scene, ada, PostJobUpdateDocument, whole, { code, field })
  })

  test('by an outsider is refused as if there were no conversation', async () => {
    const refusal = { code: 'NOT_FOUND', field: 'conversationId' }
    await expectRefused(scene, scene.as('eve'), PostJobUpdateDocument, { conversationId, status: 'Done' }, refusal)
  })

  test('with a key is done once, also asked again after a close; another request is CONFLICT', async () => {
    const input = { conversationId, status: 'Done', idempotencyKey: 'key' }
    const first = await postJobUpdate(ada, input)
    await host.run(CloseConversationDocument, { input: { conversationId } })
    expect(await postJobUpdate(ada, input)).toEqual(first)
    const refusal = { code: 'CONFLICT', field: 'idempotencyKey' }
    await expectRefused(scene, ada, PostJobUpdateDocument, { ...input, note: 'more' }, refusal)
  })

  test('in a closed conversation is for the host', async () => {
    await host.run(CloseConversationDocument, { input: { conversationId } })
    const refusal = { code: 'CONFLICT', field: 'conversationId' }
    for (const client of [ada, scene.asService('ada')]) {
      await expectRefused(scene, client, PostJobUpdateDocument, { conversationId, status: 'Done' }, refusal)
    }
    const { message } = await postJobUpdate(host, { conversationId, status: 'Paid' })
    expect(await historyOf(bo, conversationId)).toEqual([message])
  })

  test.each(['INSERT ON messages', 'UPDATE ON idempotency_keys'] as const)(
    'that fails by %s writes nothing',
    async (on) => {
      const input = { conversationId, status: 'Done', idempotencyKey: on }
      const before = await written(scene)
      await whileFailing(scene, on, async () => {
        const answer = await ada.execute(PostJobUpdateDocument, { input })
        expect(refusalIn(answer)).toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
      })
      expect(await written(scene)).toEqual(before)
    },
  )
})
