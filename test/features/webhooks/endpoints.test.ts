import type { ExecutionResult } from 'graphql'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  CreateWebhookEndpointDocument,
  DeleteWebhookEndpointDocument,
  RotateWebhookSecretDocument,
  UpdateWebhookEndpointDocument,
  WebhookDeliveriesDocument,
  WebhookEndpointsDocument,
  WebhookNodesDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { listen } from '../../webhooks/support.ts'
import { refusalIn, type Scene, send, startDirect, startScene, usersOf, uuidOf } from '../support.ts'

let scene: Scene
let host: TestClient
let ada: TestClient
let acting: TestClient
const url = 'https://receiver.example/hook?key=1'
const eventTypes = ['message.added', 'contact.removed']

beforeAll(async () => {
  scene = await startScene()
  host = scene.asService()
  ;[ada] = await usersOf(scene, 'ada', 'bo')
  acting = scene.asService('ada')
})
afterAll(() => scene.close())
beforeEach(() => scene.sql('DELETE FROM webhook_endpoints'))

const missing = encodeId('WebhookEndpoint', '00000000-0000-7000-8000-000000000000')
const endpoints = async () => (await host.run(WebhookEndpointsDocument)).webhookEndpoints!

test('an endpoint is registered, and its secret shown this once', async () => {
  const { createWebhookEndpoint } = await host.run(CreateWebhookEndpointDocument, { input: { url, eventTypes } })
  const { endpoint, secret } = createWebhookEndpoint!
  expect(endpoint).toMatchObject({ url, eventTypes, isEnabled: true, disabledAt: null, previousSecretUntil: null })
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
  expect(await endpoints()).toEqual([endpoint])
  const { nodes } = await host.run(WebhookNodesDocument, { ids: [endpoint.id] })
  expect(nodes).toEqual([endpoint])
})

test('what is given is changed, and what is left out stays', async () => {
  const { endpointId } = await listen(scene, url, eventTypes)
  const update = async (input: object) =>
    (await host.run(UpdateWebhookEndpointDocument, { input: { endpointId, ...input } })).updateWebhookEndpoint!.endpoint
  expect(await update({ url: 'https://other.example/' })).toMatchObject({ url: 'https://other.example/', eventTypes })
  expect(await update({ eventTypes: ['message.edited'] })).toMatchObject({ eventTypes: ['message.edited'] })
  const off = await update({ isEnabled: false })
  expect(off).toMatchObject({ isEnabled: false, disabledAt: expect.any(String) })
  expect(await update({ isEnabled: false })).toEqual(off)
  expect(await update({})).toEqual(off)
  expect(await update({ isEnabled: true })).toMatchObject({
    url: 'https://other.example/',
    eventTypes: ['message.edited'],
    isEnabled: true,
    disabledAt: null,
  })
})

test('a new secret is shown once; the one before signs for a day more', async () => {
  const { endpointId, secret } = await listen(scene, url, eventTypes)
  const before = Date.now()
  const { rotateWebhookSecret } = await host.run(RotateWebhookSecretDocument, { input: { endpointId } })
  expect(rotateWebhookSecret!.secret).not.toBe(secret)
  const until = Date.parse(rotateWebhookSecret!.endpoint.previousSecretUntil!)
  expect(until).toBeGreaterThanOrEqual(before + 24 * 3_600_000)
  expect(until).toBeLessThanOrEqual(Date.now() + 24 * 3_600_000)
})

test('a deleted endpoint is gone with what was sent to it', async () => {
  const { endpointId } = await listen(scene, url, eventTypes)
  const id = await startDirect(ada, 'bo')
  await send(ada, id, 'hello')
  const { webhookDeliveries } = await host.run(WebhookDeliveriesDocument, { endpointId })
  const deliveryId = webhookDeliveries!.edges[0]!.node.id
  const { deleteWebhookEndpoint } = await host.run(DeleteWebhookEndpointDocument, { input: { endpointId } })
  expect(deleteWebhookEndpoint!.deletedId).toBe(endpointId)
  expect(await endpoints()).toEqual([])
  expect((await host.run(WebhookNodesDocument, { ids: [endpointId, deliveryId] })).nodes).toEqual([null, null])
  expect(refusalIn(await host.execute(WebhookDeliveriesDocument, { endpointId }))).toEqual({
    code: 'NOT_FOUND',
    field: 'endpointId',
  })
  await send(ada, id, 'hello again')
  const [row] = await scene.sql('SELECT count(*)::int FROM webhook_deliveries WHERE endpoint_id = $1', [
    uuidOf(endpointId),
  ])
  expect(row!.count).toBe(1)
})

describe('refused', () => {
  type Request = (client: TestClient, endpointId: string) => Promise<ExecutionResult<unknown>>
  const requests = {
    list: (client: TestClient) => client.execute(WebhookEndpointsDocument),
    deliveries: (client: TestClient, endpointId: string) => client.execute(WebhookDeliveriesDocument, { endpointId }),
    create: (client: TestClient) => client.execute(CreateWebhookEndpointDocument, { input: { url: 'x', eventTypes } }),
    update: (client: TestClient, endpointId: string) =>
      client.execute(UpdateWebhookEndpointDocument, { input: { endpointId } }),
    rotate: (client: TestClient, endpointId: string) =>
      client.execute(RotateWebhookSecretDocument, { input: { endpointId } }),
    remove: (client: TestClient, endpointId: string) =>
      client.execute(DeleteWebhookEndpointDocument, { input: { endpointId } }),
  } satisfies Record<string, Request>
  const { list: _, create: __, ...ofOne } = requests

  test.each(Object.entries<Request>(requests))(
    '%s to users, and to services that act for one',
    async (_name, request) => {
      const { endpointId } = await listen(scene, url, eventTypes)
      expect(refusalIn(await request(ada, endpointId))).toEqual({ code: 'FORBIDDEN' })
      expect(refusalIn(await request(acting, endpointId))).toEqual({ code: 'FORBIDDEN' })
      expect((await ada.run(WebhookNodesDocument, { ids: [endpointId] })).nodes).toEqual([null])
    },
  )

  test.each(Object.entries<Request>(ofOne))('%s of what is no endpoint', async (_name, request) => {
    expect(refusalIn(await request(host, missing))).toEqual({ code: 'NOT_FOUND', field: 'endpointId' })
    expect(refusalIn(await request(host, 'x'))).toEqual({ code: 'BAD_USER_INPUT', field: 'endpointId' })
  })

  test.each([
    '',
    'receiver.example',
    '/hook',
    'ftp://receiver.example/',
    'http://receiver.example/',
    'https://user@receiver.example/',
    'https://:password@receiver.example/',
    `https://receiver.example/${'a'.repeat(2_048)}`,
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fe80::1]/',
  ])('the URL %s', async (wrong) => {
    const refusal = { code: 'BAD_USER_INPUT', field: 'url' }
    const created = await host.execute(CreateWebhookEndpointDocument, { input: { url: wrong, eventTypes } })
    expect(refusalIn(created)).toEqual(refusal)
    const { endpointId } = await listen(scene, url, eventTypes)
    const updated = await host.execute(UpdateWebhookEndpointDocument, { input: { endpointId, url: wrong } })
    expect(refusalIn(updated)).toEqual(refusal)
    expect(await endpoints()).toMatchObject([{ url }])
  })

  test.each([[[]], [['message.read']], [['message.added', 'message.added']], [['toString']], [['MESSAGE.ADDED']]])(
    'the event types %j',
    async (wrong) => {
      const refusal = { code: 'BAD_USER_INPUT', field: 'eventTypes' }
      const created = await host.execute(CreateWebhookEndpointDocument, { input: { url, eventTypes: wrong } })
      expect(refusalIn(created)).toEqual(refusal)
      const { endpointId } = await listen(scene, url, eventTypes)
      const updated = await host.execute(UpdateWebhookEndpointDocument, { input: { endpointId, eventTypes: wrong } })
      expect(refusalIn(updated)).toEqual(refusal)
      expect(await endpoints()).toMatchObject([{ eventTypes }])
    },
  )

  test('one too many', async () => {
    for (let count = 0; count < 16; count++) await listen(scene, url, eventTypes)
    const created = await host.execute(CreateWebhookEndpointDocument, { input: { url, eventTypes } })
    expect(refusalIn(created)).toEqual({ code: 'CONFLICT' })
    const [first] = await endpoints()
    await host.run(DeleteWebhookEndpointDocument, { input: { endpointId: first!.id } })
    await listen(scene, url, eventTypes)
  })
})
