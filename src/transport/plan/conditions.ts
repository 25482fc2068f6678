import {
  type DocumentNode,
  type FieldNode,
  type GraphQLDirective,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  TypeNameMetaFieldDef,
  visit,
} from 'graphql'

// Whether a document can be planned at all, and which of its selections are asked for. Only @skip and @include are
// known here: a document with any other directive is left to graphql-js.

/** The variables in a document's directives; null where it asks for what is not planned. */
export function conditionsOf(document: DocumentNode): string[] | null {
  const variables = new Set<string>()
  let isPlannable = true
  visit(document, {
    Field(node) {
      const name = node.name.value
      // The schema itself, which hangs on more than resolvers; and a key that a plain object does not take as it is.
      if (name.startsWith('__') && name !== TypeNameMetaFieldDef.name) isPlannable = false
      if (keyOf(node) === '__proto__') isPlannable = false
    },
    Directive(node) {
      if (!CONDITIONS.some(({ name }) => name === node.name.value)) isPlannable = false
      visit(node, { Variable: ({ name }) => void variables.add(name.value) })
    },
  })
  return isPlannable ? [...variables] : null
}

const CONDITIONS: readonly GraphQLDirective[] = [GraphQLSkipDirective, GraphQLIncludeDirective]

/** The key that a field's value has in the response. */
export const keyOf = ({ alias, name }: FieldNode) => (alias ?? name).value
