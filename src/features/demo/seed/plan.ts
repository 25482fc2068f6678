import type { ConversationKind } from '../../../db/generated/enums.ts'
import type { JsonObject } from '../../../lib/json.ts'
import { directKey } from '../../conversations/direct.ts'
import { openingKeyOf } from '../../conversations/opening.ts'
import { DEMO_USERS } from '../users.ts'
import type { Random } from './random.ts'
import { AGENTS, TITLES } from './texts.ts'

/** How a conversation begins, and how long it gets. */
export interface Plan {
  kind: ConversationKind
  /** User ids of all who are in it from the opening on, in the order in which it lists them. */
  members: string[]
  /** The one of them who opens it; null: a service. */
  creator: string | null
  agent: string | null
  /** Who joins later, if it gets long enough. */
  latecomer: string | null
  title: string | null
  subjectId: string | null
  metadata: JsonObject
  directKey: string | null
  openingKey: string | null
  messages: number
  /** Hidden from everybody in the end. */
  isDeleted: boolean
}

/** Kinds take turns. 23 of them, so that neither of the demo users, with every second and third, misses a kind. */
const KINDS: readonly ConversationKind[] = [
  ...(['DIRECT', 'GROUP', 'JOB', 'DIRECT', 'SUPPORT', 'DIRECT', 'GROUP', 'DIRECT'] as const),
  ...(['ROLEPLAY', 'DIRECT', 'GENERAL', 'DIRECT', 'GROUP', 'JOB', 'DIRECT', 'DIRECT'] as const),
  ...(['SUPPORT', 'GROUP', 'DIRECT', 'JOB', 'DIRECT', 'GROUP', 'DIRECT'] as const),
]

/** How many take part, from and to. */
const SIZES: Record<ConversationKind, [number, number]> = {
  DIRECT: [2, 2],
  GROUP: [3, 12],
  JOB: [2, 4],
  SUPPORT: [2, 3],
  GENERAL: [5, 40],
  ROLEPLAY: [2, 2],
}

/** The demo users are in the first of them only: enough to look at, and no more where there are a million. */
const WITH_DEMO_USERS = 150

/**
 * Who talks with whom. `userIds` begin with the demo users and the agents; `taken` holds the direct keys that are in use
 * and gets those that are made.
 */
export function* makePlans(
  random: Random,
  sizes: { conversations: number; messages: number },
  userIds: readonly string[],
  taken: Set<string>,
): Generator<Plan> {
  const [ada, bo] = userIds as [string, string]
  const firstPerson = DEMO_USERS.length + AGENTS.length
  const agents = userIds.slice(DEMO_USERS.length, firstPerson)
  const people = userIds.slice(firstPerson)
  const messagesOf = zipf(sizes.conversations, sizes.messages)

  for (let index = 0; index < sizes.conversations; index++) {
    const demo = [ada, bo].filter((_, place) => index < WITH_DEMO_USERS && index % (2 + place) === 0)
    const wanted = KINDS[index % KINDS.length]!
    const pair = wanted === 'DIRECT' ? makePair(demo) : null
    // Where all know one another already, they make another group.
    const kind = wanted === 'DIRECT' && !pair ? 'GROUP' : wanted
    yield makePlan(index, kind, demo, pair)
  }

  function makePlan(index: number, kind: ConversationKind, demo: string[], pair: string[] | null): Plan {
    const [from, to] = SIZES[kind]
    const agent = kind === 'ROLEPLAY' ? random.pick(agents) : null
    const company =
      pair ?? (agent ? [demo.at(-1) ?? random.pickEarly(people), agent] : gather(demo, random.int(from, to)))
    const latecomer = company.length > Math.max(from, 3) && random.chance(0.5) ? company.pop()! : null
    const opener = pair || agent ? company[0]! : random.pick(company)
    const creator = kind === 'SUPPORT' && random.chance(0.5) ? null : opener
    const members = [...(creator ? [creator] : []), ...company.filter((id) => id !== creator).sort()]
    const subjectId = subjectOf(kind, index)
    return {
      kind,
      members,
      creator,
      agent,
      latecomer,
      title: kind === 'DIRECT' ? null : random.pick(TITLES[kind]).replace('#', String(index)),
      subjectId,
      metadata: kind === 'JOB' ? { budget: random.int(2, 60) * 50, currency: random.pick(['EUR', 'USD']) } : {},
      directKey: kind === 'DIRECT' ? directKey(members[0]!, members[1]!) : null,
      openingKey: kind === 'JOB' ? openingKeyOf(subjectId!, members) : null,
      messages: messagesOf(index),
      // One of ada's among the first.
      isDeleted: kind !== 'DIRECT' && index % 40 === 36,
    }
  }

  /** So many different users, or all people if there are fewer. */
  function gather(demo: readonly string[], size: number): string[] {
    const company = new Set(demo)
    while (company.size < Math.min(size, people.length)) company.add(random.pickEarly(people))
    return [...company]
  }

  /** Two who don't have a direct conversation yet, or null if none are found. */
  function makePair(demo: readonly string[]): string[] | null {
    for (let attempt = 1; attempt <= 20; attempt++) {
      // Only once can it be both demo users'.
      const pair = gather(attempt === 1 ? demo : demo.slice(-1), 2)
      const key = directKey(pair[0]!, pair[1]!)
      if (!taken.has(key)) {
        taken.add(key)
        return pair
      }
    }
    return null
  }
}

function subjectOf(kind: ConversationKind, index: number): string | null {
  if (kind === 'JOB') return `job-${1000 + index}`
  if (kind === 'SUPPORT') return `ticket-${1000 + index}`
  if (kind === 'ROLEPLAY') return `scenario-${(index % 12) + 1}`
  return null
}

/** Shares `total` out by Zipf's law: the second gets half as much as the first, the third a third, … */
function zipf(count: number, total: number): (index: number) => number {
  let sum = 0
  const upTo = Array.from({ length: count }, (_, index) => (sum += 1 / (index + 1)))
  const share = (index: number) => (index < 0 ? 0 : Math.round((upTo[index]! / sum) * total))
  return (index) => share(index) - share(index - 1)
}
