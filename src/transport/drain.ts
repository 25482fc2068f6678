import { setTimeout as wait } from 'node:timers/promises'

/** The end of a server as its clients see it: connections that last are told one by one to go elsewhere. */
export interface Drain {
  isUnderWay(): boolean
  /** Calls `leave` once, at a moment of the drain. Gives back how a connection that ended before is taken off. */
  add(leave: () => void): () => void
  /** Has everybody leave who is connected now, without an end of the server: they may come back at once. */
  sendAway(): void
  /** Begins it; resolves when its time is over and everybody has been told. */
  run(): Promise<void>
}

const SEND_AWAY_MS = 1_000

/** Everybody at their own random moment within `ms`, so that thousands of clients don't connect elsewhere at once. */
export function createDrain(ms: number): Drain {
  const connections = new Set<() => void>()
  const tellWithin = (period: number) => {
    for (const tell of connections) setTimeout(tell, Math.random() * period)
  }
  let state: 'serving' | 'draining' | 'over' = 'serving'

  return {
    isUnderWay: () => state !== 'serving',
    add(leave) {
      const tell = () => {
        if (connections.delete(tell)) leave()
      }
      connections.add(tell)
      if (state === 'over') tell()
      return () => connections.delete(tell)
    },
    sendAway() {
      tellWithin(SEND_AWAY_MS)
    },
    async run() {
      state = 'draining'
      tellWithin(ms)
      await wait(ms)
      state = 'over'
      // Those that came meanwhile.
      for (const tell of connections) tell()
    },
  }
}
