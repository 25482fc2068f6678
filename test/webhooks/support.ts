import { vi } from 'vitest'
import type { WebhookOverrides } from '../../src/features/webhooks/worker.ts'
import { type Scene, startScene } from '../features/support.ts'
import {
  CreateWebhookEndpointDocument,
  type DeliveryFieldsFragment,
  UpdateWebhookEndpointDocument,
  WebhookDeliveriesDocument,
} from '../generated/graphql.ts'
import { type Receiver, startReceiver } from './receiver.ts'

/** A server that may send to this machine, and a receiver on it. */
export interface WebhookScene extends Scene {
  receiver: Receiver
}

export const ALLOW_PRIVATE = { WEBHOOK_ALLOW_PRIVATE: 'on' }

export async function startWebhookScene(webhooks: WebhookOverrides = {}): Promise<WebhookScene> {
  const receiver = await startReceiver()
  const scene = await startScene({ env: ALLOW_PRIVATE, overrides: { webhooks } })
  return {
    ...scene,
    receiver,
    async close() {
      await scene.close()
      await receiver.stop()
    },
  }
}

/** Registers an endpoint that is told of these. */
export async function listen(
  scene: Scene,
  url: string,
  eventTypes: string[],
): Promise<{ endpointId: string; secret: string }> {
  const { createWebhookEndpoint } = await scene.asService().run(CreateWebhookEndpointDocument, {
    input: { url, eventTypes },
  })
  return { endpointId: createWebhookEndpoint!.endpoint.id, secret: createWebhookEndpoint!.secret }
}

export async function switchEndpoint(scene: Scene, endpointId: string, isEnabled: boolean): Promise<void> {
  await scene.asService().run(UpdateWebhookEndpointDocument, { input: { endpointId, isEnabled } })
}

/** The deliveries of an endpoint, oldest first, of the last hundred. */
export async function deliveriesOf(scene: Scene, endpointId: string): Promise<DeliveryFieldsFragment[]> {
  const { webhookDeliveries } = await scene.asService().run(WebhookDeliveriesDocument, { endpointId, first: 100 })
  return webhookDeliveries!.edges.map(({ node }) => node).reverse()
}

/** The same, once they are as is wanted. */
export async function deliveriesUntil(
  scene: Scene,
  endpointId: string,
  isSo: (deliveries: DeliveryFieldsFragment[]) => boolean,
): Promise<DeliveryFieldsFragment[]> {
  return vi.waitFor(
    async () => {
      const deliveries = await deliveriesOf(scene, endpointId)
      if (!isSo(deliveries)) throw new Error(`deliveries: ${JSON.stringify(deliveries)}`)
      return deliveries
    },
    { timeout: 60_000, interval: 20 },
  )
}

/** Lets the time until the next try be over. */
export async function skipWaiting({ sql }: Scene): Promise<void> {
  await sql('UPDATE webhook_streams SET due_at = now() WHERE due_at > now()')
}
