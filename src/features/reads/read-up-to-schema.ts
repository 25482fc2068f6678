import { dataloaderGetter } from '@pothos/plugin-dataloader'
import type { RequestContext } from '../../context.ts'
import { loadReadUpTo } from './readers.ts'

/** How far all have read a conversation, by its internal id: computed once in a request, whoever asks. */
export const readUpTo = dataloaderGetter<string, number, string>(
  undefined,
  // The getter is typed for any builder's context; this one's is a RequestContext.
  (ids, ctx) => loadReadUpTo(ctx as unknown as RequestContext, ids),
  undefined,
  undefined,
)
