import type {
  FieldNode,
  FragmentDefinitionNode,
  GraphQLField,
  GraphQLFieldResolver,
  GraphQLObjectType,
  GraphQLResolveInfo,
  GraphQLSchema,
  OperationDefinitionNode,
} from 'graphql'
import type { RequestContext } from '../../context.ts'
import type { Run } from './run.ts'

// What a plan consists of, and what its resolvers are told of where they are.

/** A response key of an object, and all that is known of it before anything is executed. */
export interface PlannedField {
  key: string
  /** All that were merged into this key. */
  nodes: readonly FieldNode[]
  definition: GraphQLField<unknown, unknown>
  parentType: GraphQLObjectType
  /** Null for __typename. */
  resolve: GraphQLFieldResolver<unknown, unknown> | null
  takesArguments: boolean
  complete: Complete
}

export type Selection = readonly PlannedField[]
export type Path = GraphQLResolveInfo['path']

/**
 * Makes what goes into the response of what a resolver gave for the field of `info`. `path` says where, null for that
 * field itself: most fields are leaves, whose path nobody asks for. @throws for whatever is amiss.
 */
export type Complete = (value: unknown, info: Info, path: Path | null) => unknown

/** One execution: what all fields of it share. */
export interface Execution {
  schema: GraphQLSchema
  fragments: Record<string, FragmentDefinitionNode>
  operation: OperationDefinitionNode
  variableValues: Record<string, unknown>
  rootValue: unknown
  context: RequestContext
}

/** What resolvers are told beside their arguments: few ask, so it is put together when they do. */
export class Info implements GraphQLResolveInfo {
  readonly field: PlannedField
  readonly run: Run
  readonly prev: Path | undefined

  constructor(field: PlannedField, run: Run, prev: Path | undefined) {
    this.field = field
    this.run = run
    this.prev = prev
  }

  get path(): Path {
    const { key, parentType } = this.field
    return { prev: this.prev, key, typename: parentType.name }
  }

  get fieldName() {
    return this.field.definition.name
  }
  get fieldNodes() {
    return this.field.nodes
  }
  get returnType() {
    return this.field.definition.type
  }
  get parentType() {
    return this.field.parentType
  }
  get schema() {
    return this.run.execution.schema
  }
  get fragments() {
    return this.run.execution.fragments
  }
  get rootValue() {
    return this.run.execution.rootValue
  }
  get operation() {
    return this.run.execution.operation
  }
  get variableValues() {
    return this.run.execution.variableValues
  }
}
