import type { PrismaClient } from '../../src/db/generated/client.ts'

// Messages as a server on Prisma stores and reads them. A send is an interactive transaction, as Prisma's documentation
// has it for what reads before it writes: it locks by updating, so that the seqs have no gap. It does a little less than
// Parley, which also keeps a digest of the request, when positions were passed and whose inbox changed.

export interface Viewer {
  id: string
  displayName: string
  avatarUrl: string | null
}

export interface SendMessageInput {
  conversationId: string
  body: string
  idempotencyKey: string
}

/** So that no send is given up, however many wait: the defaults are 2 and 5 seconds. */
const PATIENCE = { maxWait: 30_000, timeout: 30_000 }

/** The key had been used: what the transaction did so far is undone. */
class Repeated extends Error {}

const SENDER = { sender: { select: { id: true, displayName: true, avatarUrl: true } } }

/** @throws Error where the viewer may not send there. */
export async function sendMessage(prisma: PrismaClient, viewer: Viewer, input: SendMessageInput) {
  try {
    return { message: await insert(prisma, viewer, input), deduplicated: false }
  } catch (error) {
    if (!(error instanceof Repeated)) throw error
    const { conversationId, idempotencyKey } = input
    const where = { conversationId, idempotencyKey, senderId: viewer.id }
    return { message: await prisma.message.findFirstOrThrow({ where, include: SENDER }), deduplicated: true }
  }
}

function insert(prisma: PrismaClient, viewer: Viewer, { conversationId, body, idempotencyKey }: SendMessageInput) {
  const place = { conversationId, userId: viewer.id }
  return prisma.$transaction(async (tx) => {
    const now = new Date()
    const one = { increment: 1 }
    const { lastSeq, version, closedAt } = await tx.conversation.update({
      where: { id: conversationId, deletedAt: null },
      data: { lastSeq: one, version: one, messageCount: one, lastMessageAt: now, activityAt: now },
      select: { lastSeq: true, version: true, closedAt: true },
    })
    const participant = await tx.participant.findUnique({
      where: { conversationId_userId: place },
      select: { leftAt: true },
    })
    if (!participant || participant.leftAt) throw new Error('There is no such conversation.')
    const known = await tx.message.findFirst({
      where: { conversationId, idempotencyKey, senderId: viewer.id },
      select: { seq: true },
    })
    if (known) throw new Repeated()
    if (closedAt) throw new Error('This conversation is closed.')
    const message = await tx.message.create({
      data: { conversationId, seq: lastSeq, version, senderId: viewer.id, body, idempotencyKey, createdAt: now },
    })
    await tx.participant.update({
      where: { conversationId_userId: place },
      data: { lastReadSeq: lastSeq, lastReadAt: now },
      select: { lastReadSeq: true },
    })
    return { ...message, sender: viewer }
  }, PATIENCE)
}

/** The messages before a seq, oldest first, by seq and so at the same cost at any depth; and whether there are more. */
export async function messagePage(prisma: PrismaClient, conversationId: string, last: number, before?: number) {
  const rows = await prisma.message.findMany({
    where: { conversationId, ...(before !== undefined && { seq: { lt: before } }) },
    orderBy: { seq: 'desc' },
    take: last + 1,
    include: SENDER,
  })
  return { rows: rows.slice(0, last).reverse(), hasPreviousPage: rows.length > last }
}

/** A conversation that the viewer is in, or null. */
export function findConversation(prisma: PrismaClient, viewer: Viewer, id: string) {
  return prisma.conversation.findFirst({
    where: { id, deletedAt: null, participants: { some: { userId: viewer.id, leftAt: null } } },
  })
}

/**
 * The viewer's places, pinned first, then newest activity first, each with its conversation and the newest message. The
 * messages are asked for by their keys: Prisma's own nested `take` would read all that there are.
 */
export async function listPlaces(prisma: PrismaClient, viewer: Viewer, first: number) {
  const places = await prisma.participant.findMany({
    where: { userId: viewer.id, leftAt: null, archivedSeq: null, conversation: { deletedAt: null } },
    orderBy: [{ isPinned: 'desc' }, { conversation: { activityAt: 'desc' } }, { conversationId: 'desc' }],
    take: first + 1,
    include: { conversation: true },
  })
  const keys = places.map(({ conversation: { id, lastSeq } }) => ({ conversationId: id, seq: lastSeq }))
  const messages = await prisma.message.findMany({ where: { OR: keys }, include: SENDER })
  const newest = new Map(messages.map((message) => [message.conversationId, message]))
  return {
    places: places.slice(0, first).map((place) => ({ ...place, lastMessage: newest.get(place.conversationId) })),
    hasNextPage: places.length > first,
  }
}
