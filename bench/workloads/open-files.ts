import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Bench } from '../harness/workload.ts'

/** Beside the sockets. */
const OTHERS = 500

/**
 * As many sockets as were asked for, or as a process may open: the limit is raised for all that the bench starts from now
 * on, where that is allowed.
 */
export function openFilesAllow(sockets: number, bench: Bench): number {
  if (limit() < sockets + OTHERS) {
    const wanted = sockets + OTHERS
    spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${wanted}:${wanted}`], { stdio: 'ignore' })
  }
  const allowed = Math.min(sockets, Math.floor((limit() - OTHERS) / 100) * 100)
  if (allowed < sockets) bench.note(`${allowed} sockets instead of ${sockets}: a process may open no more files here.`)
  return allowed
}

/** Node raises what it may use to what it may have. */
function limit(): number {
  try {
    const line = readFileSync('/proc/self/limits', 'utf8').match(/^Max open files\s+\S+\s+(\S+)/m)?.[1]
    return line === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line)
  } catch {
    // No Linux: as much as is wanted, and an error if that is too much.
    return Number.POSITIVE_INFINITY
  }
}
