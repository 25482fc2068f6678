import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Scene, send, startDirect, startScene, usersOf } from '../features/support.ts'
import { startApp } from '../support/app.ts'
import { ok, type Receiver, startReceiver } from './receiver.ts'
import { ALLOW_PRIVATE, deliveriesUntil, listen } from './support.ts'

// Nodes that come and go. The scene's own claims nothing; others on its database do.

let scene: Scene
let receiver: Receiver
let id: string

beforeAll(async () => {
  scene = await startScene({
    env: ALLOW_PRIVATE,
    overrides: { webhooks: { wrapOutbox: (outbox) => ({ ...outbox, claim: async () => [] }) } },
  })
  const [ada] = await usersOf(scene, 'ada', 'bo')
  id = await startDirect(ada, 'bo')
  receiver = await startReceiver()
})
afterAll(async () => {
  await scene.close()
  await receiver.stop()
})
beforeEach(async () => {
  await scene.sql('DELETE FROM webhook_endpoints')
  receiver.received.length = 0
  receiver.answer = ok
})

const startNode = (timeoutMs?: number) =>
  startApp({ databaseUrl: scene.databaseUrl, env: ALLOW_PRIVATE, overrides: { webhooks: { timeoutMs } } })

test('a receiver that hangs is given up after the time-out', async () => {
  const { endpointId } = await listen(scene, receiver.url, ['message.added'])
  receiver.answer = () => {}
  const node = await startNode(300)
  await send(scene.as('ada'), id, 'm1')
  const [delivery] = await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  expect(delivery).toMatchObject({ status: 'PENDING', tries: [{ httpStatus: null, error: 'No answer within 0.3 s.' }] })
  await node.close()
})

test('a node that is stopped lets what is under way end, and gives back what does not', async () => {
  const { endpointId } = await listen(scene, receiver.url, ['message.added'])
  receiver.answer = () => {}
  const node = await startNode()
  await send(scene.as('ada'), id, 'm1')
  await receiver.until((all) => all.length === 1)
  await node.close()
  const [stream] = await scene.sql('SELECT due_at <= now() AS due, claimed_until FROM webhook_streams')
  expect(stream).toEqual({ due: true, claimed_until: null })
  // Another takes over at once; the try that nobody knows the end of is not counted.
  receiver.answer = ok
  const next = await startNode()
  const [delivery] = await deliveriesUntil(scene, endpointId, ([each]) => each?.status === 'DELIVERED')
  expect(delivery!.tries).toHaveLength(1)
  expect(new Set(receiver.received.map((each) => each.id)).size).toBe(1)
  await next.close()
})
