// What the bench and its processes say to each other over the channel that fork opens.

/** From the process, once it can be asked. */
export interface Ready {
  ready: true
  /** Where it listens, if it does. */
  url: string
}

export interface Command {
  id: number
  command: string
  args: unknown
}

export interface Answer {
  id: number
  result?: unknown
  error?: string
}

export type Handler = (args: never) => unknown

/** Microseconds of CPU since the process began. */
export interface Cpu {
  userUs: number
  systemUs: number
}

/**
 * Answers the bench's commands, those two that every process knows among them: `cpu` and `memory`. The process ends with
 * the bench, however that ends.
 */
export function answerBench(url: string, handlers: Record<string, Handler> = {}): void {
  const all: Record<string, Handler> = {
    cpu: (): Cpu => {
      const { user, system } = process.cpuUsage()
      return { userUs: user, systemUs: system }
    },
    memory: () => {
      // Twice, as the first time frees what has finalizers.
      globalThis.gc?.()
      globalThis.gc?.()
      return { rss: process.memoryUsage.rss() }
    },
    ...handlers,
  }
  process.once('disconnect', () => process.exit())
  // The terminal's Ctrl-C reaches all of them: the bench ends them.
  process.on('SIGINT', () => {})
  process.on('message', async ({ id, command, args }: Command) => {
    const handler = all[command]
    try {
      if (!handler) throw new Error(`There is no command ${command}.`)
      process.send!({ id, result: await handler(args as never) } satisfies Answer)
    } catch (error) {
      process.send!({ id, error: (error as Error).stack ?? String(error) } satisfies Answer)
    }
  })
  process.send!({ ready: true, url } satisfies Ready)
}

/** What the bench gave the process when it was started. */
export function benchArgs<Args>(): Args {
  return JSON.parse(process.env.BENCH_ARGS ?? '{}') as Args
}
