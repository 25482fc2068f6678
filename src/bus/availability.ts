import { ReplyError } from 'ioredis'
import type { Logger } from '../lib/log.ts'

/** Whether events flow, who is told when they do again, and what the log says of it. */
export interface Availability {
  isUp(): boolean
  /** Notes that events no longer flow; logs it where that is news. */
  down(reason: Error | undefined): void
  /** Notes that they flow, and tells so where they did not. */
  up(details: object): void
  /** Logs the first answer of Redis that is an error. What fails otherwise does for an outage, which is told already. */
  refused(error: Error): void
  /** Gives back how the callback is taken away. */
  onReconnect(callback: () => void): () => void
  /** Down from now on, without a word. */
  close(): void
}

export function createAvailability(log: Logger): Availability {
  const callbacks = new Set<() => void>()
  let up = false
  let closed = false
  let outageLogged = false
  let refusalLogged = false

  return {
    isUp: () => up,
    down(reason) {
      up = false
      if (outageLogged || closed) return
      outageLogged = true
      log.warn({ reason: reasonOf(reason) }, 'bus: Redis is away; events are late until it is back')
    },
    up(details) {
      if (up || closed) return
      up = true
      if (outageLogged) log.info(details, 'bus: Redis is back')
      outageLogged = false
      refusalLogged = false
      for (const callback of callbacks) {
        try {
          callback()
        } catch (err) {
          log.error({ err }, 'bus: a reconnect callback failed')
        }
      }
    },
    refused(error) {
      if (refusalLogged || !(error instanceof ReplyError)) return
      refusalLogged = true
      log.error({ reason: reasonOf(error) }, 'bus: Redis refuses a command')
    },
    onReconnect(callback) {
      callbacks.add(callback)
      return () => callbacks.delete(callback)
    },
    close() {
      closed = true
      up = false
    },
  }
}

/** The message alone: the error itself holds the command that failed, and that may hold the password. */
function reasonOf(error: NodeJS.ErrnoException | undefined): string | undefined {
  return error?.message || error?.code
}
