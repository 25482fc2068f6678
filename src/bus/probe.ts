import { randomUUID } from 'node:crypto'

/** Sees whether what this node publishes comes back to it, which healthy connections alone don't say. */
export interface Probe {
  /** Its topic, which nobody else publishes to. */
  readonly topic: string
  /** Publishes, to hear soon whether it flows. */
  send(): void
  /** The same, and gives up where too many of these were in vain. To be called once a second while all looks well. */
  tick(): void
  /** Takes what came in on the topic. */
  receive(payload: Buffer): void
  /** Whether something has come back since the last reset. */
  flows(): boolean
  /** Begins anew, with a new connection: what was sent before tells nothing about it. */
  reset(): void
}

/** Ticks without anything coming back. A count and no time, so that a process that was frozen doesn't blame Redis. */
const MAX_UNANSWERED = 3

interface ProbeOptions {
  publish(topic: string, payload: string): void
  /** Called when the first comes back. */
  onFlow(): void
  /** Called when nothing comes back. */
  onDead(): void
}

export function createProbe({ publish, onFlow, onDead }: ProbeOptions): Probe {
  const topic = `probe:${randomUUID()}`
  let round = 0
  let unanswered = 0
  let flowing = false

  const send = () => publish(topic, String(round))

  return {
    topic,
    send,
    tick() {
      if (unanswered === MAX_UNANSWERED) return onDead()
      unanswered++
      send()
    },
    receive(payload) {
      if (payload.toString() !== String(round)) return
      unanswered = 0
      if (flowing) return
      flowing = true
      onFlow()
    },
    flows: () => flowing,
    reset() {
      round++
      unanswered = 0
      flowing = false
    },
  }
}
