import { UnavailableError } from './errors.ts'

/** Lets so much go on at once for each key, in the order in which it came. */
export interface Turns {
  /** Runs `work` when its turn has come. @throws UnavailableError where that takes too long. */
  take<T>(key: string, work: () => Promise<T>): Promise<T>
}

export interface TurnsOptions {
  /** For each key. */
  atOnce: number
  /** For each key; more are refused at once. */
  maxWaiting: number
  waitMs: number
}

interface Line {
  running: number
  waiting: (() => void)[]
}

export function createTurns({ atOnce, maxWaiting, waitMs }: TurnsOptions): Turns {
  const lines = new Map<string, Line>()

  function tooLong(): UnavailableError {
    return new UnavailableError('Too much is going on here. Try again.')
  }

  function turnIn(line: Line): Promise<void> {
    if (line.running < atOnce) {
      line.running++
      return Promise.resolve()
    }
    if (line.waiting.length >= maxWaiting) return Promise.reject(tooLong())
    return new Promise((resolve, reject) => {
      const begin = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        line.waiting.splice(line.waiting.indexOf(begin), 1)
        reject(tooLong())
      }, waitMs)
      line.waiting.push(begin)
    })
  }

  return {
    async take(key, work) {
      const line = lines.get(key) ?? { running: 0, waiting: [] }
      lines.set(key, line)
      await turnIn(line)
      try {
        return await work()
      } finally {
        // The turn goes to the next, or is given back.
        const next = line.waiting.shift()
        if (next) next()
        else if (--line.running === 0) lines.delete(key)
      }
    },
  }
}
