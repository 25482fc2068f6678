// The Prisma CLI can't be quiet: what it says is shown only when it fails.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const cli = createRequire(import.meta.url).resolve('prisma/build/index.js')
const { status, stdout, stderr, error } = spawnSync(process.execPath, [cli, 'generate'], { encoding: 'utf8' })
if (status !== 0) process.stderr.write(error ? `${error.message}\n` : `${stdout}${stderr}`)
process.exitCode = status ?? 1
