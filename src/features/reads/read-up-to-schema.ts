import { loaderOf } from '../../schema/loaders.ts'
import { loadReadUpTo } from './readers.ts'

/** How far all have read a conversation, by its internal id: computed once in a request, whoever asks. */
export const readUpTo = loaderOf<string, number>((ids, ctx) => loadReadUpTo(ctx, ids))
