import { complexityFromQuery } from '@pothos/plugin-complexity'
import {
  type DocumentNode,
  type FieldNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  specifiedRules,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { BadUserInputError } from '../lib/errors.ts'
import { isDeeperThan } from '../lib/json.ts'
import { domainError, type ErrorPolicy, type LanguageCode, languageError } from './errors.ts'

// One guard for all transports: nothing is executed that did not come through `prepare`.

/** A GraphQL request as it came in, of any transport. */
export interface OperationRequest {
  query?: unknown
  operationName?: unknown
  variables?: unknown
  extensions?: unknown
}

/** An operation that may be executed. */
export interface PreparedOperation {
  document: DocumentNode
  operation: OperationDefinitionNode
  operationName: string | undefined
  variables: Record<string, unknown>
}

export type Guard = (
  request: OperationRequest,
) => { prepared: PreparedOperation; errors?: undefined } | { prepared?: undefined; errors: GraphQLError[] }

/** A request as a whole: a body over HTTP, a message over WebSocket. */
export const MAX_REQUEST_BYTES = 256 * 1024
/** Tokens of a document: the introspection query of GraphiQL has about 300. */
const MAX_TOKENS = 5_000
/** Fields, each counted as often as the lists above it may hold rows. A page of 100 with 100 of 10 fields each is allowed. */
const MAX_COST = 150_000
/** Fields of the schema itself, each of which is read for every type, field or argument: GraphiQL asks for about 250. */
const MAX_INTROSPECTION = 1_000
const MAX_DEPTH = 15
/** Levels of nesting in variables; metadata may have 32. */
const MAX_VARIABLE_LEVELS = 64
/** Of one kind, that are told of a request. */
const MAX_ERRORS = 10
const CACHED_DOCUMENTS = 1_000
/** Parsed, a character takes up to about 100 bytes. */
const CACHED_CHARACTERS = 1_000_000

/** `introspection`: whether a client may ask for the schema, and typos are answered with names of it. */
export function createGuard(schema: GraphQLSchema, policy: ErrorPolicy & { introspection: boolean }): Guard {
  const rules = policy.introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule]
  /** Valid documents by their text; bounded, as clients choose the text. */
  const documents = new LRUCache<string, DocumentNode>({
    max: CACHED_DOCUMENTS,
    maxSize: CACHED_CHARACTERS,
    sizeCalculation: (_, text) => text.length,
  })

  function documentOf(text: string): DocumentNode {
    const cached = documents.get(text)
    if (cached) return cached
    const document = parseDocument(text)
    const errors = validate(schema, document, rules, { maxErrors: MAX_ERRORS })
    if (errors.length > 0) throw refusal('GRAPHQL_VALIDATION_FAILED', ...errors)
    documents.set(text, document)
    return document
  }

  function parseDocument(text: string): DocumentNode {
    try {
      return parse(text, { maxTokens: MAX_TOKENS })
    } catch (error) {
      throw error instanceof GraphQLError ? refusal('GRAPHQL_PARSE_FAILED', error) : error
    }
  }

  /** Bounded, as each value at fault costs an error with a stack trace. */
  function checkVariables(operation: OperationDefinitionNode, variables: Record<string, unknown>) {
    const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables, {
      maxErrors: MAX_ERRORS,
    })
    if (errors) throw refusal('BAD_USER_INPUT', ...errors)
  }

  function checkCost(document: DocumentNode, operation: OperationDefinitionNode, variables: Record<string, unknown>) {
    const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION)
    const { complexity, depth } = costOf({ kind: Kind.DOCUMENT, definitions: [operation, ...fragments] }, variables)
    if (depth > MAX_DEPTH) refuseCost(`The operation is ${depth} levels deep; ${MAX_DEPTH} are allowed.`)
    if (complexity > MAX_COST) {
      refuseCost(`The operation may read ${complexity} fields; ${MAX_COST} are allowed. Ask for smaller pages.`)
    }
    const introspection = countIntrospection(document, operation)
    if (introspection > MAX_INTROSPECTION) {
      refuseCost(`The operation asks for ${introspection} fields of the schema; ${MAX_INTROSPECTION} are allowed.`)
    }
  }

  function costOf(document: DocumentNode, variables: Record<string, unknown>) {
    try {
      return complexityFromQuery(document, { schema, variables })
    } catch (error) {
      // An argument that only its variable's value makes wrong, as null where there is a default.
      throw error instanceof GraphQLError ? refusal('BAD_USER_INPUT', error) : error
    }
  }

  function refuseCost(message: string): never {
    throw refusal('GRAPHQL_VALIDATION_FAILED', new GraphQLError(message))
  }

  function refusal(code: LanguageCode, ...errors: readonly GraphQLError[]): Refused {
    return new Refused(errors.map((error) => languageError(error, code, policy)))
  }

  function prepare(request: OperationRequest): PreparedOperation {
    const { query, operationName, variables } = checkShape(request)
    const document = documentOf(query)
    const operation = getOperationAST(document, operationName)
    if (!operation) {
      const message = operationName
        ? 'The document has no operation of that name.'
        : 'The document has several operations: operationName must name one.'
      throw new Refused([domainError(new BadUserInputError(message, 'operationName'))])
    }
    checkVariables(operation, variables)
    checkCost(document, operation, variables)
    return { document, operation, operationName, variables }
  }

  function refusalOf(error: unknown): Refused {
    if (error instanceof Refused) return error
    // Some rules throw what they find.
    if (error instanceof GraphQLError) return refusal('GRAPHQL_VALIDATION_FAILED', error)
    // Nested deeper than the recursion of the parser, a rule or the cost goes.
    if (error instanceof RangeError) return refusal('GRAPHQL_PARSE_FAILED', TOO_DEEP)
    throw error
  }

  return (request) => {
    try {
      return { prepared: prepare(request) }
    } catch (error) {
      return { errors: refusalOf(error).errors }
    }
  }
}

const TOO_DEEP = new GraphQLError('The document is nested too deeply.')

/** Carries the errors of a request that is not let through. */
class Refused extends Error {
  readonly errors: GraphQLError[]
  constructor(errors: GraphQLError[]) {
    super()
    this.errors = errors
  }
}

function checkShape({ query, operationName, variables }: OperationRequest) {
  const refuse = (message: string, field: string): never => {
    throw new Refused([domainError(new BadUserInputError(message, field))])
  }
  if (typeof query !== 'string' || query === '') return refuse('query must be a GraphQL document.', 'query')
  if (operationName != null && typeof operationName !== 'string') {
    return refuse('operationName must be a string.', 'operationName')
  }
  if (variables != null && (typeof variables !== 'object' || Array.isArray(variables))) {
    return refuse('variables must be a JSON object.', 'variables')
  }
  if (isDeeperThan(variables, MAX_VARIABLE_LEVELS)) return refuse('variables are nested too deeply.', 'variables')
  return { query, operationName: operationName || undefined, variables: (variables ?? {}) as Record<string, unknown> }
}

/** How many root fields an operation has, aliases and fragments included: what it counts on the rate limiter. */
export function countRootFields({ document, operation }: PreparedOperation): number {
  return fieldSum(document, () => 1)(operation.selectionSet)
}

/** How many fields an operation asks of the schema itself, which has no cost of its own. */
function countIntrospection(document: DocumentNode, operation: OperationDefinitionNode): number {
  const countAll = fieldSum(document, ({ selectionSet }) => 1 + (selectionSet ? countAll(selectionSet) : 0))
  const count = fieldSum(document, ({ name, selectionSet }) =>
    selectionSet && name.value.startsWith('__') ? countAll(selectionSet) : 0,
  )
  return count(operation.selectionSet)
}

/** Adds up a number for each field of a selection set, fragments included; each set is looked at once. */
function fieldSum(document: DocumentNode, of: (field: FieldNode) => number): (set: SelectionSetNode) => number {
  const fragments = new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  )
  const sums = new Map<SelectionSetNode, number>()
  return function sum(set) {
    const known = sums.get(set)
    if (known !== undefined) return known
    let total = 0
    for (const node of set.selections) {
      if (node.kind === Kind.FIELD) total += of(node)
      else if (node.kind === Kind.INLINE_FRAGMENT) total += sum(node.selectionSet)
      else total += sum(fragments.get(node.name.value)!.selectionSet)
    }
    sums.set(set, total)
    return total
  }
}
