import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import DataloaderPlugin from '@pothos/plugin-dataloader'
import RelayPlugin from '@pothos/plugin-relay'
import SimpleObjectsPlugin from '@pothos/plugin-simple-objects'
import type { RequestContext } from '../context.ts'
import { decodeId, encodeId, type NodeType } from '../lib/ids.ts'
import type { JsonObject } from '../lib/json.ts'
import { DEFAULT_PAGE, MAX_PAGE } from '../lib/paging.ts'
import AuditPlugin from './audit.ts'
import FreshMutationsPlugin from './fresh-mutations.ts'
import NodeIdsPlugin from './node-ids.ts'

// Makes the builder, and defines no type of its own. Rows come from the services, which decide who sees what; Pothos'
// Prisma plugin is left out, as it would put statements into the types, where that can't be decided in one place.

export const builder = new SchemaBuilder<{
  Context: RequestContext
  DefaultFieldNullability: false
  DefaultEdgesNullability: { list: false; items: false }
  DefaultNodeNullability: false
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    SafeInt: { Input: number; Output: number }
    JSONObject: { Input: JsonObject; Output: JsonObject }
  }
}>({
  plugins: [
    DataloaderPlugin,
    RelayPlugin,
    SimpleObjectsPlugin,
    ComplexityPlugin,
    FreshMutationsPlugin,
    AuditPlugin,
    NodeIdsPlugin,
  ],
  defaultFieldNullability: false,
  relay: {
    encodeGlobalID: (typename, id) => encodeId(typename as NodeType, String(id)),
    decodeGlobalID: (globalId) => {
      const { type, key } = decodeId(globalId)!
      return { typename: type, id: key.join(':') }
    },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    nodeTypeOptions: { description: 'Anything that has an id, by which `node` finds it again.' },
    idFieldOptions: { description: 'Opaque; unique among all types, and for ever.' },
    edgesFieldOptions: { nullable: { list: false, items: false }, description: 'The items, each with its cursor.' },
    nodeFieldOptions: { nullable: false, description: 'The item itself.' },
    cursorFieldOptions: { description: 'Where the item stands, for `after` and `before`. Opaque.' },
    pageInfoFieldOptions: { description: 'Whether there is more, and where to go on.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    hasNextPageFieldOptions: { description: 'There are items after this page.' },
    hasPreviousPageFieldOptions: { description: 'There are items before this page.' },
    startCursorFieldOptions: { description: 'The cursor of the first item; null in an empty page.' },
    endCursorFieldOptions: { description: 'The cursor of the last item; null in an empty page.' },
    firstArgOptions: { description: 'How many, from the start or from `after` on.' },
    afterArgOptions: { description: 'Only items after this cursor.' },
    lastArgOptions: { description: 'How many, up to the end or to `before`.' },
    beforeArgOptions: { description: 'Only items before this cursor.' },
  },
  complexity: {
    // Checked by transport/guard.ts, before anything is executed.
    disabled: true,
    // A field costs 1, and what hangs on a list counts for each of its rows. What is out of bounds is refused later, by name.
    fieldComplexity: (args, _ctx, field) => {
      if (!field.args.some(({ name }) => name === 'first')) return { field: 1, multiplier: 1 }
      const size = Number(args.first ?? args.last ?? DEFAULT_PAGE)
      return { field: 1, multiplier: Math.min(Math.max(size, 1), MAX_PAGE) }
    },
  },
})

builder.queryType({ description: 'What can be read. A field that fails is null, and the others are still answered.' })
builder.mutationType({ description: 'What can be done: one after the other, each wholly or not at all.' })
builder.subscriptionType({ description: 'What can be followed, by WebSocket or event stream.' })
