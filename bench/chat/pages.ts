import { messageCursor } from '../../src/lib/cursors.ts'
import { execute } from './database.ts'
import { BODY } from './fill.ts'

interface MessageData {
  seq: number
  body: string
  sender: { displayName: string }
}

export interface PageData {
  conversation: { messages: { edges: { node: MessageData }[]; pageInfo: { hasPreviousPage: boolean } } }
}

export interface ListData {
  conversations: {
    edges: {
      node: {
        title: string
        lastSeq: number
        lastMessageAt: string
        lastMessage: MessageData
        viewerState: { unreadCount: number }
      }
    }[]
    pageInfo: { hasNextPage: boolean }
  }
}

/** The cursor of a message, as this side gives it out. */
export async function cursorOf(side: string, databaseUrl: string, conversation: string, seq: number): Promise<string> {
  if (side !== 'parley') return String(seq)
  const [row] = await execute<{ epoch: string }>(databaseUrl, 'SELECT epoch FROM database_epoch')
  return messageCursor(row!.epoch, conversation, seq)
}

/** That a page holds the fifty messages up to this seq. */
export const checkPage = (last: number) => (data: PageData) => {
  const { edges, pageInfo } = data.conversation.messages
  const isRight = ({ node: { seq, body, sender } }: { node: MessageData }, place: number) =>
    seq === last - 49 + place && body === BODY && sender.displayName.startsWith('User ')
  if (edges.length !== 50 || !edges.every(isRight) || !pageInfo.hasPreviousPage) wrong(data)
}

/** That a list holds the conversations of these numbers, which `fill` made, in this order. */
export const checkList = (numbers: number[]) => (data: ListData) => {
  const { edges, pageInfo } = data.conversations
  const isRight = ({ node }: (typeof edges)[number], place: number) => {
    const number = numbers[place]!
    const { title, lastSeq, lastMessage, viewerState } = node
    const unread = Math.floor(number / 10) % 10
    return title === `Conversation ${number}` && lastMessage.seq === lastSeq && viewerState.unreadCount === unread
  }
  if (edges.length !== numbers.length || !edges.every(isRight) || !pageInfo.hasNextPage) wrong(data)
}

/** That a page holds fifty messages without a gap. @throws Error where it doesn't. */
export function requireContiguous(data: PageData): void {
  const { edges } = data.conversation.messages
  const first = edges[0]?.node.seq ?? 0
  if (edges.length !== 50 || edges.some(({ node }, place) => node.seq !== first + place)) wrong(data)
}

/** That a list holds so many conversations, the newest first. @throws Error where it doesn't. */
export function requireSorted(data: ListData, count: number): void {
  const times = data.conversations.edges.map(({ node }) => node.lastMessageAt)
  if (times.length !== count || times.some((time, place) => place > 0 && time > times[place - 1]!)) wrong(data)
}

function wrong(data: unknown): never {
  throw new Error(`Not what was asked: ${JSON.stringify(data).slice(0, 2_000)}`)
}
