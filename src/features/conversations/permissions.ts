import type { ConversationKind } from '../../db/generated/enums.ts'
import { ForbiddenError } from '../../lib/errors.ts'
import type { ConversationView } from './access.ts'

// Who may do what to a conversation that one may see: the whole table, and nothing about it anywhere else.

/** Who an action is open to: any participant, admins and the owner, the owner, services alone, or nobody (`-`). */
type Who = 'participant' | 'admin' | 'owner' | 'service' | '-'

type Column = 'DIRECT' | 'GROUP' | 'ROOM' | 'ROLEPLAY'

/** JOB, SUPPORT and GENERAL share a column. */
const COLUMN_OF: Record<ConversationKind, Column> = {
  DIRECT: 'DIRECT',
  GROUP: 'GROUP',
  JOB: 'ROOM',
  SUPPORT: 'ROOM',
  GENERAL: 'ROOM',
  ROLEPLAY: 'ROLEPLAY',
}

/** A service may do all that is open to anybody. */
export const PERMISSIONS = {
  update: { DIRECT: 'participant', GROUP: 'admin', ROOM: 'admin', ROLEPLAY: 'participant' },
  changeParticipants: { DIRECT: '-', GROUP: 'admin', ROOM: 'admin', ROLEPLAY: '-' },
  changeRoles: { DIRECT: '-', GROUP: 'owner', ROOM: 'owner', ROLEPLAY: '-' },
  leave: { DIRECT: '-', GROUP: 'participant', ROOM: 'participant', ROLEPLAY: '-' },
  close: { DIRECT: '-', GROUP: 'owner', ROOM: 'admin', ROLEPLAY: '-' },
  delete: { DIRECT: '-', GROUP: 'owner', ROOM: 'owner', ROLEPLAY: 'participant' },
  /** Of somebody else's; one's own may be deleted by anybody. */
  deleteMessage: { DIRECT: 'service', GROUP: 'admin', ROOM: 'admin', ROLEPLAY: 'service' },
} as const satisfies Record<string, Record<Column, Who>>

export type Action = keyof typeof PERMISSIONS

const RANK = { MEMBER: 0, ADMIN: 1, OWNER: 2 } as const
const NEEDED = { participant: RANK.MEMBER, admin: RANK.ADMIN, owner: RANK.OWNER } as const

/** Whether the viewer, as the view has it, may do this. */
export function may(view: ConversationView, action: Action): boolean {
  const who: Who = PERMISSIONS[action][COLUMN_OF[view.kind]]
  if (who === '-') return false
  // No place of its own: a service. A participant has a role.
  if (view.role === null) return true
  if (who === 'service') return false
  return RANK[view.role] >= NEEDED[who]
}

/** @throws ForbiddenError where the viewer may see the conversation but not do this to it. */
export function requirePermission(view: ConversationView, action: Action): void {
  if (!may(view, action)) throw new ForbiddenError(`You may not do this in a ${view.kind} conversation.`)
}
