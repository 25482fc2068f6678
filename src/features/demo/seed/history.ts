import type { Plan } from './plan.ts'
import type { Random } from './random.ts'
import type { ConversationRow, MessageRow, ParticipantRow, ReadAdvanceRow } from './rows.ts'
import { AGENT_LINES, CHATS, ENGLISH, LINES_OF, SUMMARIES, SYSTEM_LINES, TAGS, TITLES, TOPICS } from './texts.ts'

export interface History {
  conversation: ConversationRow
  participants: ParticipantRow[]
  messages: MessageRow[]
  advances: ReadAdvanceRow[]
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
/** How far back conversations began. */
const WEEKS = 42 * DAY
const FOR_GOOD = Date.UTC(2100, 0, 1)

/**
 * Plays a conversation through from its opening to `endsAt`, by the rules of the operations that would have made it
 * (features/conversations, the database's send_message and mark_read): each change takes the next version.
 */
export function playHistory(random: Random, plan: Plan, endsAt: number): History {
  const openedAt = endsAt - random.int(2 * DAY, WEEKS)
  const conversation = openConversation(random, plan, openedAt)
  const { id } = conversation
  const participants: ParticipantRow[] = []
  const messages: MessageRow[] = []
  const advances: ReadAdvanceRow[] = []

  // Most go on until lately, some have fallen asleep.
  const fellAsleep = random.fraction() * random.fraction() * (endsAt - openedAt)
  const times = makeTimes(random, plan.messages, openedAt, Math.floor(endsAt - fellAsleep))
  const say = speaker(random, plan)
  const present = () => participants.filter((participant) => participant.left_at === null)
  const raiseVersion = () => ++conversation.version

  for (const userId of plan.members) join(userId, openedAt, false)
  const turns = planTurns()
  let last: ParticipantRow | null = null
  let here = present()
  for (const at of times) {
    const turn = turns.get(conversation.last_seq + 1)
    if (turn) {
      turn(at - 1)
      here = present()
      last = null
    }
    last = nextToSpeak(last, here)
    send(plan.kind !== 'DIRECT' && plan.kind !== 'ROLEPLAY' && random.chance(0.02) ? null : last, at)
    const reader = random.pick(here)
    if (random.chance(0.5)) read(reader, random.int(at, (times[conversation.last_seq] ?? endsAt) - 1))
  }
  finish()
  return { conversation, participants, messages, advances }

  /** Two take turns, most of the time; of many, some talk more than others. */
  function nextToSpeak(last: ParticipantRow | null, here: ParticipantRow[]): ParticipantRow {
    if (last && plan.kind !== 'ROLEPLAY' && random.chance(0.25)) return last
    const others = here.length === 2 ? here.filter((participant) => participant !== last) : here
    return others.length > 4 ? random.pickEarly(others) : random.pick(others)
  }

  function join(userId: string, at: number, later: boolean) {
    const withHistory = plan.kind !== 'GROUP' || !later || random.chance(0.3)
    participants.push({
      conversation_id: id,
      user_id: userId,
      role: userId === plan.creator && plan.kind !== 'DIRECT' ? 'OWNER' : 'MEMBER',
      joined_at: at,
      left_at: null,
      visible_from_seq: withHistory ? 1 : conversation.last_seq + 1,
      last_read_seq: conversation.last_seq,
      last_read_at: null,
      archived_seq: null,
      is_pinned: false,
      is_favorited: false,
      muted_until: null,
      change: 'JOINED',
      version: raiseVersion(),
    })
    conversation.participant_count++
  }

  function send(sender: ParticipantRow | null, at: number) {
    const seq = ++conversation.last_seq
    const earlier = seq - 1 - Math.floor(random.fraction() * random.fraction() * 12)
    messages.push({
      conversation_id: id,
      seq,
      version: raiseVersion(),
      sender_id: sender?.user_id ?? null,
      kind: sender ? 'TEXT' : 'SYSTEM',
      body: sender ? say(sender.user_id) : random.pick(SYSTEM_LINES),
      reply_to_seq: sender && earlier >= sender.visible_from_seq && random.chance(0.12) ? earlier : null,
      created_at: at,
    })
    conversation.message_count++
    conversation.last_message_at = at
    conversation.activity_at = at
    if (!sender) return
    if (sender.last_read_seq < seq - 1) advance(sender, seq, at)
    sender.last_read_seq = seq
    sender.last_read_at = at
  }

  function read(reader: ParticipantRow, at: number) {
    if (reader.last_read_seq >= conversation.last_seq) return
    advance(reader, conversation.last_seq, at)
    reader.last_read_seq = conversation.last_seq
    reader.last_read_at = at
  }

  function advance({ user_id, last_read_seq }: ParticipantRow, seq: number, at: number) {
    advances.push({ conversation_id: id, user_id, seq, from_seq: last_read_seq, read_at: at })
  }

  /** What happens besides messages, by the seq of the message that it comes before. */
  function planTurns(): Map<number, (at: number) => void> {
    const turns = new Map<number, (at: number) => void>()
    if (plan.messages < 5) return turns
    const anywhere = () => random.int(2, plan.messages)
    const { latecomer } = plan
    if (random.chance(0.3)) turns.set(anywhere(), describe)
    if (plan.kind === 'DIRECT' || plan.kind === 'ROLEPLAY') return turns
    if (random.chance(0.4)) turns.set(anywhere(), promote)
    if (random.chance(0.3)) turns.set(anywhere(), leave)
    if (latecomer) turns.set(anywhere(), (at) => join(latecomer, at, true))
    return turns
  }

  function describe(at: number) {
    if (plan.title) conversation.title = random.pick(TITLES[plan.kind]).replace('#', '7')
    conversation.summary = random.chance(0.5) ? random.pick(SUMMARIES) : null
    conversation.key_topics = some(random, TOPICS)
    conversation.tags = some(random, TAGS)
    changeDetails(at)
  }

  function changeDetails(at: number) {
    conversation.details_version = raiseVersion()
    conversation.updated_at = at
  }

  function promote() {
    const participant = random.pick(present())
    if (participant.role !== 'MEMBER') return
    Object.assign(participant, { role: 'ADMIN', change: 'ROLE_CHANGED', version: raiseVersion() })
  }

  /** Two remain, and the owner does: whose place nobody has to take then. */
  function leave(at: number) {
    const participant = random.pick(present())
    if (participant.role === 'OWNER' || conversation.participant_count < 3) return
    const change = random.chance(0.5) ? 'LEFT' : 'REMOVED'
    Object.assign(participant, { left_at: at, role: 'MEMBER', change, version: raiseVersion() })
    conversation.participant_count--
  }

  function finish() {
    for (const participant of present()) {
      if (random.chance(0.4)) read(participant, endsAt - 1)
      setState(participant)
    }
    const isClosed = (plan.kind === 'JOB' || plan.kind === 'SUPPORT') && random.chance(0.3)
    if (plan.isDeleted) conversation.deleted_at = endsAt
    else if (isClosed) conversation.closed_at = endsAt
    if (plan.isDeleted || isClosed) changeDetails(endsAt)
  }

  /** What is each participant's own. What was archived a while ago is back with the next message. */
  function setState(participant: ParticipantRow) {
    participant.is_pinned = random.chance(0.06)
    participant.is_favorited = random.chance(0.06)
    if (random.chance(0.06)) participant.muted_until = random.chance(0.5) ? FOR_GOOD : endsAt + 7 * DAY
    if (random.chance(0.08)) {
      const { last_seq } = conversation
      participant.archived_seq = random.chance(0.7) ? last_seq : random.int(0, last_seq)
    }
  }
}

function openConversation(random: Random, plan: Plan, openedAt: number): ConversationRow {
  return {
    id: random.uuid(openedAt),
    kind: plan.kind,
    title: plan.title,
    subject_id: plan.subjectId,
    summary: null,
    key_topics: [],
    tags: [],
    metadata: plan.metadata,
    opening_key: plan.openingKey,
    direct_key: plan.directKey,
    last_seq: 0,
    version: 1,
    details_version: 1,
    message_count: 0,
    participant_count: 0,
    closed_at: null,
    deleted_at: null,
    last_message_at: null,
    activity_at: openedAt,
    created_at: openedAt,
    updated_at: openedAt,
  }
}

/** Times of `count` messages after `from` and about up to `to`, each later than the one before: bursts, and pauses between them. */
function makeTimes(random: Random, count: number, from: number, to: number): number[] {
  let sum = 0
  const offsets = Array.from({ length: count }, () => {
    sum += random.chance(0.85) ? random.int(5, 120) : random.int(600, 60_000)
    return sum
  })
  let time = from
  return offsets.map((offset) => {
    time = Math.max(time + 2, from + Math.floor((offset / sum) * (to - from)))
    return time
  })
}

/** What somebody says: mostly one short line, in the language of the conversation, and none of those just said. */
function speaker(random: Random, plan: Plan): (userId: string) => string {
  const topic = LINES_OF[plan.kind]
  const language = random.chance(0.5) ? ENGLISH : random.pick(CHATS)
  // Shorter than each of the lists, so that there is always something else to say.
  const said: string[] = ['', '', '', '']
  const next = (from: readonly string[]) => {
    let line = random.pick(from)
    while (said.includes(line)) line = random.pick(from)
    said.shift()
    said.push(line)
    return line
  }
  return (userId) => {
    const own = userId === plan.agent ? AGENT_LINES : (topic ?? (random.chance(0.1) ? random.pick(CHATS) : language))
    const count = random.chance(0.1) ? random.int(2, 8) : 1
    return Array.from({ length: count }, () => next(own)).join(random.chance(0.3) ? '\n' : ' ')
  }
}

/** One to three of the items, each once. */
function some(random: Random, items: readonly string[]): string[] {
  return [...new Set(Array.from({ length: random.int(1, 3) }, () => random.pick(items)))]
}
