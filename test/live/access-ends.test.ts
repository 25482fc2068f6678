import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { add, createGroup } from '../features/groups.ts'
import { type Scene, send, subscribeByEventStream, usersOf } from '../features/support.ts'
import {
  ConversationEventsDocument,
  DeactivateUserDocument,
  InboxUpdatedDocument,
  MessageAddedDocument,
  RemoveParticipantDocument,
  RevokeTokensDocument,
  ViewerDocument,
} from '../generated/graphql.ts'
import type { TestApp, TestClient } from '../support/app.ts'
import { seedOfRun } from '../support/random-operations.ts'
import type { Stream } from '../support/stream.ts'
import { eventsUntil, follow, lineOf, nextEvent } from './events.ts'
import { type Nodes, startNodes, wholeInbox } from './nodes.ts'

// I15: nothing that was committed after a removal reaches the removed one, on any node.

vi.setConfig({ testTimeout: 60_000 })

let nodes: Nodes
let here: Scene
let there: TestApp
let ada: TestClient

beforeAll(async () => {
  nodes = await startNodes()
  ;({ here, there } = nodes)
  await usersOf(here, 'ada', 'eve')
  // By the host's back end, which may do as much as it likes.
  ada = here.asService('ada')
})
afterAll(() => nodes.close())

/** One second, and five-fold slack for a machine with much to do. */
const ENDED_WITHIN_MS = 5_000

const userIdOf = async (client: TestClient) => (await client.run(ViewerDocument)).viewer!.id

const remove = (conversationId: string, userId: string) =>
  ada.run(RemoveParticipantDocument, { input: { conversationId, userId } })

/** Waits for something that must happen soon. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it took too long')), ENDED_WITHIN_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

describe('who is removed while subscribed on the other node', () => {
  test('is soon out of the conversation’s streams, with nothing that was sent later', async () => {
    const [bo] = await usersOf(there, 'bo')
    const id = await createGroup(ada, 'bo', 'eve')
    const events = await follow(bo, id)
    await eventsUntil(events, 'CaughtUpEvent')
    const streams: Stream<unknown>[] = [
      await bo.subscribe(MessageAddedDocument, { conversationId: id }),
      await subscribeByEventStream(there, bo, MessageAddedDocument, { conversationId: id }),
    ]
    // Much is under way just before.
    const before = Promise.all(Array.from({ length: 20 }, (_, number) => send(ada, id, `before ${number}`)))
    await remove(id, await userIdOf(bo))
    await soon(Promise.all([events, ...streams].map(({ ended }) => ended)))
    await send(ada, id, 'secret')
    await before
    for (const stream of streams) expect(JSON.stringify(stream.waiting())).not.toContain('secret')
    const last = (await eventsUntil(events, 'AccessRevokedEvent')).map(lineOf)
    expect(last.filter((line) => line.includes('secret'))).toEqual([])
    expect(events.waiting()).toEqual([])
  })

  test('is told of it in the inbox, which goes on with the rest', async () => {
    const [cy] = await usersOf(there, 'cy')
    const [id, other] = [await createGroup(ada, 'cy', 'eve'), await createGroup(ada, 'cy', 'eve')]
    const messages = await cy.subscribe(MessageAddedDocument, wholeInbox)
    const updates = await cy.subscribe(InboxUpdatedDocument)
    await send(ada, id, 'before')
    expect((await messages.next()).messageAdded.body).toBe('before')
    await remove(id, await userIdOf(cy))
    const { inboxUpdated } = await soon(updates.until(({ inboxUpdated: { change } }) => change === 'LEFT'))
    expect(inboxUpdated).toMatchObject({ conversationId: id, conversation: null })
    await send(ada, id, 'secret')
    await send(ada, other, 'for all')
    expect((await messages.next()).messageAdded.body).toBe('for all')
    expect((await updates.next()).inboxUpdated).toMatchObject({ conversationId: other, change: 'ACTIVITY' })
    messages.stop()
    updates.stop()
  })
})

test('subscribing while one is removed, 1,000 times: not one message that was sent later', {
  timeout: 300_000,
}, async () => {
  const LANES = 10
  const ROUNDS = 100
  const received: unknown[] = []
  let refused = 0
  let revoked = 0

  /** One user and conversation: subscribes and is removed at the same time, again and again. */
  async function lane(number: number): Promise<void> {
    const name = `racer-${number}`
    const [racer] = await usersOf(there, name)
    const userId = await userIdOf(racer)
    const [id, other] = [await createGroup(ada, name, 'eve'), await createGroup(ada, name, 'eve')]
    const inboxes: Stream<unknown>[] = []
    for (let round = 0; round < ROUNDS; round++) {
      // Which of the two begins, and by how much, differs from round to round.
      const turns = (seedOfRun() + 7 * number + 3 * round) % 12
      const removing = afterTurns(turns, () => remove(id, userId))
      const subscribing = afterTurns(6, async () => {
        if (round % 3 === 0) return racer.subscribe(ConversationEventsDocument, { conversationId: id })
        return racer.subscribe(MessageAddedDocument, round % 3 === 1 ? { conversationId: id } : wholeInbox)
      })
      await removing
      await send(ada, id, `secret ${round}`)
      const stream: Stream<unknown> = await subscribing
      if (round % 3 === 2) {
        inboxes.push(stream)
      } else {
        const items = await allOf(stream)
        if (items.some((item) => item.includes('AccessRevokedEvent'))) revoked++
        if (items.some((item) => item.includes('NOT_FOUND'))) refused++
        received.push(...items)
      }
      await add(ada, id, [name])
      if (inboxes.length === 10) await drain(inboxes.splice(0), other)
    }
    await drain(inboxes, other)
  }

  /** Takes what came, up to something that was sent when all of it must have been there. */
  async function drain(inboxes: Stream<unknown>[], other: string) {
    await send(ada, other, 'open')
    for (const inbox of inboxes) {
      for (let item = ''; !item.includes('"open"'); received.push(item)) item = JSON.stringify(await inbox.next())
      inbox.stop()
    }
  }

  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
  expect(received.filter((item) => String(item).includes('secret'))).toEqual([])
  // Both came first, now and then.
  expect(refused).toBeGreaterThan(0)
  expect(revoked).toBeGreaterThan(0)
})

/** Begins after so many turns of the event loop. */
async function afterTurns<T>(turns: number, action: () => Promise<T>): Promise<T> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  return action()
}

/** All that a stream sent until it ended, or told a secret, as text; its errors too. */
async function allOf(stream: Stream<unknown>): Promise<string[]> {
  const items: string[] = []
  while (!/is over|secret/.test(items.at(-1) ?? '')) {
    items.push(await stream.next().then((item) => JSON.stringify(item), String))
  }
  return items
}

describe.each([
  ['deactivation', (externalId: string) => here.asService().run(DeactivateUserDocument, { input: { externalId } })],
  [
    'the revocation of tokens',
    (externalId: string) => {
      const issuedBefore = new Date(Date.now() + 60_000).toISOString()
      return here.asService().run(RevokeTokensDocument, { input: { externalId, issuedBefore } })
    },
  ],
])('%s', (what, end) => {
  test('ends all streams on both nodes, and nothing that is sent later comes by them', async () => {
    const name = `fay of ${what}`
    await usersOf(here, name)
    const id = await createGroup(ada, name, 'eve')
    const streams: Stream<unknown>[] = []
    for (const node of [here, there]) {
      const fay = node.as(name)
      const events = await follow(fay, id)
      expect(lineOf(await nextEvent(events))).toBe('caught up')
      streams.push(
        events,
        await fay.subscribe(MessageAddedDocument, wholeInbox),
        await fay.subscribe(InboxUpdatedDocument),
        await subscribeByEventStream(node, fay, MessageAddedDocument, { conversationId: id }),
      )
    }
    await end(name)
    await soon(Promise.all(streams.map(({ ended }) => ended)))
    await send(ada, id, 'secret')
    for (const stream of streams) expect(JSON.stringify(await allOf(stream))).not.toContain('secret')
  })
})
