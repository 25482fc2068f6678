import { expect, test } from 'vitest'
import type { Comparison } from '../../src/live/hub.ts'
import { createInboxCursor } from '../../src/live/inbox-cursor.ts'

const EPOCH = 'epoch000'
const cursorOf = (xmax: number) => `i.${EPOCH}.${xmax}-${xmax}-`
const snapshotOf = (xmax: number) => `${xmax}:${xmax}:`

/** A list whose comparisons, gathering and joining are moved by hand. */
function createList() {
  const state = { begun: 0, last: null as Comparison | null, waiting: [] as string[], isSettled: true }
  const cursor = createInboxCursor(
    EPOCH,
    snapshotOf(1),
    { comparisons: () => state.begun, lastComparison: () => state.last },
    { waiting: () => state.waiting },
    { isSettled: () => state.isSettled },
  )
  /** A comparison that has found the feeds to be as far as the table. */
  const compare = (number: number, xmax: number) => {
    state.begun = number
    state.last = { number, snapshot: snapshotOf(xmax) }
  }
  /** The cursor that the next update of a conversation goes with. */
  const tell = (conversationId = 'any') => {
    cursor.told(conversationId)
    return cursor.current()
  }
  return { state, cursor, compare, tell }
}

test('it moves with the comparisons, one update late', () => {
  const { cursor, compare, tell } = createList()
  cursor.begin()
  expect(tell()).toBe(cursorOf(1))
  compare(1, 5)
  tell()
  expect(tell()).toBe(cursorOf(5))
  compare(2, 9)
  tell()
  expect(tell()).toBe(cursorOf(9))
})

test('not by one that began before all was followed', () => {
  const { cursor, compare, tell } = createList()
  compare(1, 5)
  tell()
  expect(tell()).toBe(cursorOf(1))
  compare(2, 6)
  cursor.begin()
  tell()
  expect(tell()).toBe(cursorOf(1))
  compare(3, 7)
  tell()
  expect(tell()).toBe(cursorOf(7))
})

test('not before what was gathered by then has been told', () => {
  const { state, cursor, compare, tell } = createList()
  cursor.begin()
  state.waiting = ['a', 'b']
  compare(1, 5)
  expect(tell('c')).toBe(cursorOf(1))
  expect(tell('c')).toBe(cursorOf(1))
  expect(tell('a')).toBe(cursorOf(1))
  // What is gathered later is later than the comparison.
  state.waiting = ['c', 'b']
  expect(tell('b')).toBe(cursorOf(5))
})

test('not while a conversation is being joined', () => {
  const { state, cursor, compare, tell } = createList()
  cursor.begin()
  state.isSettled = false
  compare(1, 5)
  tell()
  expect(tell()).toBe(cursorOf(1))
  state.isSettled = true
  tell()
  expect(tell()).toBe(cursorOf(5))
})

test('under comparisons that come faster than conversations are told of', () => {
  const { state, cursor, compare, tell } = createList()
  cursor.begin()
  state.waiting = ['a']
  compare(1, 5)
  tell('b')
  for (let number = 2; number < 10; number++) {
    compare(number, number * 10)
    tell('b')
  }
  expect(tell('a')).toBe(cursorOf(5))
})
