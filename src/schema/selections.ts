import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getDirectiveValues,
  type InlineFragmentNode,
  isAbstractType,
  Kind,
  type SelectionNode,
} from 'graphql'

// What all need who walk through the selections of a valid document by themselves.

/** The fragments of a document by their names, which may be any: `constructor` too. */
export function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments: Record<string, FragmentDefinitionNode> = Object.create(null)
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments[node.name.value] = node
  }
  return fragments
}

/** Whether what a fragment selects is selected of objects of this type. */
export function isAbout(
  schema: GraphQLSchema,
  { typeCondition }: FragmentDefinitionNode | InlineFragmentNode,
  type: GraphQLObjectType,
): boolean {
  const condition = typeCondition && schema.getType(typeCondition.name.value)
  return !condition || condition === type || (isAbstractType(condition) && schema.isSubType(condition, type))
}

/** Whether a selection is asked for, as far as its own @skip and @include say. */
export function isIncluded(node: SelectionNode, variableValues: Record<string, unknown>): boolean {
  if (!node.directives?.length) return true
  const skip = getDirectiveValues(GraphQLSkipDirective, node, variableValues)
  if (skip?.if === true) return false
  return getDirectiveValues(GraphQLIncludeDirective, node, variableValues)?.if !== false
}
