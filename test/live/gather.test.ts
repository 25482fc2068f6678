import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createGather } from '../../src/live/gather.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What is told of one conversation to which all this happens within a second. */
function toldOf(...changes: Parameters<ReturnType<typeof createGather>['add']>[1][]): string[] {
  const told: string[] = []
  const gather = createGather((_, change) => told.push(change))
  for (const change of changes) gather.add('conversation', change)
  vi.advanceTimersByTime(1_000)
  gather.close()
  return told
}

test('the first is told at once, and of the others the most telling', () => {
  expect(toldOf('STATE', 'ACTIVITY', 'STATE')).toEqual(['STATE', 'ACTIVITY'])
  expect(toldOf('ACTIVITY', 'JOINED', 'ACTIVITY')).toEqual(['ACTIVITY', 'JOINED'])
})

test('of coming and going the later is told', () => {
  expect(toldOf('ACTIVITY', 'LEFT', 'JOINED')).toEqual(['ACTIVITY', 'JOINED'])
  expect(toldOf('ACTIVITY', 'JOINED', 'LEFT')).toEqual(['ACTIVITY', 'LEFT'])
  expect(toldOf('ACTIVITY', 'LEFT', 'JOINED', 'ACTIVITY')).toEqual(['ACTIVITY', 'JOINED'])
})
