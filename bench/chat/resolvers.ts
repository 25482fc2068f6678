import type { PrismaClient } from '../../src/db/generated/client.ts'
import {
  findConversation,
  listPlaces,
  messagePage,
  type SendMessageInput,
  sendMessage,
  type Viewer,
} from './messages.ts'

/** What the peers' resolvers are given with each operation. */
export interface ChatContext {
  viewer: Viewer
}

type Place = Awaited<ReturnType<typeof listPlaces>>['places'][number]
type MessageRow = Awaited<ReturnType<typeof messagePage>>['rows'][number]
/** `place` comes along in the list alone. */
type ConversationRow = NonNullable<Awaited<ReturnType<typeof findConversation>>> & { place?: Place }

/** Ids and cursors are the plain keys: what they look like is each server's own affair. */
export function createResolvers(prisma: PrismaClient) {
  return {
    Query: {
      conversation: (_: unknown, { id }: { id: string }, { viewer }: ChatContext) =>
        findConversation(prisma, viewer, id),
      async conversations(_: unknown, { first }: { first?: number }, { viewer }: ChatContext) {
        const { places, hasNextPage } = await listPlaces(prisma, viewer, first ?? 50)
        const edges = places.map((place) => ({
          cursor: place.conversationId,
          node: { ...place.conversation, place },
        }))
        return { edges, pageInfo: { hasNextPage, hasPreviousPage: false, endCursor: edges.at(-1)?.cursor } }
      },
    },
    Mutation: {
      sendMessage: (_: unknown, { input }: { input: SendMessageInput }, { viewer }: ChatContext) =>
        sendMessage(prisma, viewer, input),
    },
    Conversation: {
      lastMessageAt: ({ lastMessageAt }: ConversationRow) => lastMessageAt?.toISOString(),
      lastMessage: ({ place }: ConversationRow) => place?.lastMessage,
      viewerState: ({ place, lastSeq }: ConversationRow) =>
        place && { lastReadSeq: place.lastReadSeq, unreadCount: lastSeq - place.lastReadSeq },
      async messages({ id }: ConversationRow, { last, before }: { last?: number; before?: string }) {
        const seq = before === undefined || before === null ? undefined : Number(before)
        const { rows, hasPreviousPage } = await messagePage(prisma, id, last ?? 50, seq)
        const edges = rows.map((node) => ({ cursor: String(node.seq), node }))
        return { edges, pageInfo: { hasNextPage: seq !== undefined, hasPreviousPage, startCursor: edges[0]?.cursor } }
      },
    },
    Message: {
      id: ({ conversationId, seq }: MessageRow) => `${conversationId}:${seq}`,
      createdAt: ({ createdAt }: MessageRow) => createdAt.toISOString(),
    },
  }
}
