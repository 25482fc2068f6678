import { readFile, writeFile } from 'node:fs/promises'
import { figuresOf, mediansOf, ratio, spreadOf } from './measure.ts'
import type { Sample, Size, Workload } from './workload.ts'

/** What came of a workload. */
export interface Outcome {
  workload: Workload
  /** The samples of each round, by the side's name. */
  samples: ReadonlyMap<string, readonly Sample[]>
  notes: string[]
}

/** When, where and how all was measured. */
export interface Occasion {
  date: string
  machine: string
  size: Size
}

const BEGIN = '<!-- figures -->'
const END = '<!-- /figures -->'
const JSON_FILE = new URL('../results.json', import.meta.url)
const DOCS_FILE = new URL('../../docs/performance.md', import.meta.url)

/** What the terminal shows of a workload. */
export function terminalText({ size }: Occasion, outcome: Outcome): string {
  const { workload, notes } = outcome
  const rows = [headerOf(workload), ...rowsOf(outcome)]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const table = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  )
  const indented = [...table, ...verdictsOf(outcome, size), ...notes.map((note) => `Note: ${note}`)].map(
    (line) => `  ${line}`,
  )
  return [`${workload.name.toUpperCase()}  ${workload.title}`, ...indented, ''].join('\n')
}

/** Everything, for programs: each sample as it was taken. */
export async function writeJson(occasion: Occasion, outcomes: readonly Outcome[]): Promise<void> {
  const workloads = outcomes.map((outcome) => {
    const { workload, samples, notes } = outcome
    const { name, title, measures, unit, target } = workload
    const medians = mediansOf(samples)
    const reached = occasion.size === 'quick' ? null : target.reached(medians)
    return {
      ...{ name, title, measures, unit, notes },
      figures: Object.fromEntries([...figuresOf(samples)].map(([key, values]) => [key, spreadOf(values)])),
      ratios: target.ratios.map((each) => ({ ...each, ratio: ratio(medians, each.of, each.to) })),
      target: { text: target.text, reached },
      samples: Object.fromEntries(samples),
    }
  })
  await writeFile(JSON_FILE, `${JSON.stringify({ ...occasion, workloads }, null, 2)}\n`)
}

/** Puts the figures between the marks of docs/performance.md; those of workloads that were not run stay. */
export async function writeDocs(occasion: Occasion, outcomes: readonly Outcome[]): Promise<void> {
  const text = await readFile(DOCS_FILE, 'utf8')
  const [before, figures, after] = splitAtMarks(text)
  const sections = new Map(
    figures
      .split(/^(?=### )/m)
      .filter((section) => section.startsWith('### '))
      .map((section) => [section.slice(4).split('.', 1)[0]!, section.trim()]),
  )
  for (const outcome of outcomes) sections.set(outcome.workload.name.toUpperCase(), sectionOf(occasion, outcome))
  const sorted = [...sections].sort(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }))
  await writeFile(DOCS_FILE, `${before}${BEGIN}\n${sorted.map(([, section]) => section).join('\n\n')}\n${END}${after}`)
}

function splitAtMarks(text: string): [string, string, string] {
  const [before, rest] = text.split(BEGIN)
  const [figures, after] = rest?.split(END) ?? []
  if (figures === undefined || after === undefined) throw new Error(`docs/performance.md lacks ${BEGIN} … ${END}.`)
  return [before!, figures, after]
}

function sectionOf({ date, machine, size }: Occasion, outcome: Outcome): string {
  const { workload, notes } = outcome
  const header = headerOf(workload)
  const rows = [header, header.map((_, column) => (column === 0 ? '---' : '---:')), ...rowsOf(outcome)]
  return [
    `### ${workload.name.toUpperCase()}. ${workload.title}`,
    workload.measures,
    rows.map((row) => `| ${row.join(' | ')} |`).join('\n'),
    [...verdictsOf(outcome, size), ...notes].map((line) => `- ${line}`).join('\n'),
    `${date.slice(0, 10)}, ${machine}`,
  ].join('\n\n')
}

function headerOf({ unit }: Workload): string[] {
  return ['', unit, 'least', 'most', 'rounds']
}

/** A row for each side's value, and one for each of its further figures. */
function rowsOf({ samples }: Outcome): string[][] {
  const figures = figuresOf(samples)
  return [...samples.keys()].flatMap((side) =>
    [...figures]
      .filter(([key]) => key === side || key.startsWith(`${side}.`))
      .map(([key, values]) => {
        const { median, min, max } = spreadOf(values)
        const name = key === side ? side : `${side}: ${key.slice(side.length + 1)}`
        return [name, ...[median, min, max].map(format), String(values.length)]
      }),
  )
}

function verdictsOf({ workload, samples }: Outcome, size: Size): string[] {
  const medians = mediansOf(samples)
  // Some figures belong to sizes that were not measured.
  const ratios = workload.target.ratios
    .map(({ text, of, to }) => ({ text, value: ratio(medians, of, to) }))
    .filter(({ value }) => Number.isFinite(value))
    .map(({ text, value }) => `${text}: ${format(value)}`)
  const reached = size === 'quick' ? null : workload.target.reached(medians)
  const verdict = reached === null ? 'not judged here' : reached ? 'reached' : 'not reached'
  return [...ratios, `Target: ${workload.target.text} (${verdict})`]
}

/** Three digits that count. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}
