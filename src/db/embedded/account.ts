// PostgreSQL refuses to run as root. So as root, and only then, it runs as another user.

import { execFile } from 'node:child_process'
import { chmod, mkdir, stat } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Whom PostgreSQL's programs run as, in the form that child_process takes; empty for whoever runs Parley. */
export interface Account {
  uid?: number
  gid?: number
}

/** Where root keeps what that other user can't reach in the data folder or in node_modules. */
export const sharedFolder = '/var/lib/parley'

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/**
 * Whom PostgreSQL runs as: for root, the owner of the cluster's folder if there is one already, else the user
 * `postgres`, which is made if missing.
 * @throws Error of one line if the folder is another user's, or that user can't be made.
 */
export async function accountFor(existing: string | undefined): Promise<Account> {
  const owner = existing === undefined ? undefined : await stat(existing)
  if (isRoot()) return switchable(owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : await postgresUser())
  if (owner && process.getuid && owner.uid !== process.getuid()) {
    throw new Error(`${existing} belongs to the user with id ${owner.uid}: run Parley as that user or as root`)
  }
  return {}
}

/** The same account, once it is known that root may become that user: a container may have taken this from it. */
async function switchable(account: Account): Promise<Account> {
  try {
    await run('true', { ...account, cwd: '/' })
    return account
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(
      `PostgreSQL doesn't run as root, and can't be run as the user with id ${account.uid} (${code}): ` +
        'run Parley as another user, or set DATABASE_URL',
      { cause },
    )
  }
}

async function postgresUser(): Promise<Account> {
  const ids = async () => {
    const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  }
  const found = await ids().catch(() => undefined)
  if (found) return found
  const made = run('useradd', ['--system', '--user-group', '--shell', '/usr/sbin/nologin', 'postgres'])
  const failure: unknown = await made.then(
    () => undefined,
    (error) => error,
  )
  // Asked again even after a failure: another process may have made it in the same moment.
  return ids().catch((missing) => {
    const cause = failure ?? missing
    throw new Error(
      `PostgreSQL doesn't run as root, and the user postgres can't be made (${firstLine(cause)}): ` +
        'make it, run Parley as another user, or set DATABASE_URL',
      { cause },
    )
  })
}

function firstLine(error: Error & { stderr?: string }): string {
  return (error.stderr || error.message).trim().split('\n')[0] ?? ''
}

/** Whether `account` may pass through `folder`, and each one above it. */
export async function canReach(folder: string, account: Account): Promise<boolean> {
  // Asked of the system rather than worked out from modes, which don't tell of access lists.
  return succeeds('test', ['-x', folder], account)
}

/** Whether a program can be run as `account` and ends with 0. */
export async function succeeds(program: string, args: string[], account: Account): Promise<boolean> {
  try {
    await run(program, args, { ...account, cwd: '/' })
    return true
  } catch {
    return false
  }
}

/** Makes a folder under sharedFolder, open to every user whatever the umask. */
export async function makeShared(folder: string): Promise<void> {
  for (const each of [sharedFolder, folder]) {
    await mkdir(each, { recursive: true })
    await chmod(each, 0o755)
  }
}
