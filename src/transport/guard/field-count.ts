import { type DocumentNode, type FieldNode, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql'
import { fragmentsOf } from '../../schema/selections.ts'

// How many fields a valid operation has, whatever its variables are.

const rootFields = new WeakMap<OperationDefinitionNode, number>()

/** How many root fields an operation has, aliases and fragments included: what it counts on the rate limiter. */
export function countRootFields(document: DocumentNode, operation: OperationDefinitionNode): number {
  const count = rootFields.get(operation) ?? fieldSum(document, () => 1)(operation.selectionSet)
  // Documents are cached, and sent again.
  rootFields.set(operation, count)
  return count
}

/** How many fields an operation asks of the schema itself, which has no cost of its own. */
export function countIntrospection(document: DocumentNode, operation: OperationDefinitionNode): number {
  const countAll = fieldSum(document, ({ selectionSet }) => 1 + (selectionSet ? countAll(selectionSet) : 0))
  const count = fieldSum(document, ({ name, selectionSet }) =>
    selectionSet && name.value.startsWith('__') ? countAll(selectionSet) : 0,
  )
  return count(operation.selectionSet)
}

/** Adds up a number for each field of a selection set, fragments included; each set is looked at once. */
function fieldSum(document: DocumentNode, of: (field: FieldNode) => number): (set: SelectionSetNode) => number {
  const fragments = fragmentsOf(document)
  const sums = new Map<SelectionSetNode, number>()
  return function sum(set) {
    const known = sums.get(set)
    if (known !== undefined) return known
    let total = 0
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) total += of(node)
      else if (node.kind === Kind.INLINE_FRAGMENT) total += sum(node.selectionSet)
      else total += sum(fragments[node.name.value]!.selectionSet)
    }
    sums.set(set, total)
    return total
  }
}
