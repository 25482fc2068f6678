import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { encodeId } from '../src/lib/ids.ts'
import { type Scene, startScene, usersOf, uuidOf } from './features/support.ts'
import { type ConversationKind, type ParticipantRole, SnapshotDocument, ViewerDocument } from './generated/graphql.ts'
import { checkInvariants } from './support/invariants.ts'
import {
  conversationOf,
  draftOf,
  editOf,
  kindOf,
  messageOf,
  type Operation,
  type Outcome,
  operation,
  perform,
  roleOf,
  SERVICE,
  seedOfRun,
  seqOf,
  stateOf,
  subjectOf,
  type ToldMessage,
  titleOf,
  USERS,
  type World,
} from './support/random-operations.ts'

// Whatever a few users do, in whichever order: each sees what a model of a few lines says. The model is told again here,
// in words of its own, so that it and the server can't be wrong together.

const RUNS = 25
/** At most; half as many on average. */
const OPERATIONS = 60
/** All that everybody sees is compared after so many operations. */
const STEP = 5
const TIME_LIMIT_MS = 40_000

let scene: Scene
beforeAll(async () => {
  scene = await startScene()
})
afterAll(() => scene.close())

interface Place {
  role: ParticipantRole
  /** In which order they came. */
  joined: number
  visibleFrom: number
  lastRead: number
  archivedSeq: number | null
  isPinned: boolean
  isFavorited: boolean
  mutedUntil: string | null
}

interface Message {
  sender: number
  /** What it was sent as, by which a retry is known, and what it says now; null: deleted. */
  sent: string
  says: string | null
  key: string | null
  version: number
  edited: boolean
}

interface Conversation {
  id: string
  kind: ConversationKind
  title: string | null
  version: number
  /** By seq, from 1 on. */
  messages: Message[]
  activityAt: string
  closed: boolean
  deleted: boolean
  /** JOB: its subject and who was there at the opening. DIRECT: the two. */
  key: string | null
  places: Map<number, Place>
}

interface Model {
  conversations: Conversation[]
  /** Counts everything that happens. */
  now: number
}

function newPlace(model: Model, role: ParticipantRole, visibleFrom: number, lastRead: number): Place {
  const own = { archivedSeq: null, isPinned: false, isFavorited: false, mutedUntil: null }
  return { role, joined: model.now, visibleFrom, lastRead, ...own }
}

/** Opens a conversation for `members`, the first of whom is its owner, if it has one. */
function open(
  model: Model,
  world: World,
  { id, at }: Outcome,
  { kind, title, key, members }: Pick<Conversation, 'kind' | 'title' | 'key'> & { members: number[] },
) {
  const roleAt = (index: number): ParticipantRole => (index === 0 && kind !== 'DIRECT' ? 'OWNER' : 'MEMBER')
  const places = new Map(members.map((user, index) => [user, newPlace(model, roleAt(index), 1, 0)]))
  const begun = { version: members.length + 1, messages: [], activityAt: at!, closed: false, deleted: false }
  model.conversations.push({ id: id!, kind, title, key, places, ...begun })
  world.conversations.push(id!)
}

/** Does to the model what was done to the server, and gives back the code or the message that it must have answered. */
function apply(model: Model, world: World, operation: Operation, outcome: Outcome): string | ToldMessage {
  const { by, target, others, flag } = operation
  model.now++
  const members = [by, ...others.filter((user) => user !== by)]
  switch (operation.do) {
    case 'createGroup':
      if (others.length === 0 || members.length < 3) return 'BAD_USER_INPUT'
      open(model, world, outcome, { kind: 'GROUP', title: 'Group', key: null, members })
      return 'OK'
    case 'open': {
      const kind = kindOf(operation)
      const key = kind === 'JOB' ? JSON.stringify([subjectOf(operation), [...members].sort()]) : null
      const known = key && model.conversations.find((each) => each.key === key && !each.deleted)
      if (known) return known.places.has(by) ? 'OK' : 'CONFLICT'
      open(model, world, outcome, { kind, title: null, key, members })
      return 'OK'
    }
    case 'startDirect': {
      if (by === target) return 'BAD_USER_INPUT'
      const key = `pair ${[by, target].sort()}`
      if (!model.conversations.some((each) => each.key === key)) {
        open(model, world, outcome, { kind: 'DIRECT', title: null, key, members: [by, target] })
      }
      return 'OK'
    }
    case 'add':
      if (others.length === 0) return 'BAD_USER_INPUT'
  }

  const it = model.conversations.find(({ id }) => id === conversationOf(world, operation))
  const place = it?.places.get(by)
  if (!it || it.deleted || (by !== SERVICE && !place)) return 'NOT_FOUND'
  const isDirect = it.kind === 'DIRECT'
  const isOwner = by === SERVICE || place!.role === 'OWNER'
  const isAdmin = isOwner || place!.role === 'ADMIN'

  switch (operation.do) {
    case 'send':
    case 'resend': {
      const { body, idempotencyKey: key } = draftOf(world, operation)
      const known = it.messages.findIndex((each) => key && each.key === key && each.sender === by) + 1
      if (known) {
        const isSame = it.messages[known - 1]!.sent === body && known >= (place?.visibleFrom ?? 1)
        return isSame ? tell(it, known, true) : 'CONFLICT'
      }
      if (it.closed) return 'CONFLICT'
      it.messages.push({ sender: by, sent: body, says: body, key, version: ++it.version, edited: false })
      world.messages.push(outcome.sent!)
      it.activityAt = outcome.at!
      if (place) place.lastRead = it.messages.length
      return tell(it, it.messages.length)
    }
    case 'edit':
    case 'deleteMessage': {
      const { seq } = messageOf(world, operation)!
      const message = it.messages[seq - 1]!
      if (seq < (place?.visibleFrom ?? 1)) return 'NOT_FOUND'
      const isMine = message.sender === by
      if (operation.do === 'edit') {
        if (!isMine || by === SERVICE) return 'FORBIDDEN'
        if (message.says === null || it.closed) return 'CONFLICT'
        if (message.says === editOf(operation)) return tell(it, seq)
        Object.assign(message, { says: editOf(operation), edited: true, version: ++it.version })
      } else {
        if (!isMine && !(isDirect ? by === SERVICE : isAdmin)) return 'FORBIDDEN'
        if (message.says !== null) Object.assign(message, { says: null, version: ++it.version })
      }
      return tell(it, seq)
    }
    case 'markRead': {
      const seq = seqOf(operation)
      if (seq && (seq > it.messages.length || seq < place!.visibleFrom)) return 'NOT_FOUND'
      place!.lastRead = Math.max(place!.lastRead, seq ?? it.messages.length)
      return 'OK'
    }
    case 'add': {
      if (isDirect || !isAdmin) return 'FORBIDDEN'
      const visibleFrom = it.kind === 'GROUP' && !flag ? it.messages.length + 1 : 1
      for (const user of others) {
        if (it.places.has(user)) continue
        it.places.set(user, newPlace(model, 'MEMBER', visibleFrom, it.messages.length))
        it.version++
      }
      return 'OK'
    }
    case 'leave':
      if (isDirect) return 'FORBIDDEN'
      end(world, it, by)
      return 'OK'
    case 'remove': {
      if (isDirect || (by !== target && !isAdmin)) return 'FORBIDDEN'
      const other = it.places.get(target)
      if (!other) return 'NOT_FOUND'
      if (by !== target && by !== SERVICE && other.role === 'OWNER') return 'FORBIDDEN'
      end(world, it, target)
      return 'OK'
    }
    case 'setRole': {
      if (isDirect || !isOwner) return 'FORBIDDEN'
      const other = it.places.get(target)
      if (!other) return 'NOT_FOUND'
      const role = roleOf(operation)
      if (other.role === role) return 'OK'
      if (other.role === 'OWNER') return 'BAD_USER_INPUT'
      const owner = [...it.places.values()].find((each) => each.role === 'OWNER')
      if (role === 'OWNER' && owner) {
        owner.role = 'ADMIN'
        it.version++
      }
      other.role = role
      it.version++
      return 'OK'
    }
    case 'setState': {
      const { isArchived, ...changes } = stateOf(operation)
      Object.assign(place!, changes)
      if (isArchived !== undefined) place!.archivedSeq = isArchived ? it.messages.length : null
      return 'OK'
    }
    case 'rename':
      if (!isDirect && !isAdmin) return 'FORBIDDEN'
      if (it.title !== titleOf(operation)) it.version++
      it.title = titleOf(operation)
      return 'OK'
    case 'close':
    case 'reopen': {
      if (isDirect || !(it.kind === 'GROUP' ? isOwner : isAdmin)) return 'FORBIDDEN'
      const closed = operation.do === 'close'
      if (it.closed === closed) return 'CONFLICT'
      it.closed = closed
      it.version++
      return 'OK'
    }
    case 'delete':
      if (isDirect || !isOwner) return 'FORBIDDEN'
      it.deleted = true
      return 'OK'
  }
}

function tell({ messages }: Conversation, seq: number, deduplicated = false): ToldMessage {
  const { version, says } = messages[seq - 1]!
  return { seq, version, body: says, deduplicated }
}

/** Ends a stay; an owner's place passes to the longest-standing admin, else member. */
function end(world: World, it: Conversation, user: number) {
  const { role } = it.places.get(user)!
  it.places.delete(user)
  it.version++
  if (role !== 'OWNER') return
  const rest = inOrder(world, it)
  const heir = rest.find(([, each]) => each.role === 'ADMIN') ?? rest[0]
  if (!heir) return
  heir[1].role = 'OWNER'
  it.version++
}

/** The participants, longest-standing first. */
function inOrder({ userIds }: World, { places }: Conversation): [number, Place][] {
  const uuid = (user: number) => uuidOf(userIds[user]!)
  return [...places].sort(([one, a], [other, b]) => a.joined - b.joined || (uuid(one) < uuid(other) ? -1 : 1))
}

/** What a user must see, in the form of the query's answer. */
function expectedOf({ conversations }: Model, world: World, user: number) {
  const seen = conversations.filter((each) => !each.deleted && each.places.has(user))
  const order = (each: Conversation) =>
    `${Number(each.places.get(user)!.isPinned)} ${each.activityAt} ${uuidOf(each.id)}`
  seen.sort((one, other) => (order(one) > order(other) ? -1 : 1))
  const unread = seen.map((each) => unreadOf(each, user)).filter((count) => count > 0)
  const nodes = seen.map((each) => nodeOf(world, each, user))
  return {
    conversations: nodes,
    notArchived: nodes.filter((node) => !node.viewerState.isArchived).map(({ id }) => id),
    unread: { messages: unread.reduce((sum, count) => sum + count, 0), conversations: unread.length },
    byId: conversations.map((each) => (seen.includes(each) ? each.id : null)),
    messages: allMessages(conversations).map(({ it, seq, id }) => {
      if (!seen.includes(it) || seq < it.places.get(user)!.visibleFrom) return null
      const { sender, says, version, edited } = it.messages[seq - 1]!
      const by = sender === SERVICE ? null : { externalId: world.externalIds[sender] }
      return { id, version, body: says, editedAt: edited, deletedAt: says === null, sender: by }
    }),
  }
}

const unreadOf = ({ messages, places }: Conversation, user: number) => {
  const { lastRead, visibleFrom } = places.get(user)!
  return messages.filter((_, index) => index + 1 > lastRead && index + 1 >= visibleFrom).length
}

function nodeOf(world: World, it: Conversation, user: number) {
  const { role, lastRead, visibleFrom, archivedSeq, isPinned, isFavorited, mutedUntil } = it.places.get(user)!
  const lastSeq = it.messages.length
  const peer = it.kind === 'DIRECT' ? [...it.places.keys()].find((each) => each !== user)! : null
  return {
    id: it.id,
    kind: it.kind,
    title: it.title ?? (peer === null ? null : world.externalIds[peer]!),
    version: it.version,
    lastSeq,
    messageCount: it.messages.filter(({ says }) => says !== null).length,
    participantCount: it.places.size,
    readUpToSeq: Math.min(...[...it.places.values()].map((each) => each.lastRead)),
    closedAt: it.closed,
    lastMessage: lastSeq >= visibleFrom ? { seq: lastSeq, body: it.messages[lastSeq - 1]!.says } : null,
    viewerState: {
      role,
      lastReadSeq: lastRead,
      unreadCount: unreadOf(it, user),
      isArchived: archivedSeq !== null && (lastSeq <= archivedSeq || mutedUntil !== null),
      isPinned,
      isFavorited,
      mutedUntil,
    },
    participants: inOrder(world, it).map(([other, each]) => ({
      role: each.role,
      lastReadSeq: each.lastRead,
      user: { externalId: world.externalIds[other] },
    })),
    messages: range(visibleFrom, lastSeq).map((seq) => ({ seq })),
  }
}

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

const allMessages = (conversations: Conversation[]) =>
  conversations.flatMap((it) =>
    range(1, it.messages.length).map((seq) => ({ it, seq, id: encodeId('Message', uuidOf(it.id), seq) })),
  )

/** What a user sees, in the form of expectedOf. */
async function seenBy(model: Model, world: World, user: number) {
  const data = await world.clients[user]!.run(SnapshotDocument, {
    conversationIds: world.conversations,
    messageIds: allMessages(model.conversations).map(({ id }) => id),
  })
  return {
    conversations: data.conversations!.edges.map(({ node }) => ({
      ...node,
      closedAt: node.closedAt !== null,
      participants: node.participants.edges.map((edge) => edge.node),
      messages: node.messages.edges.map((edge) => edge.node),
    })),
    notArchived: data.notArchived!.edges.map(({ node }) => node.id),
    unread: data.unread,
    byId: data.byId!.map((node) => node?.id ?? null),
    messages: data.messages!.map((node) => {
      if (node?.__typename !== 'Message') return node
      const { __typename, editedAt, deletedAt, ...message } = node
      return { ...message, editedAt: editedAt !== null, deletedAt: deletedAt !== null }
    }),
  }
}

async function newWorld(run: number): Promise<World> {
  const externalIds = range(1, USERS).map((number) => `user ${run}-${number}`)
  const clients = await usersOf(scene, ...externalIds)
  const userIds = await Promise.all(clients.map(async (client) => (await client.run(ViewerDocument)).viewer!.id))
  return { clients: [...clients, scene.asService()], externalIds, userIds, conversations: [], messages: [] }
}

/** There is always a group to begin with. */
const FIRST: Operation = {
  do: 'createGroup',
  by: 0,
  others: [1, 2],
  ...{ conversation: 0, target: 0, flag: false, number: 0 },
}

test('everybody sees what the model says, whatever anybody does', { timeout: 3 * TIME_LIMIT_MS }, async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: OPERATIONS, size: 'max' }), async (drawn) => {
      const world = await newWorld(++run)
      const model: Model = { conversations: [], now: 0 }
      const operations = [FIRST, ...drawn]
      for (const [index, each] of operations.entries()) {
        const outcome = await perform(world, each)
        const answer = outcome.message ?? outcome.code
        expect(answer, `operation ${index}`).toEqual(apply(model, world, each, outcome))
        if (index % STEP !== 0 && index < operations.length - 1) continue
        await Promise.all(
          range(0, USERS - 1).map(async (user) =>
            expect(await seenBy(model, world, user), `user ${user} after operation ${index}`).toEqual(
              expectedOf(model, world, user),
            ),
          ),
        )
      }
    }),
    { numRuns: RUNS, interruptAfterTimeLimit: TIME_LIMIT_MS, seed: seedOfRun() },
  )
  expect(await checkInvariants(scene.sql)).toEqual([])
})
