import type { Fault } from './fault.ts'
import { clients } from './faults/clients.ts'
import { crashes } from './faults/crashes.ts'
import { detectors } from './faults/detectors.ts'
import { postgresFaults } from './faults/postgres.ts'
import { redisFaults } from './faults/redis.ts'

/** Every fault, in the order in which they are run: first that the checks find anything at all. */
export const FAULTS: Fault[] = [...detectors, ...crashes, ...redisFaults, ...postgresFaults, ...clients]
