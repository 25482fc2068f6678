import type { ApolloCache, Reference } from '@apollo/client'
import type { FieldMergeFunction } from '@apollo/client/cache'
import { type ChatMessageFragment, ChatWithMessageFragmentDoc } from '../test/generated/graphql.ts'
import { isStored, mergeMessages } from './messages.ts'

/** Conversation.messages as the cache holds it. Without pageInfo it is incomplete, and Apollo asks for it anew. */
interface Messages {
  edges: { node: Reference }[]
  pageInfo?: unknown
}

/** Merges a page, or a single message, into the messages of a conversation that are held. */
export const mergePages: FieldMergeFunction<Messages> = (held = { edges: [] }, incoming, { readField }) => {
  const read = ({ edges }: Messages) =>
    edges.map((edge) => ({
      edge,
      seq: readField<number>('seq', edge.node)!,
      idempotencyKey: readField<string>('idempotencyKey', edge.node) ?? null,
    }))
  const firstSeq = (messages: { seq: number }[]) => messages.find(isStored)?.seq ?? Number.POSITIVE_INFINITY
  const merged = mergeMessages([...read(held), ...read(incoming)])
  const start = firstSeq(merged)
  // Whether there are older ones is told by the page that the list begins with.
  const known = start > firstSeq(read(held)) ? undefined : held.pageInfo
  const pageInfo = (start === firstSeq(read(incoming)) && incoming.pageInfo) || known
  return { ...held, ...incoming, edges: merged.map(({ edge }) => edge), pageInfo }
}

/** Adds a message, or puts it in the place of its pending copy. */
export function addMessage(cache: ApolloCache, conversationId: string, message: ChatMessageFragment) {
  cache.writeFragment({
    id: cache.identify({ __typename: 'Conversation', id: conversationId })!,
    fragment: ChatWithMessageFragmentDoc,
    fragmentName: 'ChatWithMessage',
    data: { messages: { edges: [{ node: message }] } },
  })
}
