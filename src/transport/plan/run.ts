import { type ExecutionResult, getArgumentValues } from 'graphql'
import type { RequestContext } from '../../context.ts'
import { type Complete, type Execution, Info, type Path, type PlannedField, type Selection } from './info.ts'

// Runs the plan of an operation: calls the resolvers and completes what they give, as graphql-js does wherever nothing
// is amiss. What is amiss (an error, a null where none may be, a value that is not of its type) ends the run without a
// result, so that errors are graphql-js's alone to tell. Promises are counted and not gathered: a value goes to its
// place when it comes, which spares the promises that graphql-js makes for each one, and for each object above it.

/** Executes a selection; null, or a promise of it, where anything is amiss. Never throws and never rejects. */
export function runPlan(
  selection: Selection,
  execution: Execution,
): ExecutionResult | Promise<ExecutionResult | null> | null {
  const run = new Run(execution)
  try {
    const data = fill(selection, execution.rootValue, run, undefined)
    if (run.failed) return null
    if (run.pending === 0) return { data }
    return new Promise((resolve) => {
      run.end = () => resolve(run.failed ? null : { data })
    })
  } catch {
    run.failed = true
    return null
  }
}

const NO_ARGUMENTS = Object.freeze({})

export class Run {
  readonly execution: Execution
  readonly context: RequestContext
  pending = 0
  failed = false
  /** Called when nothing is pending any more, or all is in vain. */
  end: (() => void) | null = null
  /** Of each field, worked out once however many rows it is asked of. */
  private readonly args = new Map<PlannedField, object>()

  constructor(execution: Execution) {
    this.execution = execution
    this.context = execution.context
  }

  argumentsOf(field: PlannedField): object {
    let args = this.args.get(field)
    if (!args) {
      args = getArgumentValues(field.definition, field.nodes[0]!, this.execution.variableValues)
      this.args.set(field, args)
    }
    return { ...args }
  }
}

export function fill(selection: Selection, source: unknown, run: Run, prev: Path | undefined): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const field of selection) {
    const { key, resolve, parentType, complete } = field
    if (!resolve) {
      object[key] = parentType.name
      continue
    }
    const info = new Info(field, run, prev)
    const value = resolve(source, field.takesArguments ? run.argumentsOf(field) : NO_ARGUMENTS, run.context, info)
    if (isPromise(value)) wait(value, object, key, complete, info, null)
    else object[key] = complete(value, info, null)
  }
  return object
}

/** Has a place filled in once its value has come; it is kept until then, so that the keys stay in order. */
export function wait<Key extends PropertyKey>(
  promise: PromiseLike<unknown>,
  into: Record<Key, unknown>,
  key: Key,
  complete: Complete,
  info: Info,
  path: Path | null,
): void {
  const { run } = info
  into[key] = undefined
  run.pending++
  const fail = () => {
    run.failed = true
    run.end?.()
  }
  promise.then((value) => {
    if (run.failed) return
    try {
      into[key] = complete(value, info, path)
    } catch {
      return fail()
    }
    if (--run.pending === 0) run.end?.()
  }, fail)
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}
