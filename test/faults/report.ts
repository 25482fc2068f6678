import type { Row } from './fault.ts'

// What is printed fits in 120 columns.

const WIDTH = 120
const NAME = 25
const COLUMNS: [title: string, width: number, value: (row: Row) => string | number][] = [
  ['operations', 10, (row) => row.operations],
  ['acknowledged', 12, (row) => row.acknowledged],
  ['lost', 6, (row) => row.lost],
  ['duplicated', 10, (row) => row.duplicated],
  ['out of order', 12, (row) => row.outOfOrder],
  ['leaked', 6, (row) => row.leaked],
  ['recovery ms', 11, (row) => (row.recoveryMs === null ? '-' : Math.round(row.recoveryMs))],
]

export function header(): string {
  return ['fault'.padEnd(NAME), ...COLUMNS.map(([title, width]) => title.padStart(width)), '  result'].join(' ')
}

/** One line for a fault, and those below it that say what was found. */
export function lineOf(row: Row): string {
  if (row.notRun !== undefined) return `${row.name.padEnd(NAME)} not run: ${row.notRun}`
  const cells = COLUMNS.map(([, width, value]) => String(value(row)).padStart(width))
  const line = [row.name.padEnd(NAME), ...cells, row.problems.length > 0 ? '  FAILED' : '  ok'].join(' ')
  const more = [...row.notes.map((note) => `  ${note}`), ...row.problems.map((problem) => `  wrong: ${problem}`)]
  return [line, ...more.map(shorten)].join('\n')
}

function shorten(text: string): string {
  return text
    .split('\n')
    .map((line) => (line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line))
    .join('\n')
}

export function summary(rows: Row[], milliseconds: number): string {
  const failed = rows.filter(({ problems }) => problems.length > 0)
  const skipped = rows.filter(({ notRun }) => notRun !== undefined)
  const which = failed.length > 0 ? `: ${failed.map(({ name }) => name).join(', ')}` : ''
  return `${rows.length} faults in ${Math.round(milliseconds / 1000)} s, ${skipped.length} not run, ${failed.length} failed${which}`
}
