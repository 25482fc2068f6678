import type { Medians } from '../harness/workload.ts'

/** The greatest of these medians; not a number where one is missing. */
export function most(medians: Medians, keys: readonly string[]): number {
  return Math.max(...keys.map((key) => medians.get(key) ?? Number.NaN))
}
