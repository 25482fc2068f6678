import { type Logger, pino } from 'pino'

export type { Logger }

/**
 * A logger that writes one JSON object a line to stdout. JSON encodes control characters, so what users send can't
 * forge a line.
 */
export function createLogger(level: string): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime })
}
