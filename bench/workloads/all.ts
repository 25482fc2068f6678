import type { Workload } from '../harness/workload.ts'
import { fanOut } from './w01-fan-out.ts'
import { bursts } from './w02-bursts.ts'
import { rooms } from './w03-rooms.ts'
import { sendSpread } from './w04-send-spread.ts'
import { sendHot } from './w05-send-hot.ts'
import { request } from './w06-request.ts'
import { pages } from './w07-pages.ts'
import { idle } from './w08-idle.ts'
import { liveQueries } from './w09-live-queries.ts'
import { growth } from './w10-growth.ts'
import { outage } from './w11-outage.ts'
import { stalled } from './w12-stalled.ts'

/** In the order in which they are run. */
export const WORKLOADS: Workload[] = [
  ...[fanOut, bursts, rooms, sendSpread, sendHot, request],
  ...[pages, idle, liveQueries, growth, outage, stalled],
]
