import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ContactUpdatedDocument, type ContactUpdatedSubscription } from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import type { Stream } from '../../support/stream.ts'
import { insertUsers, startTwoWith, userId } from '../conversations/support.ts'
import { refusalOf, type Scene } from '../support.ts'
import { ask, block, contactNode, remove, respond } from './support.ts'

// Ada is on one node, Bo and Cy are on the other.

let scene: Scene
let second: TestApp
let count = 0
let names: { ada: string; bo: string; cy: string }
let ada: TestClient
let bo: TestClient
let cy: TestClient

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('nobody'))
})
afterAll(() => scene.close())
beforeEach(async () => {
  count++
  names = { ada: `ada ${count}`, bo: `bo ${count}`, cy: `cy ${count}` }
  await insertUsers(scene, Object.values(names))
  ada = scene.as(names.ada)
  ;[bo, cy] = [second.as(names.bo), second.as(names.cy)]
})

const next = async (stream: Stream<ContactUpdatedSubscription>) => (await stream.next()).contactUpdated

test('tells both sides of each change, as a query gives it', async () => {
  const streams = [await ada.subscribe(ContactUpdatedDocument), await bo.subscribe(ContactUpdatedDocument)]
  const asked = await ask(ada, names.bo)
  for (const stream of streams) expect(await next(stream)).toEqual({ contactId: asked.id, contact: asked })
  const accepted = await respond(bo, asked.id, true)
  for (const stream of streams) expect(await next(stream)).toEqual({ contactId: asked.id, contact: accepted })
  expect(await contactNode(ada, asked.id)).toEqual(accepted)
  await remove(bo, asked.id)
  for (const stream of streams) expect(await next(stream)).toEqual({ contactId: asked.id, contact: null })
  for (const stream of streams) stream.stop()
})

test('tells nothing of what others do, nor where nothing changed', async () => {
  const stream = await cy.subscribe(ContactUpdatedDocument)
  const { id } = await ask(ada, names.bo)
  await ask(ada, names.bo)
  await respond(bo, id, false)
  await ask(ada, names.bo)
  const toCy = await ask(ada, names.cy)
  await ask(ada, names.cy)
  await remove(ada, toCy.id)
  expect(await next(stream)).toMatchObject({ contactId: toCy.id, contact: { status: 'PENDING' } })
  expect(await next(stream)).toEqual({ contactId: toCy.id, contact: null })
  stream.stop()
})

describe('of one who is blocked', () => {
  test('a request is told to the other devices of its own, and not to the blocker', async () => {
    await block(bo, await userId(scene, names.ada))
    const [own, blocker] = [await ada.subscribe(ContactUpdatedDocument), await bo.subscribe(ContactUpdatedDocument)]
    const hidden = await ask(ada, names.bo)
    expect(await next(own)).toEqual({ contactId: hidden.id, contact: hidden })
    await remove(ada, hidden.id)
    expect(await next(own)).toEqual({ contactId: hidden.id, contact: null })
    const fromCy = await ask(cy, names.bo)
    expect(await next(blocker)).toEqual({ contactId: fromCy.id, contact: fromCy })
    own.stop()
    blocker.stop()
  })

  test('nothing that it does to a contact is told to the blocker', async () => {
    const { id } = await ask(ada, names.bo)
    await respond(bo, id, true)
    await block(bo, await userId(scene, names.ada))
    const blocker = await bo.subscribe(ContactUpdatedDocument)
    await remove(ada, id)
    const fromCy = await ask(cy, names.bo)
    expect(await next(blocker)).toMatchObject({ contactId: fromCy.id })
    blocker.stop()
  })
})

test('blocking is told to nobody', async () => {
  const stream = await ada.subscribe(ContactUpdatedDocument)
  await block(bo, await userId(scene, names.ada))
  const fromCy = await ask(cy, names.ada)
  expect(await next(stream)).toMatchObject({ contactId: fromCy.id })
  stream.stop()
})

test('is refused to a service that acts for nobody', async () => {
  expect(await refusalOf(await scene.asService().subscribe(ContactUpdatedDocument))).toEqual({ code: 'FORBIDDEN' })
})
