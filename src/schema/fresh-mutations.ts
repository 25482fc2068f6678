import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import type { RequestContext } from '../context.ts'
import { forgetLoaded } from './loaders.ts'

// What an earlier mutation of the same request loaded is stale after the next one: each begins with empty loaders.

const NAME = 'freshMutations'
export default NAME

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      [NAME]: FreshMutationsPlugin<Types>
    }
  }
}

export class FreshMutationsPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(
    resolve: GraphQLFieldResolver<unknown, Types['Context'], object>,
    field: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    if (field.kind !== 'Mutation') return resolve
    return (parent, args, context, info) => {
      // A plugin is typed for any builder's context; this one's is a RequestContext.
      forgetLoaded(context as unknown as RequestContext)
      return resolve(parent, args, context, info)
    }
  }
}

SchemaBuilder.registerPlugin(NAME, FreshMutationsPlugin)
