import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

// The server that is measured has a core of its own; clients, PostgreSQL, Redis and the bench itself share the other.

export const SERVER_CORE = 0
export const CLIENT_CORE = 1

let pins: boolean | undefined

/** Whether there are two cores, and taskset to hold processes on them. */
export function canPin(): boolean {
  pins ??= cpus().length >= 2 && spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0
  return pins
}

/** Holds this process on the clients' core, and so all that it starts without saying otherwise. */
export function pinBench(): void {
  if (!canPin()) return
  spawnSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(CLIENT_CORE), String(process.pid)], {
    stdio: 'ignore',
  })
}
