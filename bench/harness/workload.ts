import type { TestRedis } from '../../test/support/redis.ts'
import type { BenchProcess, StartOptions } from './process.ts'

// What a workload is, and what it may use.

/** quick: to see that all works, in a few seconds each. full: with what takes many minutes. */
export type Size = 'quick' | 'normal' | 'full'

export interface Side {
  /** In the table, in `run` and in ratios. */
  name: string
  /** limit: what the same bytes cost without a server around them. */
  role: 'parley' | 'peer' | 'limit'
}

/** What one run came to. */
export interface Sample {
  /** In the workload's unit; the table's main figure. */
  value: number
  /** Further figures by name, each with its unit in the name. */
  more?: Record<string, number>
}

/**
 * Medians over the rounds: of `value` by the side's name ('parley'), of each of `more` by the side's name, a dot and its
 * own ('parley.p99 ms').
 */
export type Medians = ReadonlyMap<string, number>

export interface Ratio {
  text: string
  /** A key of Medians, divided by `to`. */
  of: string
  /** A key of Medians, or several, of which the least counts. */
  to: string | readonly string[]
}

export interface Target {
  text: string
  /** Null where that can't be said of these medians. Not asked of those of --quick. */
  reached(medians: Medians): boolean | null
  ratios: Ratio[]
}

export interface Workload {
  /** By which it is called: w1. */
  name: string
  title: string
  /** What is counted, from when to when, in a sentence or two. */
  measures: string
  unit: string
  sides: Side[]
  target: Target
  rounds: { quick: number; normal: number }
  /** The sides that --quick runs; left out: Parley's, the first peer and the first limit. */
  quickSides?: string[]
  /** Measures one side once, from nothing. What it started by `bench` is ended for it. Throws where a check fails. */
  run(side: string, size: Size, bench: Bench): Promise<Sample>
}

/** What there is to measure with. */
export interface Bench {
  /** Starts a process: `file` is a path below bench/, such as sides/parley.ts. It ends with the run at the latest. */
  start(file: string, options?: StartOptions): Promise<BenchProcess>
  /**
   * The URL of a migrated database. The first call with a name makes and fills it; it stays as it is left until the end.
   */
  database(name: string, fill?: (url: string) => Promise<void>): Promise<string>
  /** A Redis, the same for all, started when it is first asked for. */
  redis(): Promise<TestRedis>
  /** Something that a reader of the figures must know, such as a smaller size. Said once. */
  note(text: string): void
}
