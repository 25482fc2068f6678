import type { NodeType } from '../lib/ids.ts'
import { builder } from './builder.ts'
import { type Load, loaderOf } from './loaders.ts'
import type { nodeId } from './node-ids.ts'

/** A type of node; a field of it may give a row or the key that `load` finds it by. */
export function loadableNode<Row extends object>(
  name: NodeType,
  { id, load }: { id: ReturnType<typeof nodeId<Row>>; load: Load<string, Row> },
) {
  // What its own loader is, is looked up when the schema is built: after this.
  const node = builder.loadableNodeRef<Row, string>(name, { id, load })
  const getDataloader = loaderOf(load)
  node.updateConfig((config) => ({ ...config, extensions: { ...config.extensions, getDataloader } }))
  return Object.assign(node, { getDataloader })
}
