import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { SECRET } from './app.ts'

export interface ServerProcess {
  url: string
  process: ChildProcess
  /** Sends the signal; resolves once the process has ended. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Starts a server as `npm start` does, in a process of its own; resolves once it listens. */
export async function startServerProcess(env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: { ...process.env, PORT: '0', JWT_SECRET: SECRET, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  const url = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
      const told = /http:\/\/\S+(?=\/graphql)/.exec(output)
      if (told) resolve(told[0])
    })
    void ended.then(() => reject(new Error(`The server did not start:\n${output}`)))
  })
  return {
    url,
    process: child,
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}
