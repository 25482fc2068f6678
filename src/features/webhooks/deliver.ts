import type { AppContext } from '../../context.ts'
import { encodeId } from '../../lib/ids.ts'
import type { Claim, Outbox, Waiting } from './outbox.ts'
import type { Render } from './render.ts'
import type { Poster } from './request.ts'
import { judge } from './retries.ts'
import { signatureOf } from './signature.ts'

/** A claim has a minute; one that isn't used within this may have run out by the time the receiver answers. */
const FRESH_MS = 30_000

export interface DeliveryParts {
  outbox: Outbox
  render: Render
  poster: Poster
  /** From 0 to 1; a test may take the chance out of it. */
  random: () => number
}

/**
 * Makes one try of what comes first in a claimed stream and notes what came of it. Gives back the claim if it goes on,
 * which it can only if `goesOn`.
 */
export async function deliverFirst(
  { clock }: Pick<AppContext, 'clock'>,
  { outbox, render, poster, random }: DeliveryParts,
  claim: Claim,
  goesOn: boolean,
): Promise<Claim | null> {
  const waiting = await outbox.first(claim)
  if (!waiting) {
    await outbox.release(claim)
    return null
  }
  const body = await render(waiting)
  // As after a pause of the whole process: the stream may be another's, who is further on.
  if (performance.now() - claim.takenAt > FRESH_MS) return null
  const at = new Date(clock.now())
  const began = performance.now()
  const answer = await poster.post({ url: waiting.url, headers: headersOf(waiting, at, body), body })
  const durationMs = Math.round(performance.now() - began)
  const verdict = judge(answer, waiting.tries + 1, random(), clock.now())
  return outbox.finish(claim, { waiting, at, durationMs, answer, verdict }, goesOn)
}

function headersOf(waiting: Waiting, at: Date, body: string): Record<string, string> {
  const { secret, previousSecret, previousSecretUntil } = waiting
  const overlaps = previousSecret !== null && previousSecretUntil !== null && previousSecretUntil > at
  const id = encodeId('WebhookDelivery', waiting.id)
  const timestamp = Math.floor(at.getTime() / 1_000)
  return {
    'content-type': 'application/json',
    'user-agent': 'Parley',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatureOf(overlaps ? [secret, previousSecret] : [secret], id, timestamp, body),
  }
}
