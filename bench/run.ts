// The benchmark: npm run bench -- --help

import { parseArgs } from 'node:util'
import { pinBench } from './harness/cores.ts'
import { createMachine, describeMachine, type Machine } from './harness/machine.ts'
import { type Occasion, type Outcome, terminalText, writeDocs, writeJson } from './harness/report.ts'
import type { Sample, Side, Size, Workload } from './harness/workload.ts'
import { WORKLOADS } from './workloads/all.ts'

/** What the user can mend: told in one line. */
class UsageError extends Error {}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

try {
  const { workloads, size, rounds, help } = readArguments()
  if (help) process.stdout.write(helpText())
  else await runAll(workloads, size, rounds)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof UsageError ? error.message : (error as Error).stack}\n`)
  process.exitCode = 1
}

/** `rounds` is undefined where each workload has its own number. */
function readArguments(): { workloads: Workload[]; size: Size; rounds: number | undefined; help: boolean } {
  const { values, positionals } = parse()
  if (values.quick && values.full) throw new UsageError('--quick and --full exclude each other.')
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new UsageError('--rounds is a number from 1 on.')
  }
  const byName = new Map(WORKLOADS.map((workload) => [workload.name, workload]))
  const chosen = positionals.map((name) => {
    const workload = byName.get(name.toLowerCase())
    if (!workload) throw new UsageError(`There is no workload ${name}. There are ${[...byName.keys()].join(', ')}.`)
    return workload
  })
  const size = values.quick ? 'quick' : values.full ? 'full' : 'normal'
  return { workloads: chosen.length > 0 ? chosen : WORKLOADS, size, rounds, help: values.help }
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function helpText(): string {
  const names = WORKLOADS.map(({ name, title }) => `  ${name.padEnd(5)} ${title}\n`).join('')
  return `npm run bench -- [--quick | --full] [--rounds <n>] [workload …]

Measures Parley beside other servers that do the same work. All workloads, unless some are named:

${names}
  --quick  small and seldom, to see that all works: under a minute, and docs/performance.md stays as it is
  --full   with what takes many minutes
  --rounds how often each side is measured; five times if left out, or three where each takes long
  --help   this text

PostgreSQL and Redis are started for it. The figures go to the terminal, to bench/results.json and, but for --quick,
into docs/performance.md.
`
}

async function runAll(workloads: Workload[], size: Size, rounds: number | undefined): Promise<void> {
  pinBench()
  const machine = createMachine()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // PostgreSQL and Redis end with this process, the others when its channel to them closes.
    process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143))
  }
  const occasion: Occasion = { date: new Date().toISOString(), machine: describeMachine(), size }
  const outcomes: Outcome[] = []
  process.stdout.write(`${occasion.machine}\n\n`)
  try {
    for (const workload of workloads) {
      const outcome = await runWorkload(workload, size, rounds ?? roundsOf(workload, size), machine)
      outcomes.push(outcome)
      process.stdout.write(`${terminalText(occasion, outcome)}\n`)
      // After each, so that an end halfway loses nothing.
      await writeJson(occasion, outcomes)
      if (size !== 'quick') await writeDocs(occasion, [outcome])
    }
  } finally {
    await machine.stop()
  }
}

function roundsOf({ rounds }: Workload, size: Size): number {
  return size === 'quick' ? rounds.quick : rounds.normal
}

/** Each side in turn, so that all of them share the machine's moods. */
async function runWorkload(workload: Workload, size: Size, rounds: number, machine: Machine): Promise<Outcome> {
  const sides = size === 'quick' ? quickSidesOf(workload) : workload.sides.map(({ name }) => name)
  const samples = new Map<string, Sample[]>(sides.map((side) => [side, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const name of sides) {
      progress(`${workload.name} ${round}/${rounds} ${name}`)
      try {
        samples.get(name)!.push(await workload.run(name, size, machine.bench))
      } catch (cause) {
        throw new Error(`${workload.name}, ${name}: ${(cause as Error).message}`, { cause })
      } finally {
        await machine.endRun()
      }
    }
  }
  progress('')
  return { workload, samples, notes: machine.takeNotes() }
}

/** Between them the workloads run each side's server. */
function quickSidesOf({ sides, quickSides }: Workload): string[] {
  if (quickSides) return quickSides
  const first = (wanted: Side['role']) => sides.find(({ role }) => role === wanted)
  const chosen = sides.filter((side) => side.role === 'parley' || side === first('peer') || side === first('limit'))
  return chosen.map(({ name }) => name)
}

/** On a line that the next one overwrites, for whoever watches. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
