import type { ExecutionResult, GraphQLSchema } from 'graphql'
import type { Viewer } from '../../context.ts'
import type { PreparedOperation } from '../guard/guard.ts'
import { nameOf } from '../identity/identify.ts'
import { type NextMessage, nextMessage } from '../websocket/frames.ts'
import { planOf, type SharePlan } from './share-plan.ts'

// A live event is executed and made into a message once for all who subscribed in the same words. What is the same for
// every viewer is executed without a viewer at all, so that nothing of anybody's can get into it; all else once for each
// viewer. Executing a message's usual fields takes 18 us and more, where a delivery in all is to take 5.

/** One of those who subscribed to the same. */
export interface Member {
  /** The message of an event; null where there is nothing to be told of it. */
  messageOf(event: object): Messaged
  leave(): void
}

type Messaged = NextMessage | null | Promise<NextMessage | null>
type Executed = ExecutionResult | null | Promise<ExecutionResult | null>

/** Executes a subscription's selection for an event; for no viewer where all of it is the same for everybody. */
export type ExecuteEvent = (prepared: PreparedOperation, event: object, viewer: Viewer | null) => Executed

export interface Groups {
  /** @param prepared A subscription that has begun. */
  join(prepared: PreparedOperation, viewer: Viewer): Member
}

interface Plan extends SharePlan {
  /** By viewer and variables. */
  groups: Map<string, Group>
}

interface Group {
  key: string
  messageOf(event: object): Messaged
  members: number
}

export function createGroups(schema: GraphQLSchema, execute: ExecuteEvent): Groups {
  /** By the operation in its cached document, and gone with that. */
  const plans = new WeakMap<object, Plan>()

  function planFor({ document, operation }: PreparedOperation): Plan {
    let plan = plans.get(operation)
    if (!plan) {
      plan = { ...planOf(schema, document, operation), groups: new Map() }
      plans.set(operation, plan)
    }
    return plan
  }

  return {
    join: (prepared, viewer) => new GroupMember(planFor(prepared), prepared, viewer, execute),
  }
}

/** A class, so that each of thousands is one object and no closures. */
class GroupMember implements Member {
  private readonly plan: Plan
  private readonly prepared: PreparedOperation
  private readonly viewer: Viewer
  private readonly execute: ExecuteEvent
  private ofAll: Group | null = null
  private ofViewer: Group | null = null

  constructor(plan: Plan, prepared: PreparedOperation, viewer: Viewer, execute: ExecuteEvent) {
    this.plan = plan
    this.prepared = prepared
    this.viewer = viewer
    this.execute = execute
  }

  messageOf(event: object): Messaged {
    if (this.plan.isShareable(event)) {
      this.ofAll ??= this.enter(null)
      return this.ofAll.messageOf(event)
    }
    this.ofViewer ??= this.enter(this.viewer)
    return this.ofViewer.messageOf(event)
  }

  /** Enters the group of these words for a viewer, or for all. */
  private enter(whom: Viewer | null): Group {
    const { plan, prepared, execute } = this
    const values = plan.variables.map((name) => [name, prepared.variables[name]])
    const key = `${whom ? nameOf(whom) : 'all'} ${JSON.stringify(values)}`
    const group = plan.groups.get(key) ?? createGroup(key, (event) => execute(prepared, event, whom))
    plan.groups.set(key, group)
    group.members++
    return group
  }

  leave() {
    for (const group of [this.ofAll, this.ofViewer]) {
      if (group && --group.members === 0) this.plan.groups.delete(group.key)
    }
    this.ofAll = null
    this.ofViewer = null
  }
}

function createGroup(key: string, execute: (event: object) => Executed): Group {
  /** Those of this turn of the event loop: in it all members come to them, unless they have fallen behind. */
  const messages = new Map<object, Messaged>()
  return {
    key,
    members: 0,
    messageOf(event) {
      const known = messages.get(event)
      if (known !== undefined) return known
      if (messages.size === 0) setImmediate(() => messages.clear())
      const executed = execute(event)
      const message = executed instanceof Promise ? executed.then(toMessage) : toMessage(executed)
      messages.set(event, message)
      return message
    },
  }
}

const toMessage = (result: ExecutionResult | null) => result && nextMessage(JSON.stringify(result))
