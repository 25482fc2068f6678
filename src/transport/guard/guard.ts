import {
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { BadUserInputError } from '../../lib/errors.ts'
import { isDeeperThan } from '../../lib/json.ts'
import { domainError, type ErrorPolicy, type LanguageCode, languageError } from '../errors.ts'
import { type CostCheck, createCostCheck } from './cost.ts'

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

  const costCheck = createCostCheck(schema)

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

  function checkCost(...counted: Parameters<CostCheck>) {
    const excess = excessOf(...counted)
    if (excess !== null) throw refusal('GRAPHQL_VALIDATION_FAILED', new GraphQLError(excess))
  }

  function excessOf(...counted: Parameters<CostCheck>) {
    try {
      return costCheck(...counted)
    } catch (error) {
      throw error instanceof GraphQLError ? refusal('BAD_USER_INPUT', error) : error
    }
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
