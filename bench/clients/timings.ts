import { nowUs } from '../sides/room.ts'

export interface Latencies {
  p50Ms: number
  p99Ms: number
  maxMs: number
}

/** When deliveries came. */
export interface Timings<Subscriber> {
  /** A message that was published at `atUs` has come now. */
  add(subscriber: Subscriber, atUs: number): void
  /** From publishing to delivery, since the last time this was asked. */
  latencies(): Latencies
  /** Recovery counts from then on. */
  mark(atUs: number): void
  /** Until the last of so many had got a message published since the mark; not a number where one never did. */
  recoveryMs(subscribers: number): number
}

export function createTimings<Subscriber>(): Timings<Subscriber> {
  let latenciesUs: number[] = []
  let markUs = Number.POSITIVE_INFINITY
  /** From the mark to the first message that was published since. */
  const firstUs = new Map<Subscriber, number>()

  return {
    add(subscriber, atUs) {
      const now = nowUs()
      latenciesUs.push(now - atUs)
      if (atUs >= markUs && !firstUs.has(subscriber)) firstUs.set(subscriber, now - markUs)
    },
    latencies() {
      const sorted = Float64Array.from(latenciesUs).sort()
      latenciesUs = []
      const atMs = (share: number) => (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN) / 1_000
      return { p50Ms: atMs(0.5), p99Ms: atMs(0.99), maxMs: atMs(1) }
    },
    mark(atUs) {
      markUs = atUs
    },
    recoveryMs: (subscribers) => (firstUs.size < subscribers ? Number.NaN : Math.max(...firstUs.values()) / 1_000),
  }
}
