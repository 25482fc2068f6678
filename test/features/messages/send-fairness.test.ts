import { afterAll, beforeAll, expect, test } from 'vitest'
import { EditMessageDocument } from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import { expectSound, startTwoWith } from '../conversations/support.ts'
import { createGroup } from '../groups.ts'
import { type Scene, send, sendMany } from '../support.ts'

// Sends don't wait for a row that another holds, and edits do: neither may keep the other from its turn.

const MEMBERS = ['ada', 'bo', 'cy'] as const
const LANES = 16

let scene: Scene
let second: TestApp
let id: string

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith(...MEMBERS))
  id = await createGroup(scene.as('ada'), ...MEMBERS)
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

/** Runs `endlessly` in lanes, over both nodes, until `some` is done; gives back how often it ran. */
async function besides(
  endlessly: (client: TestClient, lane: number) => Promise<unknown>,
  some: () => Promise<unknown>,
) {
  let isDone = false
  let count = 0
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const client = (lane % 2 ? scene : second).as('ada')
    for (; !isDone; count++) await endlessly(client, lane)
  })
  await some()
  isDone = true
  await Promise.all(lanes)
  return count
}

const edit = (client: TestClient, messageId: string, body: string) =>
  client.run(EditMessageDocument, { input: { messageId, body } })

test('edits come through while many send to the conversation', async () => {
  const { id: messageId } = await send(scene.as('ada'), id, 'to be edited')
  const edits = async () => {
    for (let turn = 0; turn < 30; turn++) await edit(scene.as('ada'), messageId, `edit ${turn}`)
  }
  expect(await besides((client, lane) => send(client, id, `lane ${lane}`), edits)).toBeGreaterThan(0)
})

test('sends come through while many edit messages of the conversation', async () => {
  const messages = await Promise.all(Array.from({ length: LANES }, (_, lane) => send(scene.as('ada'), id, `${lane}`)))
  let turn = 0
  const sends = () => Promise.all([sendMany(scene.as('bo'), id, 30), sendMany(second.as('cy'), id, 30)])
  expect(await besides((client, lane) => edit(client, messages[lane]!.id, `${turn++}`), sends)).toBeGreaterThan(0)
})
