import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  access,
  chown,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Logger } from '../../lib/log.ts'
import { type Account, accountFor, canReach, isRoot, makeShared, sharedFolder } from './account.ts'
import { type Binaries, findBinaries, program, runnableBy } from './binaries.ts'

const run = promisify(execFile)

/** What one postmaster serves: a folder of databases, and what it takes to start it. */
export interface Cluster {
  folder: string
  logFile: string
  /** Of the superuser `postgres`. */
  password: string
  account: Account
  binaries: Binaries
}

/** A first start that was broken off leaves its unfinished folder; no initdb takes this long. */
const ABANDONED_AFTER_MS = 600_000

/**
 * Finds the cluster of a data folder, or makes it.
 * @throws Error of one line.
 */
export async function openCluster(dataDir: string, log: Logger): Promise<Cluster> {
  const installed = await findBinaries()
  const home = await writableFolder(dataDir)
  // A major version can't read another one's files.
  const name = `postgresql-${Number.parseInt(installed.version, 10)}`
  const inHome = path.join(home, name)
  const shared = path.join(sharedFolder, createHash('sha256').update(home).digest('hex').slice(0, 12), name)

  // One that exists is used wherever it is, so that changed permissions never make Parley start anew on an empty one.
  const existing = (await exists(inHome)) ? inHome : (await exists(shared)) ? shared : undefined
  const account = await accountFor(existing)
  const folder = existing ?? ((await reachable(home, account)) ? inHome : shared)
  if (folder === inHome && !(await reachable(home, account))) {
    throw new Error(`PostgreSQL runs as the user with id ${account.uid}, who can't enter a folder above ${inHome}`)
  }
  if (folder === shared) {
    await makeShared(path.dirname(shared))
    log.info({ dataDir: home, folder }, "PostgreSQL keeps its files elsewhere, as its user can't reach the data folder")
  }

  const binaries = await runnableBy(account, installed, log)
  await removeAbandoned(folder)
  if (!existing || (await readdir(existing)).length === 0) await createCluster(folder, account, binaries)
  const password = await readFile(passwordFile(folder), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`PostgreSQL's password can't be read from ${passwordFile(folder)} (${cause.code})`, { cause })
  })
  return { folder, logFile: path.join(home, 'postgresql.log'), password, account, binaries }
}

/** In the cluster's own folder, so that the two can't come apart: a copy of one is a copy of both. */
function passwordFile(folder: string): string {
  return path.join(folder, 'parley.password')
}

async function writableFolder(dataDir: string): Promise<string> {
  try {
    await mkdir(dataDir, { recursive: true })
    await access(dataDir, constants.W_OK | constants.X_OK)
    return await realpath(dataDir)
  } catch (cause) {
    throw new Error(`The data folder ${dataDir} can't be written (${(cause as NodeJS.ErrnoException).code})`, { cause })
  }
}

async function reachable(folder: string, account: Account): Promise<boolean> {
  return !isRoot() || canReach(folder, account)
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}

/**
 * Makes the cluster beside its place and then moves it there: a start that is broken off leaves no half of one, and of
 * two at once the first to finish wins.
 */
async function createCluster(folder: string, account: Account, binaries: Binaries): Promise<void> {
  const work = await mkdtemp(`${folder}.new-`)
  try {
    const data = path.join(work, 'data')
    await mkdir(data, { mode: 0o700 })
    await writeFile(path.join(work, 'password'), randomBytes(24).toString('base64url'), { mode: 0o600 })
    if (account.uid !== undefined && account.gid !== undefined) {
      for (const each of [work, data, path.join(work, 'password')]) await chown(each, account.uid, account.gid)
    }
    await initdb(data, path.join(work, 'password'), account, binaries)
    await rename(path.join(work, 'password'), passwordFile(data))
    await rename(data, folder).catch(async (error) => {
      if (!(await exists(path.join(folder, 'PG_VERSION')))) throw error
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function initdb(data: string, passwordFile: string, account: Account, binaries: Binaries): Promise<void> {
  const args = ['-D', data, '-U', 'postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8']
  // Orders as C does, byte by byte, but knows the upper and lower case of more than ASCII.
  args.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  try {
    await run(program(binaries, 'initdb'), args, { ...account, cwd: '/', env: { LC_ALL: 'C' } })
  } catch (cause) {
    const { stderr, message } = cause as Error & { stderr?: string }
    const lines = (stderr || message).trim().split('\n')
    const reason = lines.find((line) => /(error|fatal|panic):/i.test(line)) ?? lines.at(-1)
    throw new Error(`PostgreSQL's folder can't be made in ${path.dirname(path.dirname(data))}: ${reason}`, { cause })
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  const parent = path.dirname(folder)
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${path.basename(folder)}.new-`)) continue
    const { mtimeMs } = await stat(path.join(parent, name)).catch(() => ({ mtimeMs: Date.now() }))
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MS) await rm(path.join(parent, name), { recursive: true, force: true })
  }
}
