import { setTimeout as wait } from 'node:timers/promises'

/** The end of a server as its clients see it: connections that last are told one by one to go elsewhere. */
export interface Drain {
  isUnderWay(): boolean
  /** Calls `leave` once, at a moment of the drain. Gives back how a connection that ended before is taken off. */
  add(leave: () => void): () => void
  /** Begins it; resolves when its time is over and everybody has been told. */
  run(): Promise<void>
}

/** Everybody at their own random moment within `ms`, so that thousands of clients don't connect elsewhere at once. */
export function createDrain(ms: number): Drain {
  const connections = new Set<() => void>()
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
    async run() {
      state = 'draining'
      for (const tell of connections) setTimeout(tell, Math.random() * ms)
      await wait(ms)
      state = 'over'
      // Those that came meanwhile.
      for (const tell of connections) tell()
    },
  }
}
