import fc from 'fast-check'
import type { ExecutionResult } from 'graphql'
import { encodeId } from '../../src/lib/ids.ts'
import { uuidOf } from '../features/support.ts'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  CreateGroupConversationDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  type MessageFieldsFragment,
  OpenConversationDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  StartDirectConversationDocument,
  UpdateConversationDocument,
} from '../generated/graphql.ts'
import type { TestClient } from './app.ts'

// Operations of a few users and the host's back end, drawn at random, for tests that compare what comes of them.

/** How many users take part; the service comes behind them. */
export const USERS = 4
export const SERVICE = USERS

/** The same operations in each run, unless `SEED=… npx vitest` draws others: a change is judged by what it changed. */
export const seedOfRun = () => Number(process.env.SEED ?? 20261120)

/** How often each is drawn. */
const WEIGHTS = {
  createGroup: 1,
  open: 2,
  startDirect: 1,
  send: 8,
  resend: 3,
  edit: 5,
  deleteMessage: 3,
  markRead: 3,
  add: 3,
  remove: 2,
  leave: 2,
  setRole: 4,
  setState: 7,
  rename: 1,
  close: 1,
  reopen: 2,
  delete: 1,
} as const

/** What a service does for itself here. */
const OF_SERVICE = [
  'send',
  'resend',
  'edit',
  'deleteMessage',
  'add',
  'remove',
  'setRole',
  'rename',
  'close',
  'reopen',
  'delete',
]

/** All that any of them needs; what one doesn't need is ignored. */
export interface Operation {
  do: keyof typeof WEIGHTS
  /** Index of the user who does it, or SERVICE. */
  by: number
  /** Which of the conversations that there are, modulo their number. */
  conversation: number
  /** Index of the user to whom it is done. */
  target: number
  /** Indexes of users. */
  others: number[]
  flag: boolean
  number: number
}

export const KINDS = ['JOB', 'SUPPORT', 'GENERAL'] as const
export const ROLES = ['MEMBER', 'ADMIN', 'OWNER'] as const
export const kindOf = ({ number }: Operation) => KINDS[number % KINDS.length]!
export const roleOf = ({ number }: Operation) => ROLES[number % ROLES.length]!
export const subjectOf = ({ flag }: Operation) => `subject ${flag}`
/** The seq to read up to; undefined: all. */
export const seqOf = ({ number }: Operation) => number % 6 || undefined
export const titleOf = ({ number }: Operation) => `title ${number % 3}`

/** What an edit makes of a message, which is often what it says already. */
export const editOf = ({ number }: Operation) => `text ${number % 3}`

/** What to change of the own state: any of the four. */
export function stateOf({ number, flag }: Operation) {
  return {
    ...(number & 1 && { isArchived: flag }),
    ...(number & 2 && { isPinned: flag }),
    ...(number & 4 && { isFavorited: flag }),
    ...(number & 8 && { mutedUntil: flag ? '2100-01-01T00:00:00.000Z' : null }),
  }
}

export const operation: fc.Arbitrary<Operation> = fc
  .record({
    do: fc.oneof(
      ...Object.entries(WEIGHTS).map(([name, weight]) => ({
        arbitrary: fc.constant(name as keyof typeof WEIGHTS),
        weight,
      })),
    ),
    // Mostly the same few, so that one thing builds on another.
    by: fc.oneof({ arbitrary: fc.constant(0), weight: 1 }, { arbitrary: fc.nat(SERVICE), weight: 2 }),
    conversation: fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, { arbitrary: fc.nat(4), weight: 1 }),
    target: fc.nat(USERS - 1),
    others: fc.subarray(Array.from({ length: USERS }, (_, index) => index)),
    flag: fc.boolean(),
    number: fc.nat(59),
  })
  .map((drawn) => (drawn.by === SERVICE && !OF_SERVICE.includes(drawn.do) ? { ...drawn, by: 0 } : drawn))

/** Who does it and to what. */
export interface World {
  /** One for each user, then the service's. */
  clients: TestClient[]
  externalIds: string[]
  userIds: string[]
  /** Ids of conversations, as they came to be. */
  conversations: string[]
  /** The same for messages. */
  messages: SentMessage[]
}

export interface SentMessage {
  conversationId: string
  seq: number
  by: number
  body: string
  idempotencyKey: string | null
}

export interface Outcome {
  /** OK, or the code of the error. */
  code: string
  /** Of the conversation that was opened or is there already. */
  id?: string
  /** When the message was sent or the conversation opened. */
  at?: string
  /** The message that was sent, edited or deleted, as the answer has it. */
  message?: ToldMessage
  /** The message, if there is one more now. */
  sent?: SentMessage
}

export interface ToldMessage {
  seq: number
  version: number
  body: string | null
  /** It was sent before, with the same key. */
  deduplicated: boolean
}

/** The conversation that an operation is about; one that never was while there is none. */
export function conversationOf(world: World, operation: Operation): string {
  const { conversations } = world
  const missing = encodeId('Conversation', '00000000-0000-7000-8000-000000000000')
  if (OF_MESSAGE.includes(operation.do)) return messageOf(world, operation)?.conversationId ?? missing
  return conversations[operation.conversation % conversations.length] ?? missing
}

/** What is done to a message that there is. */
const OF_MESSAGE = ['resend', 'edit', 'deleteMessage']

/** Which message: one of the user's own, or with `flag` anybody's; undefined while there is none. */
export function messageOf({ messages }: World, { by, flag, number }: Operation): SentMessage | undefined {
  const some = messages.filter((each) => flag || each.by === by)
  return some[number % some.length]
}

/** What to send: something new, under a key or not; or again what was sent, now and then with another text. */
export function draftOf(world: World, operation: Operation): { body: string; idempotencyKey: string | null } {
  const { flag, number } = operation
  if (operation.do === 'send') return { body: `text ${number % 3}`, idempotencyKey: flag ? `key ${number}` : null }
  const { body = 'x', idempotencyKey = null } = messageOf(world, operation) ?? {}
  return { body: number % 5 ? body : `${body}!`, idempotencyKey }
}

/** Does it, and says what came of it. */
export async function perform(world: World, operation: Operation): Promise<Outcome> {
  const client = world.clients[operation.by]!
  const conversationId = conversationOf(world, operation)
  const userId = world.userIds[operation.target]!
  const externalIds = operation.others.map((index) => world.externalIds[index]!)
  switch (operation.do) {
    case 'createGroup': {
      const input = { title: 'Group', participantExternalIds: externalIds }
      const result = await client.execute(CreateGroupConversationDocument, { input })
      return outcome(result, result.data?.createGroupConversation?.conversation)
    }
    case 'open': {
      const participants = externalIds.length > 0 ? { participantExternalIds: externalIds } : {}
      const input = { kind: kindOf(operation), subjectId: subjectOf(operation), ...participants }
      const result = await client.execute(OpenConversationDocument, { input })
      return outcome(result, result.data?.openConversation?.conversation)
    }
    case 'startDirect': {
      const result = await client.execute(StartDirectConversationDocument, { input: { userId } })
      return outcome(result, result.data?.startDirectConversation?.conversation)
    }
    case 'send':
    case 'resend': {
      const draft = draftOf(world, operation)
      const result = await client.execute(SendMessageDocument, { input: { conversationId, ...draft } })
      const sent = result.data?.sendMessage
      const isNew = sent?.deduplicated === false
      return {
        ...told(result, sent),
        ...(isNew && { at: sent.message.createdAt }),
        ...(isNew && { sent: { ...draft, conversationId, seq: sent.message.seq, by: operation.by } }),
      }
    }
    case 'edit': {
      const input = { messageId: messageIdOf(world, operation), body: editOf(operation) }
      const result = await client.execute(EditMessageDocument, { input })
      return told(result, result.data?.editMessage)
    }
    case 'deleteMessage': {
      const input = { messageId: messageIdOf(world, operation) }
      const result = await client.execute(DeleteMessageDocument, { input })
      return told(result, result.data?.deleteMessage)
    }
    case 'markRead': {
      const seq = seqOf(operation)
      const messageId = seq ? encodeId('Message', uuidOf(conversationId), seq) : null
      return outcome(await client.execute(MarkReadDocument, { input: { conversationId, messageId } }))
    }
    case 'add':
      return outcome(
        await client.execute(AddParticipantsDocument, {
          input: { conversationId, externalIds, withHistory: operation.flag },
        }),
      )
    case 'remove':
      return outcome(await client.execute(RemoveParticipantDocument, { input: { conversationId, userId } }))
    case 'leave':
      return outcome(await client.execute(LeaveConversationDocument, { input: { conversationId } }))
    case 'setRole':
      return outcome(
        await client.execute(SetParticipantRoleDocument, {
          input: { conversationId, userId, role: roleOf(operation) },
        }),
      )
    case 'setState':
      return outcome(
        await client.execute(SetConversationStateDocument, { input: { conversationId, ...stateOf(operation) } }),
      )
    case 'rename':
      return outcome(
        await client.execute(UpdateConversationDocument, { input: { conversationId, title: titleOf(operation) } }),
      )
    case 'close':
      return outcome(await client.execute(CloseConversationDocument, { input: { conversationId } }))
    case 'reopen':
      return outcome(await client.execute(ReopenConversationDocument, { input: { conversationId } }))
    case 'delete':
      return outcome(await client.execute(DeleteConversationDocument, { input: { conversationId } }))
  }
}

function messageIdOf(world: World, operation: Operation): string {
  return encodeId('Message', uuidOf(conversationOf(world, operation)), messageOf(world, operation)?.seq ?? 1)
}

function told(
  result: ExecutionResult<unknown>,
  payload: { message: MessageFieldsFragment; deduplicated?: boolean } | null | undefined,
): Outcome {
  if (!payload) return outcome(result)
  const { message, deduplicated = false } = payload
  const { seq, version, body = null } = message
  return { code: codeOf(result), message: { seq, version, body, deduplicated } }
}

function outcome(result: ExecutionResult<unknown>, opened?: { id: string; createdAt: string } | null): Outcome {
  return { code: codeOf(result), ...(opened && { id: opened.id, at: opened.createdAt }) }
}

function codeOf({ data, errors }: ExecutionResult<unknown>): string {
  if (errors) return String(errors[0]!.extensions?.code)
  if (!data) throw new Error('neither data nor errors')
  return 'OK'
}
