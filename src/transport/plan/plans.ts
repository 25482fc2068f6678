import { type DocumentNode, type ExecutionResult, type GraphQLSchema, getVariableValues } from 'graphql'
import type { RequestContext } from '../../context.ts'
import type { PreparedOperation } from '../guard/guard.ts'
import type { Execution, Selection } from './info.ts'
import { createPlanner, type Planner } from './plan.ts'
import { runPlan } from './run.ts'

// Queries and the selections of live events are executed by a plan once their document has come a few times: what
// graphql-js works out anew for every object of every execution is worked out once. In CPU, graphql-js and a plan: a
// live message 14 and 5 µs, a page of 50 messages with senders 440 and 180, a list of 50 conversations with their last
// messages 960 and 330; most of what is left are the resolvers and scalars themselves. The plan only ever gives results
// without errors: whatever else it comes upon, graphql-js executes the operation again from the start.

/** Executions of a document before it is planned: making a plan takes as long as two or three. */
const BEFORE_PLANNING = 3

export interface Plans {
  /**
   * Executes an operation by its plan. Null, or a promise of it, where graphql-js must execute it: there is no plan
   * yet, there can't be any, or something was amiss, which is then for graphql-js to find and tell. For what may be
   * executed twice only, so never for a mutation. Never throws and never rejects.
   * @param makeContext Called where a plan is run. graphql-js must be given another: this one's loaders remember.
   */
  run(
    prepared: PreparedOperation,
    makeContext: () => RequestContext,
    rootValue?: object,
  ): ExecutionResult | Promise<ExecutionResult | null> | null
}

/** What is known of a document for as long as it is cached. */
interface Known {
  executions: number
  /** Undefined before one was made; null where there can be none. */
  planner?: Planner | null
  /** By the name of the operation and the values of the planner's conditions. */
  selections: Map<string, Selection>
}

type Variables = Record<string, unknown>
type PlannedWith = Pick<Execution, 'fragments'> & { selection: Selection }

export function createPlans(schema: GraphQLSchema, beforePlanning = BEFORE_PLANNING): Plans {
  const documents = new WeakMap<DocumentNode, Known>()

  function knownOf(document: DocumentNode): Known {
    let known = documents.get(document)
    if (!known) {
      known = { executions: 0, selections: new Map() }
      documents.set(document, known)
    }
    return known
  }

  /** The plan for these variables, made if need be; null where there can be none. */
  function planOf({ document, operation }: PreparedOperation, known: Known, values: Variables): PlannedWith | null {
    if (known.planner === undefined) known.planner = createPlanner(schema, document)
    const { planner, selections } = known
    if (!planner) return null
    const key = [operation.name?.value, ...planner.conditions.map((name) => values[name])].join()
    const selection = selections.get(key) ?? planner.plan(operation, values)
    if (selection) selections.set(key, selection)
    return selection && { selection, fragments: planner.fragments }
  }

  function start(prepared: PreparedOperation, known: Known, makeContext: () => RequestContext, rootValue: unknown) {
    const { operation, variables } = prepared
    const { coerced } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, { maxErrors: 1 })
    const plan = coerced && planOf(prepared, known, coerced)
    if (!plan) return null
    const { selection, fragments } = plan
    const context = makeContext()
    return runPlan(selection, { schema, fragments, operation, variableValues: coerced, rootValue, context })
  }

  return {
    run(prepared, makeContext, rootValue) {
      const known = knownOf(prepared.document)
      if (known.planner === null || known.executions++ < beforePlanning) return null
      // What fails is executed twice: an operation that fails each time is to cost that now and then only.
      const end = (result: ExecutionResult | null) => {
        if (!result) known.executions = 0
        return result
      }
      const result = start(prepared, known, makeContext, rootValue)
      return result instanceof Promise ? result.then(end) : end(result)
    },
  }
}
