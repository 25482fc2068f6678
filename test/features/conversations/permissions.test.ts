import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeId } from '../../../src/lib/ids.ts'
import {
  AddParticipantsDocument,
  CloseConversationDocument,
  ConversationDetailsDocument,
  DeleteConversationDocument,
  DeleteMessageDocument,
  EditMessageDocument,
  LeaveConversationDocument,
  MarkReadDocument,
  RemoveParticipantDocument,
  ReopenConversationDocument,
  SendMessageDocument,
  SetConversationStateDocument,
  SetParticipantRoleDocument,
  SetTypingDocument,
  UpdateConversationDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { type Scene, send, startDirect, uuidOf } from '../support.ts'
import {
  askOver,
  createGroup,
  everything,
  expectSound,
  open,
  type Request,
  refusal,
  request,
  setRole,
  startWith,
  userId,
  type Way,
} from './support.ts'

const WHO = ['owner', 'admin', 'member', 'service', 'serviceForMember', 'outsider'] as const
type Who = (typeof WHO)[number]
const KINDS = ['DIRECT', 'GROUP', 'JOB', 'SUPPORT', 'GENERAL', 'ROLEPLAY'] as const
type Kind = (typeof KINDS)[number]

/** Who may: any participant, admins and the owner, the owner; with the service or without; it alone; or nobody at all. */
const MAY = {
  m: ['owner', 'admin', 'member', 'serviceForMember'],
  'm+s': ['owner', 'admin', 'member', 'serviceForMember', 'service'],
  'a+s': ['owner', 'admin', 'service'],
  'o+s': ['owner', 'service'],
  s: ['service'],
  '-': [],
} as const satisfies Record<string, Who[]>

/**
 * The rules, in the words of the documentation: columns are kinds, of which JOB, SUPPORT and GENERAL share one. A
 * service's own message is the system's, which nobody edits.
 */
const RULES = `
               DIRECT  GROUP  ROOM  ROLEPLAY
  read         m+s     m+s    m+s   m+s
  send         m+s     m+s    m+s   m+s
  type         m       m      m     m
  markRead     m       m      m     m
  keepState    m       m      m     m
  update       m+s     a+s    a+s   m+s
  add          -       a+s    a+s   -
  remove       -       a+s    a+s   -
  setRole      -       o+s    o+s   -
  leave        -       m      m     -
  close        -       o+s    a+s   -
  reopen       -       o+s    a+s   -
  delete       -       o+s    o+s   m+s
  editOwn      m       m      m     m
  editOther    -       -      -     -
  deleteOwn    m+s     m+s    m+s   m+s
  deleteOther  s       a+s    a+s   s
`

/** What is asked for, of conversation `conversationId`, or of the newest message in it. */
const ACTIONS: Record<string, (conversationId: string, messageId: string) => Request> = {
  read: (id) => [ConversationDetailsDocument as Request[0], { id }],
  send: (conversationId) => request(SendMessageDocument, { conversationId, body: 'hello' }),
  type: (conversationId) => request(SetTypingDocument, { conversationId, isTyping: true }),
  markRead: (conversationId) => request(MarkReadDocument, { conversationId }),
  keepState: (conversationId) => request(SetConversationStateDocument, { conversationId, isPinned: true }),
  update: (conversationId) => request(UpdateConversationDocument, { conversationId, title: 'Renamed' }),
  add: (conversationId) => request(AddParticipantsDocument, { conversationId, externalIds: ['newcomer'] }),
  remove: (conversationId) => request(RemoveParticipantDocument, { conversationId, userId: other }),
  setRole: (conversationId) => request(SetParticipantRoleDocument, { conversationId, userId: other, role: 'ADMIN' }),
  leave: (conversationId) => request(LeaveConversationDocument, { conversationId }),
  close: (conversationId) => request(CloseConversationDocument, { conversationId }),
  reopen: (conversationId) => request(ReopenConversationDocument, { conversationId }),
  delete: (conversationId) => request(DeleteConversationDocument, { conversationId }),
  editOwn: (_, messageId) => request(EditMessageDocument, { messageId, body: 'edited' }),
  editOther: (_, messageId) => request(EditMessageDocument, { messageId, body: 'edited' }),
  deleteOwn: (_, messageId) => request(DeleteMessageDocument, { messageId }),
  deleteOther: (_, messageId) => request(DeleteMessageDocument, { messageId }),
}

let scene: Scene
let other: string

beforeAll(async () => {
  scene = await startWith('owner', 'admin', 'member', 'other', 'newcomer', 'outsider')
  other = await userId(scene, 'other')
})
afterAll(async () => {
  await expectSound(scene)
  await scene.close()
})

function clientOf(who: Who): TestClient {
  if (who === 'service') return scene.asService()
  return who === 'serviceForMember' ? scene.asService('member') : scene.as(who)
}

/** Conversations that a refusal has left as they were, to be used again. */
const untouched = new Map<Kind, string>()

/** A conversation of all who are somebody in its kind, closed if it is to be reopened, and the newest message in it. */
async function prepare({ kind, action, who, expected }: Case): Promise<[conversationId: string, messageId: string]> {
  const id = untouched.get(kind) ?? (await openAs(kind))
  if (expected === 'ok') untouched.delete(kind)
  else untouched.set(kind, id)
  const setClosed = (closedAt: string) =>
    scene.sql(`UPDATE conversations SET closed_at = ${closedAt} WHERE id = $1`, [uuidOf(id)])
  await setClosed('NULL')
  // An outsider has none of its own.
  const sender = action.endsWith('Own') && who !== 'outsider' ? clientOf(who) : scene.as('other')
  const newest = await send(sender, id, 'newest')
  if (action === 'reopen') await setClosed('now()')
  return [id, newest.id]
}

async function openAs(kind: Kind): Promise<string> {
  if (kind === 'ROLEPLAY') return insertRoleplay()
  if (kind === 'DIRECT') return startDirect(scene.as('member'), 'other')
  const participantExternalIds = ['admin', 'member', 'other']
  const owner = scene.as('owner')
  const id =
    kind === 'GROUP'
      ? await createGroup(owner, ...participantExternalIds)
      : await open(owner, { kind, subjectId: randomUUID(), participantExternalIds })
  await setRole(owner, id, await userId(scene, 'admin'), 'ADMIN')
  return id
}

/** No operation opens one yet. */
async function insertRoleplay(): Promise<string> {
  const id = randomUUID()
  await scene.sql(
    `INSERT INTO conversations (id, kind, participant_count, version, details_version) VALUES ($1, 'ROLEPLAY', 2, 3, 1)`,
    [id],
  )
  await scene.sql(
    `INSERT INTO participants (conversation_id, user_id, version)
          SELECT $1, id, 1 + row_number() OVER () FROM users WHERE external_id IN ('member', 'other')`,
    [id],
  )
  return encodeId('Conversation', id)
}

interface Case {
  kind: Kind
  action: string
  who: Who
  expected: 'ok' | 'FORBIDDEN' | 'NOT_FOUND'
}

function* cases(): Generator<Case> {
  const [columns, ...lines] = RULES.trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  for (const [action, ...cells] of lines) {
    for (const kind of KINDS) {
      const column = ['JOB', 'SUPPORT', 'GENERAL'].includes(kind) ? 'ROOM' : kind
      const may: readonly Who[] = MAY[cells[columns!.indexOf(column)] as keyof typeof MAY]
      for (const who of WHO) {
        // Nobody is more than a member there.
        if ((kind === 'DIRECT' || kind === 'ROLEPLAY') && (who === 'owner' || who === 'admin')) continue
        const expected = who === 'outsider' ? 'NOT_FOUND' : may.includes(who) ? 'ok' : 'FORBIDDEN'
        yield { kind, action: action!, who, expected }
      }
    }
  }
}

describe.each([...new Set([...cases()].map(({ action }) => action))])('%s', (wanted) => {
  const some = [...cases()].filter(({ action }) => action === wanted)
  test.each(some)('$kind: $who: $expected', (one) => expectAnswer('HTTP', one))
})

async function expectAnswer(way: Way, one: Case): Promise<void> {
  const { action, who, expected } = one
  const [document, variables] = ACTIONS[action]!(...(await prepare(one)))
  const before = await everything(scene)
  const answer = askOver(way, scene, clientOf(who), document, variables)
  if (expected === 'ok') {
    for (const field of Object.values((await answer) as object)) expect(field).not.toBeNull()
    return
  }
  if (action === 'read') expect(await answer).toEqual({ conversation: null })
  else
    expect(await refusal(answer)).toEqual({ code: expected, ...(expected === 'NOT_FOUND' && { field: fieldOf(one) }) })
  expect(await everything(scene)).toEqual(before)
}

const fieldOf = ({ action }: Case) => (/^(edit|delete)O/.test(action) ? 'messageId' : 'conversationId')

test('the table names every action, and every action is in the table', () => {
  expect(new Set([...cases()].map(({ action }) => action))).toEqual(new Set(Object.keys(ACTIONS)))
})

describe.each(['WebSocket', 'event stream'] as const)('the same holds over %s', (way) => {
  const ways: Case[] = [
    { kind: 'GROUP', action: 'update', who: 'admin', expected: 'ok' },
    { kind: 'GROUP', action: 'update', who: 'member', expected: 'FORBIDDEN' },
    { kind: 'GROUP', action: 'update', who: 'outsider', expected: 'NOT_FOUND' },
    { kind: 'JOB', action: 'close', who: 'admin', expected: 'ok' },
    { kind: 'GROUP', action: 'close', who: 'admin', expected: 'FORBIDDEN' },
    { kind: 'SUPPORT', action: 'add', who: 'service', expected: 'ok' },
    { kind: 'DIRECT', action: 'add', who: 'service', expected: 'FORBIDDEN' },
    { kind: 'DIRECT', action: 'markRead', who: 'service', expected: 'FORBIDDEN' },
    { kind: 'GENERAL', action: 'read', who: 'outsider', expected: 'NOT_FOUND' },
    { kind: 'DIRECT', action: 'send', who: 'outsider', expected: 'NOT_FOUND' },
    { kind: 'JOB', action: 'editOwn', who: 'member', expected: 'ok' },
    { kind: 'GROUP', action: 'editOther', who: 'owner', expected: 'FORBIDDEN' },
    { kind: 'DIRECT', action: 'editOther', who: 'outsider', expected: 'NOT_FOUND' },
    { kind: 'GROUP', action: 'deleteOther', who: 'admin', expected: 'ok' },
    { kind: 'ROLEPLAY', action: 'deleteOther', who: 'member', expected: 'FORBIDDEN' },
    { kind: 'GENERAL', action: 'deleteOther', who: 'outsider', expected: 'NOT_FOUND' },
  ]
  test.each(ways)('$action in $kind: $who: $expected', (one) => expectAnswer(way, one))
})
