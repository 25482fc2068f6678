import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../lib/clock.ts'
import type { FindUser } from './service.ts'
import type { UserRow } from './user.ts'

/**
 * For how long a user who was read stands for what the table says. All nodes must wait for the longest of any: to raise it
 * takes two releases, the wait first.
 */
const LEASE_MS = 100
/** Clocks don't all run at one speed, and timers may be early. */
const MARGIN_MS = 20
const MAX_LEASES = 1_000

/**
 * Who asks is looked for before anything else, and mostly asked a moment ago: a user who was read is lent for LEASE_MS,
 * counted from before the statement. A change of whether a user is let in is acknowledged once `outlastLeases` says that
 * no node lends what it read before; so it holds on all of them from then on, though news of it got lost. It halves what
 * a plain request over HTTP costs.
 */
export interface UserLeases {
  /** The user that the host application knows by this id, as the table said at most LEASE_MS ago or says now, or null. */
  find: FindUser
  /** Lends the user no more, here, because it was changed here. */
  forget(externalId: string): void
}

interface Lease {
  user: UserRow
  /** By performance.now(), which nobody sets. */
  until: number
  /** By the clock: performance.now() stands still while a machine is suspended. */
  untilDate: number
}

export function createUserLeases(findUser: FindUser, clock: Clock): UserLeases {
  const leases = new Map<string, Lease>()
  let forgotten = 0

  async function read(externalId: string): Promise<UserRow | null> {
    const forgottenBefore = forgotten
    const until = performance.now() + LEASE_MS
    const untilDate = clock.now() + LEASE_MS
    const user = await findUser(externalId)
    // What was read may be from before what was forgotten meanwhile.
    if (user && forgotten === forgottenBefore) lend(externalId, { user, until, untilDate })
    return user
  }

  /** The oldest lease is the first in the map. */
  function lend(externalId: string, lease: Lease) {
    leases.delete(externalId)
    leases.set(externalId, lease)
    if (leases.size > MAX_LEASES) leases.delete(leases.keys().next().value!)
  }

  return {
    async find(externalId) {
      const lease = leases.get(externalId)
      const isLent = lease && performance.now() < lease.until && clock.now() < lease.untilDate
      return isLent ? lease.user : read(externalId)
    },
    forget(externalId) {
      forgotten++
      leases.delete(externalId)
    },
  }
}

/** Resolves once no node lends what it read before the call. */
export function outlastLeases(): Promise<void> {
  return sleep(LEASE_MS + MARGIN_MS)
}
