import type { Faults } from '../../../src/live/faults.ts'
import type { Fault, Symptom } from '../fault.ts'
import type { BusTrouble } from '../node.ts'
import { waitUntil } from '../wait.ts'

// A check that has never found anything proves nothing. Here what keeps delivery right is switched off, piece by piece,
// and the check must find what comes of that.

interface Detector {
  name: string
  says: string
  detects: Symptom
  off: Faults
  trouble?: BusTrouble
  /** From the middle of the load on. */
  later?: BusTrouble
}

function detector({ name, says, detects, off, trouble = {}, later }: Detector): Fault {
  return {
    name,
    says,
    detects,
    world: () => ({
      nodes: [
        { faults: off, trouble },
        { faults: off, trouble },
      ],
    }),
    async inject({ nodes, load }, size) {
      if (later) for (const node of nodes) node.order({ do: 'trouble', trouble: later })
      const due = load.acknowledged() + size.acknowledged / 5
      await waitUntil('more acknowledged operations', 60_000, () => load.acknowledged() >= due)
    },
  }
}

export const detectors: Fault[] = [
  detector({
    name: 'check-finds-lost',
    says: 'Check of the check: events get lost on the bus, and holes are not filled. Something must be lost.',
    detects: 'lost',
    off: { fillHoles: false },
    trouble: { drop: 7 },
  }),
  detector({
    name: 'check-finds-lost-tail',
    says: 'Check of the check: the last events get lost on the bus, and heads are not compared. Something must be lost.',
    detects: 'lost',
    off: { compareHeads: false },
    later: { drop: 1 },
  }),
  detector({
    name: 'check-finds-duplicated',
    says: 'Check of the check: the bus repeats events, and repeats are not dropped. Something must be duplicated.',
    detects: 'duplicated',
    off: { dropRepeats: false },
    trouble: { repeat: 5 },
  }),
  detector({
    name: 'check-finds-out-of-order',
    says: 'Check of the check: the bus swaps events, and nothing puts them in order. Something must be out of order.',
    detects: 'outOfOrder',
    off: { fillHoles: false, dropRepeats: false },
    trouble: { swap: 7 },
  }),
  detector({
    name: 'check-finds-leaked',
    says: "Check of the check: a removed participant's access is not ended. Something must leak.",
    detects: 'leaked',
    off: { endAccess: false },
  }),
]
