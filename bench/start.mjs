// Installs what the benchmark needs, builds Parley as it is run in production, and begins. npm run bench -- --help

import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const bench = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))

if (!existsSync(new URL('node_modules', import.meta.url))) run('npm', ['ci', '--no-audit', '--no-fund'], bench)
run('npm', ['run', '--silent', 'build'], root)

const child = spawn(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
// It gets the terminal's Ctrl-C itself, and is waited for.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code) => {
  process.exitCode = code ?? 1
})

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
