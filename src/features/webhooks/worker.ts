import { setTimeout as delay } from 'node:timers/promises'
import type { AppContext } from '../../context.ts'
import { deliverFirst } from './deliver.ts'
import { type Claim, createOutbox, type Outbox } from './outbox.ts'
import { purgeWebhooks } from './purge.ts'
import { createRenderer } from './render.ts'
import { createPoster, type PosterOptions } from './request.ts'

const POLL_MS = 1_000
const PURGE_MS = 10 * 60 * 1_000
/** Changes that come close together are looked for together. */
const GATHER_MS = 5
/** Where nothing was due for so long, as where there is no endpoint, it isn't looked for with every change. */
const QUIET_MS = 60_000
/** Of one stream, before its claim is given back and others have their turn. */
const IN_A_ROW = 50
/** What is under way at the end is waited for so long. */
const GRACE_MS = 3_000

/** What a test may put in place of the real part. */
export interface WebhookOverrides extends Pick<PosterOptions, 'resolve' | 'timeoutMs'> {
  /** Puts something between the outbox and the worker. */
  wrapOutbox?: (outbox: Outbox) => Outbox
  random?: () => number
}

export interface WebhookWorker {
  /** Something was committed that may have an event: looks at once instead of within a second. */
  wake(): void
  close(): Promise<void>
}

/**
 * Delivers what is in the outbox, together with all other nodes: many streams side by side, each in its order. It stands
 * on nothing but the table; whatever fails here is tried again.
 */
export function startWebhookWorker(app: AppContext, overrides: WebhookOverrides = {}): WebhookWorker {
  const { db, log } = app
  const ownOutbox = createOutbox(db)
  const outbox = overrides.wrapOutbox?.(ownOutbox) ?? ownOutbox
  const { resolve, timeoutMs, random = Math.random } = overrides
  const poster = createPoster({ allowPrivate: app.config.webhookAllowPrivate, resolve, timeoutMs })
  const parts = { outbox, render: createRenderer(app), poster, random }
  /** How many streams of each endpoint are in work here. */
  const busy = new Map<string, number>()
  const working = new Set<Promise<void>>()
  let looking: Promise<void> | null = null
  let lookAgain = false
  let gathering: NodeJS.Timeout | undefined
  let lastBegun = Number.NEGATIVE_INFINITY
  let closing = false

  function look() {
    if (closing) return
    if (looking) lookAgain = true
    else
      looking = lookNow().finally(() => {
        looking = null
      })
  }

  async function lookNow() {
    try {
      do {
        lookAgain = false
        for (const claim of await outbox.claim(busy)) begin(claim)
      } while (lookAgain && !closing)
    } catch (err) {
      log.warn({ err }, 'webhooks: could not look for what is due')
    }
  }

  function begin(claim: Claim) {
    lastBegun = performance.now()
    count(claim, 1)
    const work = workOff(claim).finally(() => {
      count(claim, -1)
      working.delete(work)
      look()
    })
    working.add(work)
  }

  function count({ endpointId }: Claim, more: number) {
    const total = (busy.get(endpointId) ?? 0) + more
    if (total === 0) busy.delete(endpointId)
    else busy.set(endpointId, total)
  }

  async function workOff(claim: Claim) {
    let held: Claim | null = claim
    try {
      for (let number = 1; held; number++) held = await deliverFirst(app, parts, held, number < IN_A_ROW && !closing)
    } catch (err) {
      // Else the claim runs out by itself: what can't be worked off is not tried again at once.
      if (closing && held) return outbox.release(held).catch(() => {})
      log.warn({ err, endpointId: claim.endpointId }, 'webhooks: a stream could not be worked off')
    }
  }

  async function purge() {
    await purgeWebhooks(db, app.clock).catch((err) => log.warn({ err }, 'webhooks: could not clear away what is old'))
  }

  const polling = setInterval(look, POLL_MS)
  const purging = setInterval(() => void purge(), PURGE_MS)
  look()

  return {
    wake() {
      if (performance.now() - lastBegun > QUIET_MS) return
      gathering ??= setTimeout(() => {
        gathering = undefined
        look()
      }, GATHER_MS)
    },
    async close() {
      closing = true
      clearInterval(polling)
      clearInterval(purging)
      clearTimeout(gathering)
      const abort = setTimeout(() => poster.abort(), GRACE_MS)
      // Not for a database that doesn't answer: what was claimed there is another node's in a minute.
      const idle = (looking ?? Promise.resolve()).then(() => Promise.all(working))
      await Promise.race([idle, delay(GRACE_MS + 1_000, undefined, { ref: false })])
      clearTimeout(abort)
      poster.abort()
    },
  }
}
