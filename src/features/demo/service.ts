import type { AppContext } from '../../context.ts'
import { encodeId } from '../../lib/ids.ts'
import { startDirectConversation } from '../conversations/direct.ts'
import { userOfToken } from '../users/service.ts'
import { DEMO_USERS } from './users.ts'

/** Makes the demo users and their direct conversation, if they aren't there; gives back its global id. */
export async function ensureDemoConversation(app: AppContext): Promise<string> {
  const [ada] = await Promise.all(DEMO_USERS.map((demo) => userOfToken(app, { ...demo, issuedAt: null })))
  const viewer = { kind: 'user', user: ada!, actingService: null } as const
  const { conversation } = await startDirectConversation({ ...app, viewer }, { externalId: DEMO_USERS[1].sub })
  return encodeId('Conversation', conversation.id)
}
