import type { ExecutionResult } from 'graphql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  RepliesAddedDocument,
  SendMessageDocument,
} from '../../generated/graphql.ts'
import type { TestApp } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import { refusalIn, type Scene, send } from '../support.ts'
import { createGroup, expectSound, SUBSCRIPTIONS, startTwoWith, userId } from './support.ts'

let scene: Scene
let second: TestApp
let boId: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('ada', 'bo', 'cy'))
  boId = await userId(scene, 'bo')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

/** So many races, some at a time, each lane of them in a group of its own. */
async function race(count: number, run: (conversationId: string, number: number) => Promise<void>): Promise<void> {
  const lanes = Array.from({ length: LANES }, async () => {
    const conversationId = await createGroup(scene.as('ada'), 'bo', 'cy')
    for (let number = 0; number < count / LANES; number++) await run(conversationId, number)
  })
  await Promise.all(lanes)
}
const LANES = 10
const TIMES = 1_000
const TIMEOUT_MS = 120_000

/** Both at the same time, on different nodes; now the one, now the other is first to ask. */
async function atOnce<One, Other>(
  number: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<[One, Other]> {
  if (number % 2 === 0) return Promise.all([one(), other()])
  const [second, first] = await Promise.all([other(), one()])
  return [first, second]
}

const sendOf = (conversationId: string) => () =>
  second.as('bo').execute(SendMessageDocument, { input: { conversationId, body: 'hello' } })

/** What became of sends that raced with what forbids them: some were before it, and the others were refused. */
function createCount(refused: object) {
  const outcomes = { sent: 0, refused: 0 }
  return {
    outcomes,
    add(answer: ExecutionResult<{ sendMessage?: { message: { version: number } } | null }>, version: number) {
      if (answer.errors) {
        expect(refusalIn(answer)).toEqual(refused)
        outcomes.refused++
      } else {
        expect(answer.data!.sendMessage!.message.version).toBeLessThan(version)
        outcomes.sent++
      }
    },
  }
}

test(`no message is admitted after its sender's removal, ${TIMES} times`, { timeout: TIMEOUT_MS }, async () => {
  const { outcomes, add } = createCount({ code: 'NOT_FOUND', field: 'conversationId' })
  const ada = scene.as('ada')
  await race(TIMES, async (conversationId, number) => {
    const remove = () => ada.run(RemoveParticipantDocument, { input: { conversationId, userId: boId } })
    const [answer, { removeParticipant }] = await atOnce(number, sendOf(conversationId), remove)
    add(answer, removeParticipant!.conversation.version)
    await ada.run(AddParticipantsDocument, { input: { conversationId, userIds: [boId] } })
  })
  expect(outcomes.sent + outcomes.refused).toBe(TIMES)
  expect(Math.min(outcomes.sent, outcomes.refused)).toBeGreaterThan(0)
})

test(`no message is admitted after the conversation's close, ${TIMES} times`, { timeout: TIMEOUT_MS }, async () => {
  const { outcomes, add } = createCount({ code: 'CONFLICT', field: 'conversationId' })
  const ada = scene.as('ada')
  await race(TIMES, async (conversationId, number) => {
    const close = () => ada.run(CloseConversationDocument, { input: { conversationId } })
    const [answer, { closeConversation }] = await atOnce(number, sendOf(conversationId), close)
    add(answer, closeConversation!.conversation.version)
    await ada.run(ReopenConversationDocument, { input: { conversationId } })
  })
  expect(outcomes.sent + outcomes.refused).toBe(TIMES)
  expect(Math.min(outcomes.sent, outcomes.refused)).toBeGreaterThan(0)
})

test('a removal ends what is open on another node, and nothing that came later is seen there', {
  timeout: TIMEOUT_MS,
}, async () => {
  const ada = scene.as('ada')
  const bo = second.as('bo')
  const conversationId = await createGroup(ada, 'bo', 'cy')
  for (let round = 0; round < 20; round++) {
    const all = []
    for (const document of SUBSCRIPTIONS) all.push(await bo.subscribe(document, { conversationId }))
    const messages = await bo.subscribe(RepliesAddedDocument, { conversationId })
    const sends = Promise.all(
      Array.from({ length: 5 }, (_, number) => send(scene.as('cy'), conversationId, `m${number}`)),
    )
    const { removeParticipant } = await ada.run(RemoveParticipantDocument, { input: { conversationId, userId: boId } })
    await sends
    await send(ada, conversationId, 'secret')
    for (const stream of [...all, messages]) expect(await stream.ended).toEqual({})
    for (const error of await errorsOf(all[0]!)) expect(error).toEqual({ code: 'NOT_FOUND', field: 'conversationId' })
    for (const { messageAdded } of messages.waiting()) {
      expect(messageAdded.seq).toBeLessThanOrEqual(removeParticipant!.conversation.lastSeq)
    }
    await ada.run(AddParticipantsDocument, { input: { conversationId, userIds: [boId] } })
  }
})

/** What went wrong in the events of a stream that is over, as when the conversation was gone by the time they were told. */
async function errorsOf(stream: Stream<unknown>): Promise<unknown[]> {
  const found: unknown[] = []
  for (;;) {
    const failure = await stream.next().then(
      () => '[]',
      (error: Error) => error.message,
    )
    if (failure.startsWith('The subscription is over')) return found
    for (const { extensions } of JSON.parse(failure)) found.push(extensions)
  }
}
