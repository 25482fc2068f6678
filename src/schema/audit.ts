import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import type { RequestContext } from '../context.ts'
import { noteMutation } from '../features/audit/service.ts'

// Every mutation of a service token is noted before it is done, whoever wrote it: none can be forgotten.

const NAME = 'audit'
export default NAME

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      [NAME]: AuditPlugin<Types>
    }
  }
}

export class AuditPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(
    resolve: GraphQLFieldResolver<unknown, Types['Context'], object>,
    field: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    if (field.kind !== 'Mutation') return resolve
    return async (parent, args, context, info) => {
      await noteMutation(context as RequestContext, info.fieldName, args)
      return resolve(parent, args, context, info)
    }
  }
}

SchemaBuilder.registerPlugin(NAME, AuditPlugin)
