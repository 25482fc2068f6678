import DataLoader from 'dataloader'
import type { GraphQLResolveInfo } from 'graphql'
import type { RequestContext } from '../context.ts'

// The loaders of a request, which gather what its fields ask for one by one. They are kept by its context, and not as
// Pothos' plugin does it, in a WeakMap for each kind: what hangs on such a table, which is older than any request, counts
// as alive until V8's next full collection, so that all that every request had read was moved to the old space. That was
// a quarter of the CPU of a page of messages.

/** The values of the keys, in their order: an error for one that failed. */
export type Load<Key, Value> = (keys: Key[], ctx: RequestContext) => Promise<readonly (Value | Error)[]>

/** Gives the loader of a request that loads in this way, made at its first use. */
export function loaderOf<Key, Value>(load: Load<Key, Value>): (ctx: RequestContext) => DataLoader<Key, Value> {
  const kind = {}
  return (ctx) => kept(ctx, kind, () => new DataLoader<Key, Value>((keys) => load([...keys], ctx)))
}

/**
 * The resolver of a field that is read for many rows together: for those that the same place of the operation asks it of,
 * where its arguments are the same too, as GraphQL lets them differ below different types only.
 */
export function loadedTogether<Row, Args, Value>(
  load: (rows: Row[], ctx: RequestContext, args: Args) => Promise<readonly (Value | Error)[]>,
): (row: Row, args: Args, ctx: RequestContext, info: GraphQLResolveInfo) => Promise<Value> {
  const kind = {}
  return (row, args, ctx, info) => {
    const loaders = kept(ctx, kind, () => new Map<string, DataLoader<Row, Value>>())
    const place = placeOf(info.path)
    const loader = getOrAdd(loaders, place, () => new DataLoader<Row, Value>((rows) => load([...rows], ctx, args)))
    return loader.load(row)
  }
}

/** Has the request's fields read again what they ask for from now on. */
export function forgetLoaded(ctx: RequestContext): void {
  ctx.loaders?.clear()
}

function kept<Kept>(ctx: RequestContext, kind: object, make: () => Kept): Kept {
  ctx.loaders ??= new Map()
  return getOrAdd(ctx.loaders as Map<unknown, Kept>, kind, make)
}

function getOrAdd<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}

/** The types and names by which a field is reached, the same for all rows of a list. */
function placeOf(path: GraphQLResolveInfo['path']): string {
  let place = ''
  for (let step: typeof path | undefined = path; step; step = step.prev) {
    if (typeof step.key === 'string') place = `${step.typename}.${step.key} ${place}`
  }
  return place
}
