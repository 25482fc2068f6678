import SchemaBuilder, { BasePlugin, type PothosOutputFieldConfig, type SchemaTypes } from '@pothos/core'
import type { GraphQLFieldResolver } from 'graphql'
import { encodeId, type NodeType } from '../lib/ids.ts'

// The global ids of nodes, resolved at once. The relay plugin does it by way of several promises, so that nothing with an
// id in it could be executed without waiting; a page of fifty messages and their senders has a hundred.

const NAME = 'nodeIds'
export default NAME

declare global {
  export namespace PothosSchemaTypes {
    export interface Plugins<Types extends SchemaTypes> {
      [NAME]: NodeIdsPlugin<Types>
    }
  }
}

/** The `id` option of a node: the key that its global id is made of. */
export function nodeId<Row>(keyOf: (row: Row) => string, extensions = {}) {
  return { resolve: keyOf, extensions: { ...extensions, keyOf } }
}

export class NodeIdsPlugin<Types extends SchemaTypes> extends BasePlugin<Types> {
  override wrapResolve(
    resolve: GraphQLFieldResolver<unknown, Types['Context'], object>,
    field: PothosOutputFieldConfig<Types>,
  ): GraphQLFieldResolver<unknown, Types['Context'], object> {
    const keyOf = field.extensions?.keyOf as ((row: unknown) => string) | undefined
    return keyOf ? (row) => encodeId(field.parentType as NodeType, keyOf(row)) : resolve
  }
}

SchemaBuilder.registerPlugin(NAME, NodeIdsPlugin)
