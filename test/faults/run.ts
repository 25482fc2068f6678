// The fault tests: two nodes, each a process, on a PostgreSQL and a Redis of their own, under a steady load; one fault
// after the other is put upon them, and the history of what the clients did and saw is compared with the tables.
//
//   npm run test:faults                    all of them, in full: about ten minutes
//   npm run test:faults -- redis-killed    this one; several names may be given
//   npm run test:faults -- --short         the short form, as npm test runs it for some
//   npm run test:faults -- --list          their names, and what each does
//   npm run test:faults -- --help          this
//
// Each fault is one row. It fails where anything was lost, duplicated, out of order or leaked, or where another invariant
// is broken; the lines below it say which. In rows named check-finds-… delivery is broken on purpose, and they fail where
// that is not found. Old and new version side by side: from the first release on. The exit code is 1 if any row failed. Ctrl-C ends everything that was started.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { FAULTS } from './all.ts'
import { type Fault, FULL, type Row, runFault, SHORT } from './fault.ts'
import { header, lineOf, summary } from './report.ts'
import { startServers } from './world.ts'

const print = (text: string) => process.stdout.write(`${text}\n`)

/** This file's head. */
function help(): string {
  const lines = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n')
}

function list(): string {
  return FAULTS.map(({ name, says }) => `${name.padEnd(26)}${says}`).join('\n')
}

/** @throws Error for a name that no fault has. */
function choose(names: string[]): Fault[] {
  const unknown = names.find((name) => !FAULTS.some((fault) => fault.name === name))
  if (unknown !== undefined) throw new Error(`There is no fault ${unknown}. See --list.`)
  return names.length > 0 ? FAULTS.filter(({ name }) => names.includes(name)) : FAULTS
}

/** Runs these faults one after the other, printing as it goes. */
async function runAll(faults: Fault[], short: boolean): Promise<Row[]> {
  const servers = await startServers()
  const rows: Row[] = []
  const from = performance.now()
  print(header())
  for (const fault of faults) {
    if (short && fault.onlyFull) continue
    print(`\n${fault.says}`)
    const row = await runFault(fault, servers, short ? SHORT : FULL)
    print(lineOf(row))
    rows.push(row)
  }
  await servers.stop()
  print(`\n${summary(rows, performance.now() - from)}`)
  return rows
}

async function main(args: string[]) {
  if (args.includes('--help') || args.includes('-h')) return print(help())
  if (args.includes('--list')) return print(list())
  const short = args.includes('--short')
  const faults = choose(args.filter((arg) => arg !== '--short'))
  const rows = await runAll(faults, short)
  if (rows.some(({ problems }) => problems.length > 0)) process.exitCode = 1
}

// What was started is ended by listeners of 'exit', wherever this ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
main(process.argv.slice(2)).then(
  () => process.exit(),
  (error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  },
)
