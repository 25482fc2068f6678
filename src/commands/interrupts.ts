import { constants } from 'node:os'

/**
 * Lets a command that writes end in order when it is interrupted, with an embedded PostgreSQL that it has started: the
 * signal that is given back is aborted with an Error of one line, and what can't stop half-way is finished. A second
 * interrupt ends the process at once.
 */
export function heedInterrupts(): AbortSignal {
  const controller = new AbortController()
  const interrupt = (name: NodeJS.Signals) => {
    process.exitCode = 128 + constants.signals[name]
    if (controller.signal.aborted) process.exit()
    controller.abort(new Error('Interrupted: nothing was written.'))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return controller.signal
}
