import type { RequestContext } from '../context.ts'
import type { Page } from '../lib/paging.ts'
import { loadedTogether } from './loaders.ts'

interface Connection<Row> {
  edges: { cursor: string; node: Row }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
}

/** A page as a Relay connection. */
export function connectionOf<Row>(page: Page<Row>, cursorOf: (row: Row) => string): Connection<Row> {
  const edges = page.rows.map((node) => ({ cursor: cursorOf(node), node }))
  return {
    edges,
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: page.hasPreviousPage,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

/** The resolver of a field that gives a page of each row's own list: the pages of many rows are read together. */
export function connectionOfEach<Row, Args, Item>(
  pagesOf: (ctx: RequestContext, rows: Row[], args: Args) => Promise<Page<Item>[]>,
  cursorOf: (item: Item, ctx: RequestContext) => string,
) {
  return loadedTogether(async (rows: Row[], ctx, args: Args) => {
    const pages = await pagesOf(ctx, rows, args)
    return pages.map((page) => connectionOf(page, (item) => cursorOf(item, ctx)))
  })
}
