import type { GraphQLAbstractType, GraphQLLeafType, GraphQLObjectType } from 'graphql'
import type { Complete, Selection } from './info.ts'
import { fill, isPromise, wait } from './run.ts'

// Makes what goes into a response of what resolvers give, by its type, which is looked at when the operation is planned
// and not for each value: a closure for each field, list and object, and inside it nothing left to find out.

/** @param isNullable Whether null may stand in the value's place. */
export function completeAny(complete: Complete, isNullable: boolean): Complete {
  return (value, info, path) => {
    if (value === null || value === undefined) {
      if (isNullable) return null
      throw AMISS
    }
    if (value instanceof Error) throw AMISS
    return complete(value, info, path)
  }
}

export function completeLeaf(type: GraphQLLeafType): Complete {
  return (value) => {
    const serialized: unknown = type.serialize(value)
    if (serialized === null || serialized === undefined) throw AMISS
    return serialized
  }
}

export function completeList(completeItem: Complete): Complete {
  return (value, info, path) => {
    if (!isIterable(value)) throw AMISS
    const items = Array.from(value)
    const list: unknown[] = []
    try {
      for (const item of items) {
        const key = list.length
        const itemPath = { prev: path ?? info.path, key, typename: undefined }
        if (isPromise(item)) wait(item, list as Record<number, unknown>, key, completeItem, info, itemPath)
        else list.push(completeItem(item, info, itemPath))
      }
    } catch (error) {
      // Those behind it are never looked at.
      items.forEach(ignoreRejection)
      throw error
    }
    return list
  }
}

export function completeObject(type: GraphQLObjectType, selection: Selection): Complete {
  if (!type.isTypeOf) return (value, info, path) => fill(selection, value, info.run, path ?? info.path)
  return (value, info, path) => {
    const isOfType = type.isTypeOf!(value, info.run.context, info)
    if (isOfType !== true) throw givenUp(isOfType)
    return fill(selection, value, info.run, path ?? info.path)
  }
}

/** @param selections By the names of the possible types. */
export function completeAbstract(
  type: GraphQLAbstractType,
  resolveType: NonNullable<GraphQLAbstractType['resolveType']>,
  selections: ReadonlyMap<string, Complete>,
): Complete {
  return (value, info, path) => {
    const name = resolveType(value, info.run.context, info, type)
    const complete = typeof name === 'string' ? selections.get(name) : undefined
    if (!complete) throw givenUp(name)
    return complete(value, info, path)
  }
}

/** Thrown for what is amiss; nobody is told what it was. */
const AMISS = new Error('Left to graphql-js')

/** A type that is known only later is left to graphql-js as well. */
function givenUp(answer: unknown): Error {
  ignoreRejection(answer)
  return AMISS
}

function ignoreRejection(value: unknown): void {
  if (value instanceof Promise) value.catch(() => {})
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && typeof (value as Iterable<unknown> | null)?.[Symbol.iterator] === 'function'
}
