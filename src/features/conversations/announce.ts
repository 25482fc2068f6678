import { announce } from '../../bus/announce.ts'
import type { RequestContext } from '../../context.ts'

/** What a committed change of a conversation, other than a message, did. */
export interface Change {
  conversationId: string
  /** The versions that it took, both ends included. */
  from: number
  version: number
  joined?: string[]
  /** Who may no longer see it; ALL when it was deleted. */
  ended?: string[] | 'ALL'
}

/** Tells a conversation's followers of a change, and those who came in of their new conversation. After the commit. */
export function announceChange(ctx: RequestContext, change: Change): void {
  const { conversationId, from, version, joined = [], ended = [] } = change
  announce(ctx, { type: 'changed', key: conversationId, from, version, joined, ended })
  for (const userId of joined) announce(ctx, { type: 'inbox', key: userId, conversationId, change: 'JOINED' })
}
