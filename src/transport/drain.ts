import { setTimeout as wait } from 'node:timers/promises'

export interface Leaver {
  leave(): void
}

/** The end of a server as its clients see it: connections that last are told one by one to go elsewhere. */
export interface Drain {
  isUnderWay(): boolean
  /** Has a connection leave, once, at a moment of the drain. */
  add(connection: Leaver): void
  /** Takes one off that has ended before. */
  remove(connection: Leaver): void
  /** Has everybody leave who is connected now, without an end of the server: they may come back at once. */
  sendAway(): void
  /** Begins it; resolves when its time is over and everybody has been told. */
  run(): Promise<void>
}

const SEND_AWAY_MS = 1_000

/** Everybody at their own random moment within `ms`, so that thousands of clients don't connect elsewhere at once. */
export function createDrain(ms: number): Drain {
  const connections = new Set<Leaver>()
  const tell = (connection: Leaver) => {
    if (connections.delete(connection)) connection.leave()
  }
  const tellWithin = (period: number) => {
    for (const connection of connections) setTimeout(tell, Math.random() * period, connection)
  }
  let state: 'serving' | 'draining' | 'over' = 'serving'

  return {
    isUnderWay: () => state !== 'serving',
    add(connection) {
      connections.add(connection)
      if (state === 'over') tell(connection)
    },
    remove: (connection) => void connections.delete(connection),
    sendAway() {
      tellWithin(SEND_AWAY_MS)
    },
    async run() {
      state = 'draining'
      tellWithin(ms)
      await wait(ms)
      state = 'over'
      // Those that came meanwhile.
      for (const connection of connections) tell(connection)
    },
  }
}
