import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import path from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const HINT = 'Chromium is missing: install it by `apt-get install chromium`, or put google-chrome on the PATH.'

/**
 * The path of a Chromium or Chrome, which is installed where that can be done without asking. Null, with the reason
 * printed, where there is none; in CI (CI=true) that is an error.
 */
export function findChromium(): string | null {
  const found = onPath() ?? (canInstall() ? install() : undefined)
  if (found) return found
  if (process.env.CI === 'true') throw new Error(HINT)
  process.stderr.write(`Tests in a browser are skipped. ${HINT}\n`)
  return null
}

function onPath(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  return folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name))).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** As root on Debian and what is made from it, which has apt-get. */
function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

function install(): string | undefined {
  process.stderr.write('Installing Chromium, for tests in a browser: apt-get install chromium\n')
  const run = (...args: string[]) =>
    execFileSync('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, stdio: 'pipe' })
  try {
    run('update', '--quiet')
    run('install', '--quiet', '--yes', '--no-install-recommends', 'chromium')
  } catch (error) {
    process.stderr.write(`apt-get failed: ${(error as Error).message.trim()}\n`)
  }
  return onPath()
}
