import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { isFromParley } from '../../examples/webhook-receiver.ts'
import { RETRY_DELAYS_MS } from '../../src/features/webhooks/retries.ts'
import { send, startDirect, usersOf, uuidOf } from '../features/support.ts'
import {
  DeleteMessageDocument,
  EditMessageDocument,
  RetryWebhookDeliveryDocument,
  RotateWebhookSecretDocument,
  UpdateWebhookEndpointDocument,
  WebhookDeliveriesDocument,
} from '../generated/graphql.ts'
import type { TestClient } from '../support/app.ts'
import { ok } from './receiver.ts'
import {
  deliveriesOf,
  deliveriesUntil,
  listen,
  skipWaiting,
  startWebhookScene,
  switchEndpoint,
  type WebhookScene,
} from './support.ts'

// Real requests to a real receiver. Time passes by SQL: what waits for its next try is made due.

let scene: WebhookScene
let ada: TestClient
/** Of ada and bo. */
let id: string

beforeAll(async () => {
  // No jitter, so that delays can be read off.
  scene = await startWebhookScene({ random: () => 0.5 })
  ;[ada] = await usersOf(scene, 'ada', 'bo')
  id = await startDirect(ada, 'bo')
})
afterAll(() => scene.close())
beforeEach(async () => {
  await scene.sql('DELETE FROM webhook_endpoints')
  scene.receiver.received.length = 0
  scene.receiver.answer = ok
})

const listenHere = (eventTypes = ['message.added']) => listen(scene, `${scene.receiver.url}/hook`, eventTypes)
const fail = (status: number, headers = {}) => {
  scene.receiver.answer = (_request, response) => void response.writeHead(status, headers).end()
}
const bodies = () =>
  scene.receiver.received.map(({ body }) => (body.data as { message: { body: string } }).message.body)

/** In how many seconds the waiting stream is due. */
async function dueIn(): Promise<number> {
  const [row] = await scene.sql('SELECT extract(epoch FROM due_at - now())::float8 AS s FROM webhook_streams')
  return row!.s as number
}

test('a message is delivered as a signed request, and the delivery noted', async () => {
  const { endpointId, secret } = await listenHere()
  const message = await send(ada, id, 'hello 💥', { metadata: { a: 1 } })
  const [request] = await scene.receiver.until((received) => received.length === 1)
  const { headers, text, body, path } = request!
  expect(path).toBe('/hook')
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Parley' })
  expect(isFromParley(secret, headers, text)).toBe(true)
  expect(body).toEqual({
    type: 'message.added',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    data: {
      conversationId: id,
      messageId: message.id,
      message: {
        id: message.id,
        seq: message.seq,
        sender: { id: message.sender!.id, externalId: 'ada' },
        kind: 'TEXT',
        body: 'hello 💥',
        metadata: { a: 1 },
        replyToId: null,
        subjectId: null,
        createdAt: message.createdAt,
        editedAt: null,
        deletedAt: null,
      },
    },
  })
  const [delivery] = await deliveriesUntil(scene, endpointId, ([each]) => each?.status === 'DELIVERED')
  expect(delivery).toEqual({
    id: headers['webhook-id'],
    eventType: 'message.added',
    status: 'DELIVERED',
    createdAt: body.timestamp,
    finishedAt: expect.any(String),
    endpoint: { id: endpointId },
    tries: [{ number: 1, triedAt: expect.any(String), httpStatus: 204, error: null, durationMs: expect.any(Number) }],
  })
})

test('a try that fails is made again under the same id, and what comes later waits for it', async () => {
  const { endpointId } = await listenHere()
  fail(500)
  await send(ada, id, 'm1')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  await send(ada, id, 'm2')
  expect(await dueIn()).toBeGreaterThan(0)
  scene.receiver.answer = ok
  await skipWaiting(scene)
  const received = await scene.receiver.until((all) => all.length === 3)
  expect(bodies()).toEqual(['m1', 'm1', 'm2'])
  expect(received[0]!.id).toBe(received[1]!.id)
  expect(received[2]!.id).not.toBe(received[1]!.id)
  const [first] = await deliveriesUntil(scene, endpointId, (all) => all.every(({ status }) => status === 'DELIVERED'))
  expect(first!.tries.map(({ number, httpStatus, error }) => [number, httpStatus, error])).toEqual([
    [1, 500, 'The receiver answered 500.'],
    [2, 204, null],
  ])
})

test('while one conversation waits, others are delivered', async () => {
  const { endpointId } = await listenHere()
  await usersOf(scene, 'cy')
  const second = await startDirect(ada, 'cy')
  scene.receiver.answer = (request, response) =>
    void response.writeHead(request.text.includes('stuck') ? 500 : 204).end()
  await send(ada, id, 'stuck')
  await send(ada, id, 'after it')
  await send(ada, second, 'elsewhere')
  await deliveriesUntil(scene, endpointId, (all) => all.some(({ status }) => status === 'DELIVERED'))
  const statuses = (await deliveriesOf(scene, endpointId)).map(({ status }) => status)
  expect(statuses).toEqual(['PENDING', 'PENDING', 'DELIVERED'])
})

test('after ten tries in three days a delivery is dead, the next has its turn, and the dead one can be sent again', {
  timeout: 180_000,
}, async () => {
  const { endpointId } = await listenHere()
  scene.receiver.answer = (request, response) =>
    void response.writeHead(request.text.includes('poison') ? 500 : 204).end()
  await send(ada, id, 'poison')
  await send(ada, id, 'after it')
  const delays: number[] = []
  for (let number = 1; number <= 10; number++) {
    await deliveriesUntil(scene, endpointId, ([each]) => each!.tries.length === number)
    if (number < 10) delays.push(await dueIn())
    await skipWaiting(scene)
  }
  for (const [index, delay] of delays.entries()) {
    // Within what the machine takes to get there.
    expect(delay).toBeLessThanOrEqual(RETRY_DELAYS_MS[index]! / 1_000)
    expect(delay).toBeGreaterThan(RETRY_DELAYS_MS[index]! / 1_000 - 60)
  }
  const [dead, after] = await deliveriesUntil(scene, endpointId, (all) => all[1]!.status === 'DELIVERED')
  expect(dead).toMatchObject({ status: 'DEAD', finishedAt: expect.any(String) })
  expect(dead!.tries).toHaveLength(10)
  const listed = await scene.asService().run(WebhookDeliveriesDocument, { endpointId, status: 'DEAD' })
  expect(listed.webhookDeliveries!.edges.map(({ node }) => node.id)).toEqual([dead!.id])

  const retry = (deliveryId: string) =>
    scene.asService().execute(RetryWebhookDeliveryDocument, { input: { deliveryId } })
  expect((await retry(after!.id)).errors![0]!.extensions).toEqual({ code: 'CONFLICT', field: 'deliveryId' })
  // It fails once more: then it has its tries again.
  expect((await retry(dead!.id)).data!.retryWebhookDelivery!.delivery).toMatchObject({ status: 'PENDING' })
  await deliveriesUntil(scene, endpointId, ([each]) => each!.tries.length === 11)
  expect(await dueIn()).toBeLessThanOrEqual(RETRY_DELAYS_MS[0]! / 1_000)
  scene.receiver.answer = ok
  await skipWaiting(scene)
  const [revived] = await deliveriesUntil(scene, endpointId, ([each]) => each!.status === 'DELIVERED')
  expect(revived!.tries).toHaveLength(12)
  expect(
    new Set(scene.receiver.received.filter(({ text }) => text.includes('poison')).map((each) => each.id)).size,
  ).toBe(1)
})

test('a receiver that redirects is not followed', async () => {
  const { endpointId } = await listenHere()
  fail(302, { location: `${scene.receiver.url}/elsewhere` })
  await send(ada, id, 'm1')
  const [delivery] = await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  expect(delivery).toMatchObject({
    status: 'PENDING',
    tries: [{ httpStatus: 302, error: 'The receiver answered 302.' }],
  })
  expect(scene.receiver.received.map(({ path }) => path)).toEqual(['/hook'])
})

test('a connection that breaks, and one that is refused, are tried again', async () => {
  const { endpointId } = await listenHere()
  scene.receiver.answer = (_request, response) => void response.destroy()
  await send(ada, id, 'm1')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  await scene.receiver.stop()
  await skipWaiting(scene)
  const [delivery] = await deliveriesUntil(scene, endpointId, ([each]) => each!.tries.length === 2)
  expect(delivery).toMatchObject({ status: 'PENDING' })
  expect(delivery!.tries).toMatchObject([
    { httpStatus: null, error: 'ECONNRESET' },
    { httpStatus: null, error: 'ECONNREFUSED' },
  ])
  scene.receiver.answer = ok
  await scene.receiver.start()
  await skipWaiting(scene)
  await deliveriesUntil(scene, endpointId, ([each]) => each!.status === 'DELIVERED')
})

test('an answer that never ends doesn’t matter: its head has said it', async () => {
  const { endpointId } = await listenHere()
  scene.receiver.answer = (_request, response) => {
    response.writeHead(200)
    response.write('x'.repeat(100_000))
  }
  await send(ada, id, 'm1')
  await send(ada, id, 'm2')
  const deliveries = await deliveriesUntil(scene, endpointId, (all) =>
    all.every(({ status }) => status === 'DELIVERED'),
  )
  expect(deliveries.map(({ tries }) => tries.length)).toEqual([1, 1])
})

test('410 switches the endpoint off; what waits goes when it is switched on again', async () => {
  const { endpointId } = await listenHere()
  fail(410)
  await send(ada, id, 'm1')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  const [endpoint] = await scene.sql('SELECT disabled_at FROM webhook_endpoints')
  expect(endpoint!.disabled_at).not.toBeNull()
  await send(ada, id, 'while it is off')
  scene.receiver.answer = ok
  await switchEndpoint(scene, endpointId, true)
  const deliveries = await deliveriesUntil(scene, endpointId, ([each]) => each!.status === 'DELIVERED')
  expect(deliveries).toHaveLength(1)
  await send(ada, id, 'm2')
  await scene.receiver.until((all) => all.length === 3)
  expect(bodies()).toEqual(['m1', 'm1', 'm2'])
})

test('a receiver that asks for time is given it', async () => {
  const { endpointId } = await listenHere()
  fail(503, { 'retry-after': '3600' })
  await send(ada, id, 'm1')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  expect(await dueIn()).toBeGreaterThan(3_000)
})

test('what was edited or deleted since is sent as it is now', async () => {
  const { endpointId } = await listenHere(['message.added', 'message.edited', 'message.deleted'])
  await switchEndpoint(scene, endpointId, true)
  fail(500)
  const kept = await send(ada, id, 'a first wording')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  const gone = await send(ada, id, 'a secret', { metadata: { key: 'a secret' } })
  await ada.run(EditMessageDocument, { input: { messageId: kept.id, body: 'another wording' } })
  await ada.run(DeleteMessageDocument, { input: { messageId: gone.id } })
  scene.receiver.received.length = 0
  scene.receiver.answer = ok
  await skipWaiting(scene)
  const received = await scene.receiver.until((all) => all.length === 4)
  expect(received.map(({ body }) => body.type)).toEqual([
    'message.added',
    'message.added',
    'message.edited',
    'message.deleted',
  ])
  expect(bodies()).toEqual(['another wording', null, 'another wording', null])
  for (const { text } of received) expect(text).not.toMatch(/secret|first wording/)
})

test('during the overlap both secrets sign, afterwards the new one alone', async () => {
  const { endpointId, secret } = await listenHere()
  const { rotateWebhookSecret } = await scene.asService().run(RotateWebhookSecretDocument, { input: { endpointId } })
  const next = rotateWebhookSecret!.secret
  await send(ada, id, 'm1')
  const [during] = await scene.receiver.until((all) => all.length === 1)
  await scene.sql(`UPDATE webhook_endpoints SET previous_secret_until = now() - interval '1 s'`)
  await send(ada, id, 'm2')
  const [, after] = await scene.receiver.until((all) => all.length === 2)
  expect([secret, next].map((each) => isFromParley(each, during!.headers, during!.text))).toEqual([true, true])
  expect([secret, next].map((each) => isFromParley(each, after!.headers, after!.text))).toEqual([false, true])
})

test('another URL is where what waits goes too', async () => {
  const { endpointId } = await listenHere()
  fail(500)
  await send(ada, id, 'm1')
  await deliveriesUntil(scene, endpointId, ([each]) => each?.tries.length === 1)
  scene.receiver.answer = ok
  const input = { endpointId, url: `${scene.receiver.url}/other` }
  await scene.asService().run(UpdateWebhookEndpointDocument, { input })
  await skipWaiting(scene)
  await scene.receiver.until((all) => all.at(-1)?.path === '/other')
})

test('deliveries are listed in pages, newest first', async () => {
  const { endpointId } = await listenHere()
  const foreign = await listenHere()
  await Promise.all(['m1', 'm2', 'm3'].map((body) => send(ada, id, body)))
  const all = await deliveriesUntil(scene, endpointId, (each) => each.length === 3)
  const page = async (variables: object) =>
    scene.asService().execute(WebhookDeliveriesDocument, { endpointId, ...variables })
  const first = (await page({ first: 2 })).data!.webhookDeliveries!
  expect(first.edges.map(({ node }) => node.id)).toEqual([all[2]!.id, all[1]!.id])
  expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false })
  const second = (await page({ first: 2, after: first.pageInfo.endCursor })).data!.webhookDeliveries!
  expect(second.edges.map(({ node }) => node.id)).toEqual([all[0]!.id])
  expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
  const wrong = [
    [{ first: 0 }, 'first'],
    [{ first: 101 }, 'first'],
    [{ after: 'x' }, 'after'],
    [{ after: first.pageInfo.endCursor, endpointId: foreign.endpointId }, 'after'],
  ] as const
  for (const [variables, field] of wrong) {
    expect((await page(variables)).errors![0]!.extensions).toEqual({ code: 'BAD_USER_INPUT', field })
  }
  expect(uuidOf(all[0]!.id)).toMatch(/^[0-9a-f-]{36}$/)
})
