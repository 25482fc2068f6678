import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** How a node goes about the outbox. */
export type Make = 'sound' | 'notesTooEarly' | 'takesNewest'

export interface Node {
  /** As a power cut would: kill -9. */
  kill(): Promise<void>
}

/** Starts a node in a process of its own, on a database that others may be on too. */
export async function startNode(databaseUrl: string, make: Make = 'sound'): Promise<Node> {
  const script = new URL('node-process.ts', import.meta.url).pathname
  const args = ['--import', 'tsx', script, databaseUrl, make]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const abandon = () => child.kill('SIGKILL')
  process.once('exit', abandon)
  await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error('the node ended before it listened'))),
  ])
  return { kill: () => kill(child).finally(() => process.off('exit', abandon)) }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
