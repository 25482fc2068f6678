import type { Medians, Sample } from './workload.ts'

export interface Spread {
  median: number
  min: number
  max: number
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** Between the two nearest ones where none stands there. Not a number where there are no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)]
  const above = sorted[Math.ceil(place)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** All figures of the rounds, by the keys of Medians. */
export function figuresOf(samples: ReadonlyMap<string, readonly Sample[]>): Map<string, number[]> {
  const figures = new Map<string, number[]>()
  const add = (key: string, value: number) => figures.set(key, [...(figures.get(key) ?? []), value])
  for (const [side, ofSide] of samples) {
    for (const { value, more = {} } of ofSide) {
      add(side, value)
      for (const [name, figure] of Object.entries(more)) add(`${side}.${name}`, figure)
    }
  }
  return figures
}

export function mediansOf(samples: ReadonlyMap<string, readonly Sample[]>): Medians {
  return new Map([...figuresOf(samples)].map(([key, values]) => [key, median(values)]))
}

/** One median divided by another, or by the least of others; not a number where one is missing. */
export function ratio(medians: Medians, of: string, to: string | readonly string[]): number {
  return (medians.get(of) ?? Number.NaN) / least(medians, [to].flat())
}

/** The least of these medians; not a number where all are missing. */
export function least(medians: Medians, keys: readonly string[]): number {
  const present = keys.flatMap((key) => medians.get(key) ?? [])
  return present.length > 0 ? Math.min(...present) : Number.NaN
}
