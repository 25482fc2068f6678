import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { createLogger } from '../../src/lib/log.ts'
import { accessEnds } from '../../src/live/access.ts'
import { createFeed, type FeedEvent } from '../../src/live/feed.ts'

/** What the feed tells of one change that the bus brought. */
function told(change: { from: number; version: number; joined: string[]; ended: string[] | 'ALL' }): FeedEvent {
  const events: FeedEvent[] = []
  const unread = () => Promise.reject(new Error('nothing is missing'))
  const feed = createFeed('c', unread, createLogger('silent'), systemClock)
  feed.subscribers.add((_, event) => events.push(event))
  feed.head(change.from - 1)
  feed.receive({ type: 'changed', key: 'c', ...change })
  feed.close()
  expect(events).toHaveLength(1)
  return events[0]!
}

describe('when three come in at once, with the versions 4, 5 and 6,', () => {
  const event = told({ from: 4, version: 6, joined: ['ada', 'bo', 'cy'], ended: [] })

  test('the access that each of them was given by it goes on', () => {
    expect([accessEnds(event, 'ada', 4), accessEnds(event, 'bo', 5), accessEnds(event, 'cy', 6)]).toEqual([
      ...[false, false, false],
    ])
  })

  test('what they had of an earlier stay ends, and that of others goes on', () => {
    for (const name of ['ada', 'bo', 'cy']) expect(accessEnds(event, name, 3)).toBe(true)
    expect(accessEnds(event, 'di', 3)).toBe(false)
    expect(accessEnds(event, null, 3)).toBe(false)
  })
})

test('who leaves loses access, whoever takes the place with the version after it', () => {
  const event = told({ from: 4, version: 5, joined: [], ended: ['ada'] })
  expect(accessEnds(event, 'ada', 3)).toBe(true)
  expect(accessEnds(event, 'bo', 3)).toBe(false)
})

test('a conversation that is deleted is lost to all, a service too', () => {
  const event = told({ from: 4, version: 4, joined: [], ended: 'ALL' })
  for (const viewer of ['ada', null]) expect(accessEnds(event, viewer, 3)).toBe(true)
})
