import { setTimeout as delay } from 'node:timers/promises'

const LOOK_MS = 20

/** Waits until something holds. Whether it did in time. */
export async function holdsWithin(milliseconds: number, holds: () => boolean | Promise<boolean>): Promise<boolean> {
  const giveUp = performance.now() + milliseconds
  while (!(await holds())) {
    if (performance.now() > giveUp) return false
    await delay(LOOK_MS)
  }
  return true
}

/** @throws Error naming what was waited for. */
export async function waitUntil(
  what: string,
  milliseconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  if (!(await holdsWithin(milliseconds, holds))) throw new Error(`${what}: not within ${milliseconds} ms`)
}
