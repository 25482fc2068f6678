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

interface Group {
  messageOf(event: object): Messaged
  members: number
}

export function createGroups(schema: GraphQLSchema, execute: ExecuteEvent): Groups {
  /** By the operation in its cached document, and gone with that; the groups by viewer and variables. */
  const plans = new WeakMap<object, SharePlan & { groups: Map<string, Group> }>()

  function planFor({ document, operation }: PreparedOperation) {
    let plan = plans.get(operation)
    if (!plan) {
      plan = { ...planOf(schema, document, operation), groups: new Map() }
      plans.set(operation, plan)
    }
    return plan
  }

  return {
    join(prepared, viewer) {
      const { isShareable, variables, groups } = planFor(prepared)
      const values = JSON.stringify(variables.map((name) => [name, prepared.variables[name]]))
      const joined = new Map<string, Group>()

      /** Enters the group of these words for a viewer, or for all. */
      function enter(whom: Viewer | null): Group {
        const key = `${whom ? nameOf(whom) : 'all'} ${values}`
        const group = groups.get(key) ?? createGroup((event) => execute(prepared, event, whom))
        groups.set(key, group)
        joined.set(key, group)
        group.members++
        return group
      }

      let ofAll: Group | undefined
      let ofViewer: Group | undefined
      return {
        messageOf(event) {
          if (isShareable(event)) {
            ofAll ??= enter(null)
            return ofAll.messageOf(event)
          }
          ofViewer ??= enter(viewer)
          return ofViewer.messageOf(event)
        },
        leave() {
          for (const [key, group] of joined) if (--group.members === 0) groups.delete(key)
          joined.clear()
        },
      }
    },
  }
}

function createGroup(execute: (event: object) => Executed): Group {
  /** The last event's, for this turn of the event loop: in it all members come to it, unless they have fallen behind. */
  let last: { event: object; message: Messaged } | null = null
  const forget = () => {
    last = null
  }
  return {
    members: 0,
    messageOf(event) {
      if (last?.event === event) return last.message
      if (!last) setImmediate(forget)
      const executed = execute(event)
      const message = executed instanceof Promise ? executed.then(toMessage) : toMessage(executed)
      last = { event, message }
      return message
    },
  }
}

const toMessage = (result: ExecutionResult | null) => result && nextMessage(JSON.stringify(result))
