import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ConversationEvent } from '../../src/bus/topics.ts'
import type { RequestContext } from '../../src/context.ts'
import type { ConversationView } from '../../src/features/conversations/access.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { NotFoundError } from '../../src/lib/errors.ts'
import { createLogger } from '../../src/lib/log.ts'
import { createFeed, type Feed } from '../../src/live/feed.ts'
import { followConversation } from '../../src/live/follow.ts'
import type { Hub } from '../../src/live/hub.ts'
import { seedOfRun } from '../support/random-operations.ts'
import { type Client, createClient, type Item, type Point } from './model-client.ts'
import { CONVERSATION, createTable } from './model-table.ts'

// Whatever happens in a conversation, and however the bus, the table's answers, the clients' reads and their reconnects
// fall between each other: each client is told each change once and in order, and its copy becomes what the table holds.

const RUNS = 1_000
/** At most; half as many on average. */
const STEPS = 150
/** Where it takes longer, the rest is left out. */
const TIME_LIMIT_MS = 15_000
/** What comes to rest takes a few rounds, one for each page and retry. */
const MAX_ROUNDS = 1_000
/** One more than what a reader holds of what happens while it replays. */
const MANY = 1_001

const VIEWERS = ['ada', 'bo', 'cy', null]
const USERS = ['ada', 'bo', 'cy', 'di']

/** How often each is drawn. */
const WEIGHTS = {
  send: 10,
  edit: 6,
  remove: 1,
  join: 2,
  leave: 3,
  setRole: 1,
  changeDetails: 1,
  delete: 1,
  deliver: 16,
  tell: 16,
  lose: 4,
  compare: 3,
  answer: 40,
  subscribe: 5,
  read: 16,
  disconnect: 1,
  wait: 2,
} as const

/** All that any step needs; what one doesn't need is ignored. */
interface Step {
  do: keyof typeof WEIGHTS
  number: number
  other: number
  flag: boolean
}

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.oneof(
    ...Object.entries(WEIGHTS).map(([name, weight]) => ({
      arbitrary: fc.constant(name as keyof typeof WEIGHTS),
      weight,
    })),
  ),
  number: fc.nat(59),
  other: fc.nat(11),
  flag: fc.boolean(),
})

class TableAway extends Error {}

/** A statement on its way. */
interface Statement {
  /** Looks at the table, and the next time gives the answer; what happens in between is not in it. */
  proceed(): void
  fail(): void
  isAnswered(): boolean
}

function createStatement<T>(look: () => T): Statement & { answer: Promise<T> } {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const answer = new Promise<T>((...settle) => ([resolve, reject] = settle))
  let seen: { value: T } | null = null
  let isAnswered = false
  return {
    answer,
    proceed() {
      isAnswered = seen !== null
      if (seen) resolve(seen.value)
      else seen = { value: look() }
    },
    fail() {
      isAnswered = true
      reject(new TableAway())
    },
    isAnswered: () => isAnswered,
  }
}

/** A client's subscription, by the real way from the feed to the reader of the stream. */
interface Subscription {
  client: Client
  viewer: string | null
  /** The version at which the viewer was let in. */
  since: number
  stream: AsyncIterableIterator<Item> | null
  isReading: boolean
  /** Whether it is over: the viewer was refused, the stream ended or failed, or the client left. */
  isOver: boolean
}

/** One conversation, a node's feed of it, the bus before it and the clients behind it. */
function createWorld(pageSize: number) {
  const table = createTable({ founders: ['ada', 'bo'], pageSize })
  /** Announced, and not yet received. */
  const underWay: ConversationEvent[] = []
  /** What the feed has yet to tell, at the end of the turn. */
  let untold: (() => void)[] = []
  let statements: Statement[] = []
  const subscriptions: Subscription[] = []
  const points = new Map<string | null, Point[]>()
  let feed: Feed | null = null
  /** How often a client was told anything new. */
  let taken = 0
  /** What is wrong where nobody waits for it. */
  const failures: unknown[] = []

  function ask<T>(look: () => T): Promise<T> {
    const statement = createStatement(look)
    statements.push(statement)
    return statement.answer
  }

  const readChanges: Hub['readChanges'] = async (_, after) => {
    const first = await ask(table.look)
    return table.changes(after, first, await ask(table.look))
  }

  const openFeed = () =>
    createFeed(CONVERSATION, {
      ...{ readChanges, readReceipts: async () => [], log: createLogger('silent'), clock: systemClock, faults: {} },
      soon: (tell) => void untold.push(tell),
    })

  function endTurn() {
    const due = untold
    untold = []
    for (const tell of due) tell()
  }

  /** What the hub does for one conversation; `onView` is told of the moment of the look. */
  const liveFor = (viewer: string | null, onView: () => void): Partial<Hub> => ({
    faults: {},
    readChanges,
    async follow(_, subscriber) {
      feed ??= openFeed()
      const followed = feed
      followed.subscribers.add(subscriber)
      followed.head(await ask(table.head))
    },
    unfollow(_, subscriber) {
      feed?.subscribers.delete(subscriber)
      if (feed?.subscribers.size !== 0) return
      feed.close()
      feed = null
    },
    readView: () =>
      ask(() => {
        onView()
        return viewOf(viewer)
      }),
  })

  function viewOf(viewer: string | null): ConversationView | null {
    const stay = table.stayOf(viewer)
    if (!stay) return null
    const { version, seq } = table.head()
    const view: Partial<ConversationView> = {
      ...{ id: CONVERSATION, viewerId: viewer, version, lastSeq: seq },
      ...{ joinedVersion: stay.joinedVersion, visibleFromSeq: stay.visibleFrom },
    }
    return view as ConversationView
  }

  const pointNow = (visibleFrom: number): Point => ({ position: table.head(), sight: table.sightOf(visibleFrom) })

  async function subscribe(viewer: string | null, wanted: Point | undefined) {
    const stay = table.stayOf(viewer)
    if (!stay) return
    // What happened between two stays can't be told of.
    const point = wanted && wanted.position.version >= (stay.joinedVersion ?? 0) ? wanted : null
    const head = table.head()
    const client = createClient(table, viewer, head.version, head)
    const subscription: Subscription = {
      ...{ client, viewer, since: head.version, stream: null, isReading: false, isOver: false },
    }
    subscriptions.push(subscription)
    const live = liveFor(viewer, () => client.start(point ?? pointNow(stay.visibleFrom), stay.visibleFrom))
    const user = viewer && { kind: 'user', user: { id: viewer } }
    const ctx = { viewer: user ?? { kind: 'service' }, live } as unknown as RequestContext
    try {
      const stream = await followConversation<Item>(ctx, viewOf(viewer)!, {
        ...(point && { after: point.position }),
        select: (event, at) => ('position' in event ? { type: 'change', change: event, at } : undefined),
        caughtUp: (at) => ({ type: 'caught-up', at }),
        revoked: (at) => ({ type: 'revoked', at }),
      })
      subscription.stream = stream
      keep(viewer, client.point())
    } catch (error) {
      subscription.isOver = true
      const isRefused = error instanceof NotFoundError && table.endOfStay(viewer, head.version) < Infinity
      if (!isRefused && !(error instanceof TableAway)) failures.push(error)
    }
  }

  function keep(viewer: string | null, point: Point) {
    points.set(viewer, [point, ...(points.get(viewer) ?? [])])
  }

  async function read(subscription: Subscription) {
    const { client, viewer, stream } = subscription
    if (!stream || subscription.isReading || subscription.isOver) return
    subscription.isReading = true
    try {
      const { value, done } = await stream.next()
      if (done && !subscription.isOver) expect(client.isRevoked(), 'a stream ends only with access').toBe(true)
      if (done) subscription.isOver = true
      else client.take(value)
      // What says that it is caught up says so again from time to time.
      if (value?.type !== 'caught-up') taken++
      keep(viewer, client.point())
    } catch (error) {
      // Where the table can't be read the stream fails, and its client comes back by another.
      if (!(error instanceof TableAway)) failures.push(error)
      subscription.isOver = true
    }
    subscription.isReading = false
  }

  function announce(event: ConversationEvent | null, isTooBig: boolean) {
    if (!event) return
    if (isTooBig && 'message' in event) underWay.push({ ...event, message: null })
    else if (isTooBig && 'participants' in event) underWay.push({ ...event, participants: null })
    else underWay.push(event)
  }

  /** More than those who are not caught up can hold. */
  function overflow() {
    const user = { id: 'di', externalId: 'di', username: 'di', displayName: 'Di', avatarUrl: null, role: null }
    const expiresAt = new Date(Date.now() + 6_000).toISOString()
    for (let count = 0; count < MANY; count++) {
      feed?.receive({ type: 'typing', key: CONVERSATION, user: { ...user, type: 'HUMAN' }, expiresAt })
    }
  }

  /** Changes the conversation; null where there is nothing to change. */
  function commit({ do: what, number, other, flag }: Step): ConversationEvent | null {
    const { seq } = table.head()
    const user = USERS[number % USERS.length]!
    const recent = seq - (number % 5)
    switch (what) {
      case 'send':
        return table.send()
      case 'edit':
        return table.edit(flag ? recent : 1 + (number % (seq || 1)))
      case 'remove':
        return table.remove(recent)
      case 'join':
        return table.join(USERS.slice(number % 3, 1 + (other % USERS.length)), flag)
      case 'leave':
        return table.changePlace(user, flag ? 'LEFT' : 'REMOVED')
      case 'setRole':
        return table.changePlace(user, 'ROLE_CHANGED')
      case 'changeDetails':
        return table.changeDetails()
      case 'delete':
        return number === 0 ? table.changeDetails(true) : null
      default:
        return null
    }
  }

  function take(step: Step): void {
    const { do: what, number, other, flag } = step
    if (!table.isDeleted()) announce(commit(step), other === 0)
    const nearFirst = other < 6 ? 0 : number % (underWay.length || 1)
    switch (what) {
      case 'deliver': {
        const event = underWay[nearFirst]
        if (event) feed?.receive(event)
        if (number < 3 && subscriptions.some(({ client, isOver }) => !isOver && !client.isCaughtUp())) overflow()
        if (other % 4 !== 1) underWay.splice(nearFirst, 1)
        return
      }
      case 'tell':
        return void endTurn()
      case 'lose':
        return void underWay.splice(nearFirst, 1)
      case 'compare':
        return void feed?.head(table.head())
      case 'answer': {
        const statement = statements[flag ? 0 : number % (statements.length || 1)]
        if (number === 0) statement?.fail()
        else statement?.proceed()
        statements = statements.filter((each) => !each.isAnswered())
        return
      }
      case 'subscribe': {
        const viewer = VIEWERS[number % VIEWERS.length]!
        return void subscribe(viewer, flag ? points.get(viewer)?.[other] : undefined)
      }
      case 'read': {
        const subscription = subscriptions.at(-1 - (number % (subscriptions.length || 1)))
        return void (subscription && read(subscription))
      }
      case 'disconnect': {
        const subscription = subscriptions[number % (subscriptions.length || 1)]
        if (!subscription?.stream) return
        subscription.isOver = true
        return void subscription.stream.return!()
      }
      case 'wait':
        return void vi.advanceTimersByTime(1_000)
    }
  }

  /** The bus loses the rest, the table is compared, and all that waits goes on until nothing is left to do. */
  async function settle() {
    underWay.length = 0
    for (let round = 0, quiet = 0; quiet < 3; round++) {
      expect(round, 'it comes to rest').toBeLessThan(MAX_ROUNDS)
      const before = taken
      vi.advanceTimersByTime(1_000)
      feed?.head(table.head())
      endTurn()
      for (const subscription of subscriptions) void read(subscription)
      await turn()
      quiet = taken > before || statements.length > 0 ? 0 : quiet + 1
      for (const statement of statements) statement.proceed()
      statements = statements.filter((each) => !each.isAnswered())
      await turn()
    }
  }

  /** What a client has that is still there, and what it should have. */
  function check() {
    expect(failures).toEqual([])
    for (const { client, viewer, since, isOver } of subscriptions) {
      if (isOver) continue
      expect(table.endOfStay(viewer, since), 'access that ended is taken away').toBe(Infinity)
      expect(client.isCaughtUp(), 'all are caught up').toBe(true)
      expect(client.point().sight, 'the copy is what a fresh read gives').toEqual(
        table.sightOf(table.stayOf(viewer)!.visibleFrom),
      )
    }
  }

  return { take, settle, check }
}

const turn = () => new Promise(setImmediate)

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

test('any interleaving of events, losses, repeats, reconnects and page sizes tells each change once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { minLength: 1, maxLength: STEPS, size: 'max' }),
      async (pageSize, steps) => {
        const world = createWorld(pageSize)
        for (const each of steps) {
          world.take(each)
          await turn()
        }
        await world.settle()
        world.check()
        vi.clearAllTimers()
      },
    ),
    { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS, seed: seedOfRun() },
  )
}, 120_000)
