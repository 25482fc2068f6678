import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLSchema,
  type InlineFragmentNode,
  isAbstractType,
  Kind,
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
