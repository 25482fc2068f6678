import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { countIntrospection } from './field-count.ts'

// What an operation may cost, counted before anything is executed. Counting walks the whole operation, which takes 3 µs of
// CPU for the smallest, 9 for a mutation with an input and more for lists, though next to nothing of a request changes it:
// only the variables that say how long a list is. So a document remembers with which values of those its operations were
// allowed, which takes 0.2 µs. Nothing is kept of what was refused, nor of values that are long.

/** Fields, each counted as often as the lists above it may hold rows. A page of 100 with 100 of 10 fields each is allowed. */
const MAX_COST = 150_000
/** Fields of the schema itself, each of which is read for every type, field or argument: GraphiQL asks for about 250. */
const MAX_INTROSPECTION = 1_000
const MAX_DEPTH = 15
/** For each document, with characters for each. */
const KEPT = 16
const KEPT_CHARACTERS = 200

type Variables = Record<string, unknown>

/** What is known of a document for as long as it is cached. */
interface Known {
  /** The variables that its cost may depend on. */
  variables: string[]
  /** Operations and values of those, that were counted and allowed. */
  allowed: Set<string>
}

/**
 * Says what is too much about an operation of a valid document; null where nothing is. Throws GraphQLError for an argument
 * that only its variable's value makes wrong, as null where there is a default. The variables must have been checked.
 */
export type CostCheck = (document: DocumentNode, operation: OperationDefinitionNode, values: Variables) => string | null

export function createCostCheck(schema: GraphQLSchema): CostCheck {
  const known = new WeakMap<DocumentNode, Known>()
  const sized = new WeakMap<GraphQLField<unknown, unknown>, boolean>()

  function knownOf(document: DocumentNode): Known {
    const entry = known.get(document) ?? { variables: sizeVariables(document), allowed: new Set() }
    known.set(document, entry)
    return entry
  }

  /** The variables in arguments of fields whose cost depends on arguments. */
  function sizeVariables(document: DocumentNode): string[] {
    const names = new Set<string>()
    const addNames = (node: ArgumentNode) => visit(node, { Variable: ({ name }) => void names.add(name.value) })
    const types = new TypeInfo(schema)
    const Field = ({ arguments: given = [] }: FieldNode) => {
      const field = types.getFieldDef()
      if (field && given.length > 0 && isSized(field)) for (const argument of given) addNames(argument)
    }
    visit(document, visitWithTypeInfo(types, { Field }))
    return [...names]
  }

  function isSized(field: GraphQLField<unknown, unknown>): boolean {
    const is = sized.get(field) ?? readsArguments(field)
    sized.set(field, is)
    return is
  }

  function excess(document: DocumentNode, operation: OperationDefinitionNode, variables: Variables): string | null {
    const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
    const counted: DocumentNode = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] }
    const { complexity, depth } = complexityFromQuery(counted, { schema, variables })
    if (depth > MAX_DEPTH) return `The operation is ${depth} levels deep; ${MAX_DEPTH} are allowed.`
    if (complexity > MAX_COST) {
      return `The operation may read ${complexity} fields; ${MAX_COST} are allowed. Ask for smaller pages.`
    }
    const introspection = countIntrospection(document, operation)
    if (introspection <= MAX_INTROSPECTION) return null
    return `The operation asks for ${introspection} fields of the schema; ${MAX_INTROSPECTION} are allowed.`
  }

  return (document, operation, variables) => {
    const { variables: names, allowed } = knownOf(document)
    const key = keyOf(operation, names, variables)
    if (key !== null && allowed.has(key)) return null
    const message = excess(document, operation, variables)
    if (message === null && key !== null) {
      if (allowed.size >= KEPT) allowed.clear()
      allowed.add(key)
    }
    return message
  }
}

/** Tells apart what may differ in cost; null where that is too long to be kept. */
function keyOf({ name }: OperationDefinitionNode, names: string[], variables: Variables): string | null {
  let key = name?.value ?? ''
  for (const each of names) {
    const value = variables[each]
    if (typeof value === 'object' && value !== null) return null
    // One that is missing takes its default, and null doesn't.
    key += ` ${each}=${typeof value === 'string' ? JSON.stringify(value) : value}`
  }
  return key.length > KEPT_CHARACTERS ? null : key
}

/**
 * Whether the cost of a field depends on its arguments: its function is called once with arguments that notice when they
 * are looked at. One that doesn't look at them can't tell one request from another.
 */
function readsArguments(field: GraphQLField<unknown, unknown>): boolean {
  const { complexity } = field.extensions
  if (typeof complexity !== 'function') return false
  let read = false
  const notice = () => {
    read = true
    return undefined
  }
  const traps: ProxyHandler<object> = {
    get: notice,
    getOwnPropertyDescriptor: notice,
    has: () => Boolean(notice()),
    ownKeys: () => notice() ?? [],
  }
  try {
    complexity(new Proxy({}, traps), {}, field)
  } catch {
    // It can't do without them.
    return true
  }
  return read
}
