import { describe, expect, test } from 'vitest'
import { check, type Place, type Tables, type Verdict } from './checker.ts'
import { createHistory, type History, type Message, type Received, type Send } from './history.ts'

// A check that has never found anything proves nothing: each kind of broken history must be found, and a sound one not.

const message = (seq: number, more: Partial<Message> = {}): Message => ({
  conversation: 'c',
  id: `c:${seq}`,
  seq,
  version: seq + 2,
  body: `body ${seq}`,
  key: `key ${seq}`,
  sender: 'ada',
  ...more,
})

const place = (user: string, more: Partial<Place> = {}): Place => ({
  conversation: 'c',
  user,
  visibleFromSeq: 1,
  joinedVersion: 0,
  version: 1,
  left: false,
  ...more,
})

interface Scene {
  history: History
  tables: Tables
  /** By user: ada and bo at the conversation, cy at the inbox; dee was removed after seq 3, eve came after it. */
  subscribers: Record<'ada' | 'cy' | 'dee' | 'eve', Received>
}

/** Five messages, each sent after the one before was acknowledged, and all that follows from them. */
function soundScene(): Scene {
  const history = createHistory()
  const rows = [1, 2, 3, 4, 5].map((seq) => message(seq))
  const received = (user: string, scope: string | null, messages: Message[]): Received => ({
    name: `${user}'s subscription`,
    user,
    scope,
    connections: [{ node: 'node A', after: null, at: 0 }],
    arrivals: messages.map((each) => ({ at: history.now(), connection: 0, message: { ...each } })),
    end: () => null,
    from: {},
  })
  for (const { seq, id, version, key, body } of rows) {
    const calledAt = history.now()
    history.sends.push({
      conversation: 'c',
      sender: 'ada',
      key: key!,
      body: body!,
      calls: [
        { node: 'node A', calledAt, endedAt: history.now(), outcome: 'unknown' },
        {
          node: 'node B',
          calledAt: history.now(),
          endedAt: history.now(),
          outcome: 'ok',
          stored: { id, seq, version },
        },
      ],
    })
  }
  history.sends.push({
    conversation: 'c',
    sender: 'zoe',
    key: 'refused',
    body: '',
    calls: [{ node: 'node A', calledAt: history.now(), endedAt: history.now(), outcome: 'failed', code: 'NOT_FOUND' }],
  })
  const subscribers = {
    ada: received('ada', 'c', rows),
    cy: received('cy', null, rows),
    dee: { ...received('dee', 'c', rows.slice(0, 3)), end: () => 'completed' as const },
    eve: received('eve', null, rows.slice(3)),
  }
  history.subscribers.push(...Object.values(subscribers))
  history.reads.push({ user: 'ada', conversation: 'c', messages: rows.map((row) => ({ ...row })) })
  history.reads.push({ user: 'dee', conversation: 'c', messages: [] })
  const places = [
    place('ada'),
    place('cy'),
    place('dee', { left: true, version: 5 }),
    place('eve', { visibleFromSeq: 4, joinedVersion: 5, version: 5 }),
  ]
  return { history, tables: { messages: rows.map((row) => ({ ...row })), places }, subscribers }
}

const nothing: Verdict = { lost: [], duplicated: [], outOfOrder: [], leaked: [], broken: [] }

test('finds nothing where all is well', () => {
  const { history, tables } = soundScene()
  expect(check(history, tables)).toEqual(nothing)
})

describe('finds', () => {
  const sendOf = ({ history }: Scene, seq: number): Send => history.sends[seq - 1]!
  const arrival = (seq: number, connection = 0) => ({ at: 0, connection, message: message(seq) })

  const faults: [what: string, symptom: keyof Verdict, invariant: string, fault: (scene: Scene) => void][] = [
    ['an acknowledged message that is not stored', 'lost', 'I1', ({ tables }) => void tables.messages.pop()],
    [
      'an acknowledged message in whose place there is another',
      'lost',
      'I1',
      ({ tables }) => void Object.assign(tables.messages[2]!, { key: 'another' }),
    ],
    [
      'two rows of one key',
      'duplicated',
      'I2',
      ({ tables }) => void tables.messages.push(message(6, { key: 'key 5' })),
    ],
    [
      'a retry that was given another message',
      'duplicated',
      'I3',
      (scene) =>
        void sendOf(scene, 2).calls.push({
          node: 'node A',
          calledAt: scene.history.now(),
          endedAt: scene.history.now(),
          outcome: 'ok',
          stored: { id: 'c:3', seq: 3, version: 5 },
        }),
    ],
    ['a gap in the seqs', 'broken', 'I4', ({ tables }) => void tables.messages.splice(1, 1)],
    [
      'a message with a lower seq than one that was acknowledged before it was sent',
      'outOfOrder',
      'I5',
      (scene) => {
        const [one, other] = [sendOf(scene, 2).calls[1]!, sendOf(scene, 4).calls[1]!]
        ;[one.stored, other.stored] = [other.stored!, one.stored!]
      },
    ],
    [
      'a message that a subscriber never got',
      'lost',
      'I6',
      ({ subscribers }) => void subscribers.ada.arrivals.splice(2, 1),
    ],
    ['a last message that never came', 'lost', 'I6', ({ subscribers }) => void subscribers.ada.arrivals.pop()],
    ['one that the inbox never got', 'lost', 'I6', ({ subscribers }) => void subscribers.eve.arrivals.pop()],
    ['one that came twice', 'duplicated', 'I6', ({ subscribers }) => void subscribers.ada.arrivals.push(arrival(5))],
    [
      'one that came again after a reconnect',
      'duplicated',
      'I6',
      ({ subscribers }) => void subscribers.ada.arrivals.push(arrival(5, 1)),
    ],
    [
      'one that came to the inbox twice on one connection',
      'duplicated',
      'I6',
      ({ subscribers }) => void subscribers.cy.arrivals.push(arrival(5)),
    ],
    [
      'two that came in the wrong order',
      'outOfOrder',
      'I6',
      ({ subscribers }) => void subscribers.ada.arrivals.reverse(),
    ],
    [
      'two that came to the inbox in the wrong order',
      'outOfOrder',
      'I6',
      ({ subscribers }) => void subscribers.cy.arrivals.reverse(),
    ],
    [
      'a subscription that was ended without a reason',
      'broken',
      'I9',
      ({ subscribers }) => void Object.assign(subscribers.ada, { end: () => 'completed' }),
    ],
    [
      'a refused message that is stored',
      'broken',
      'I11',
      ({ tables }) => void tables.messages.push(message(6, { key: 'refused', sender: 'zoe' })),
    ],
    [
      'an event of what is not stored',
      'broken',
      'I12',
      ({ subscribers }) => void subscribers.ada.arrivals.push(arrival(6)),
    ],
    ['what came after a removal', 'leaked', 'I15', ({ subscribers }) => void subscribers.dee.arrivals.push(arrival(4))],
    [
      'an edit that came after a removal',
      'leaked',
      'I15',
      ({ subscribers }) => void Object.assign(subscribers.dee.arrivals[0]!.message, { version: 8 }),
    ],
    [
      'a subscription that goes on after a removal',
      'broken',
      'I15',
      ({ subscribers }) => void Object.assign(subscribers.dee, { end: () => null }),
    ],
    [
      'what came from before visibleFromSeq',
      'leaked',
      'I16',
      ({ subscribers }) => void subscribers.eve.arrivals.unshift(arrival(3)),
    ],
    ['what came to a stranger', 'leaked', 'I16', ({ tables }) => void tables.places.splice(0, 1)],
    [
      'what a removed one reads by query',
      'leaked',
      'I16',
      ({ history }) => void history.reads[1]!.messages.push(message(1)),
    ],
    [
      'an event with another text than the row',
      'broken',
      'I17',
      ({ subscribers }) => void Object.assign(subscribers.ada.arrivals[0]!.message, { body: 'another' }),
    ],
    ['a query that lacks a message', 'broken', 'I17', ({ history }) => void history.reads[0]!.messages.pop()],
  ]

  test.each(faults)('%s', (_, symptom, invariant, fault) => {
    const scene = soundScene()
    fault(scene)
    const lines = check(scene.history, scene.tables)[symptom]
    expect(lines.filter((line) => line.startsWith(invariant))).not.toEqual([])
  })
})

describe('does not mind', () => {
  test('a repeat in the inbox after a reconnect', () => {
    const { history, tables, subscribers } = soundScene()
    for (const each of [4, 5]) subscribers.cy.arrivals.push({ at: 0, connection: 1, message: message(each) })
    expect(check(history, tables)).toEqual(nothing)
  })

  test('an event that is older than the row', () => {
    const { history, tables } = soundScene()
    Object.assign(tables.messages[1]!, { version: 9, body: 'edited' })
    Object.assign(history.reads[0]!.messages[1]!, { version: 9, body: 'edited' })
    expect(check(history, tables)).toEqual(nothing)
  })

  test('a send of which nobody knows whether it was stored', () => {
    const { history, tables } = soundScene()
    const calls = [{ node: 'node A', calledAt: history.now(), endedAt: history.now(), outcome: 'unknown' as const }]
    history.sends.push({ conversation: 'c', sender: 'ada', key: 'open', body: '', calls })
    expect(check(history, tables)).toEqual(nothing)
  })

  test('that a subscription lacks what was sent before it began', () => {
    const { history, tables, subscribers } = soundScene()
    subscribers.ada.from = { c: 2 }
    subscribers.ada.arrivals.splice(0, 2)
    expect(check(history, tables)).toEqual(nothing)
  })
})
