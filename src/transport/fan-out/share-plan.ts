import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLAbstractType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isLeafType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
  visit,
} from 'graphql'
import { fragmentsOf, isAbout } from '../../schema/selections.ts'

// What of a subscription's results can be shared by its subscribers: read once off its document, before any event.

/** What the results of a subscription hang on, beside the event. */
export interface SharePlan {
  /** Whether everything that is asked of an event is the same for every viewer. */
  isShareable(event: object): boolean
  /** The variables that what is asked of an event can hang on: all but those of the subscription's own arguments. */
  variables: readonly string[]
}

/** @param document Must be valid. */
export function planOf(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode): SharePlan {
  const fragments = fragmentsOf(document)
  /** Each set is looked at once for each type. */
  const known = new Map<SelectionSetNode, Map<GraphQLObjectType, boolean>>()

  function isShareable(set: SelectionSetNode, type: GraphQLObjectType): boolean {
    const ofSet = known.get(set) ?? new Map<GraphQLObjectType, boolean>()
    known.set(set, ofSet)
    let shareable = ofSet.get(type)
    if (shareable === undefined) {
      shareable = set.selections.every((node) => isNodeShareable(node, type))
      ofSet.set(type, shareable)
    }
    return shareable
  }

  function isNodeShareable(node: SelectionNode, type: GraphQLObjectType): boolean {
    if (node.kind === Kind.FIELD) {
      if (node.name.value === '__typename') return true
      const field = type.getFields()[node.name.value]!
      if (field.extensions.shareable !== true) return false
      return (
        !node.selectionSet || typesOf(getNamedType(field.type)).every((each) => isShareable(node.selectionSet!, each))
      )
    }
    const part = node.kind === Kind.FRAGMENT_SPREAD ? fragments[node.name.value]! : node
    return !isAbout(schema, part, type) || isShareable(part.selectionSet, type)
  }

  function typesOf(type: GraphQLNamedType): readonly GraphQLObjectType[] {
    if (isLeafType(type)) return []
    return isAbstractType(type) ? schema.getPossibleTypes(type) : isObjectType(type) ? [type] : []
  }

  const roots = rootFields(operation.selectionSet, fragments)
  const { type, extensions } = schema.getSubscriptionType()!.getFields()[roots[0]!.name.value]!
  const eventType = getNamedType(type)
  const sets = roots.flatMap(({ selectionSet }) => selectionSet ?? [])
  const types = extensions.shareable === true ? typesOf(eventType) : []
  const shareable = new Set(types.filter((each) => sets.every((set) => isShareable(set, each))).map(({ name }) => name))
  const isAlways = shareable.has(eventType.name)
  return {
    isShareable: isAbstractType(eventType) ? (event) => shareable.has(typeNameOf(eventType, event)) : () => isAlways,
    variables: variablesOf(document, roots),
  }
}

/** The type of an event; ours say it at once, by a look at the event alone. */
function typeNameOf(type: GraphQLAbstractType, event: object): string {
  // The types ask for a context and more.
  return (type.resolveType as (event: object) => string)(event)
}

/** The subscription's field, which validation leaves it one of; it may stand there several times, and in fragments. */
function rootFields(set: SelectionSetNode, fragments: Record<string, FragmentDefinitionNode>): FieldNode[] {
  return set.selections.flatMap((node) => {
    if (node.kind === Kind.FIELD) return [node]
    const part = node.kind === Kind.FRAGMENT_SPREAD ? fragments[node.name.value]! : node
    return rootFields(part.selectionSet, fragments)
  })
}

function variablesOf(document: DocumentNode, roots: readonly FieldNode[]): string[] {
  const names = new Set<string>()
  visit(document, {
    VariableDefinition: () => false,
    Field: (node) => (roots.includes(node) ? { ...node, arguments: [] } : undefined),
    Variable: (node) => void names.add(node.name.value),
  })
  return [...names].sort()
}
