import { expect, test } from 'vitest'
import { UnavailableError } from '../../src/lib/errors.ts'
import { createQueue } from '../../src/live/queue.ts'

function createCountedQueue(limit?: number) {
  let closed = 0
  const queue = createQueue<number>(() => closed++, limit)
  return { ...queue, closed: () => closed }
}

const item = (value: number) => ({ value, done: false })
const done = { value: undefined, done: true }

test('what is pushed is read in order, whether it waits or is waited for', async () => {
  const { push, iterator, closed } = createCountedQueue()
  push(1)
  push(2)
  expect(await iterator.next()).toEqual(item(1))
  expect(await iterator.next()).toEqual(item(2))
  const waitedFor = iterator.next()
  push(3)
  push(4)
  expect(await waitedFor).toEqual(item(3))
  expect(await iterator.next()).toEqual(item(4))
  expect(closed()).toBe(0)
})

test('it can be looped over', async () => {
  const { push, end, iterator } = createCountedQueue()
  push(1)
  push(2)
  end()
  const read: number[] = []
  for await (const value of iterator) read.push(value)
  expect(read).toEqual([1, 2])
})

test('after its end comes what was waiting, and nothing that is pushed later', async () => {
  const { push, end, iterator, closed } = createCountedQueue()
  push(1)
  end()
  end()
  push(2)
  expect(closed()).toBe(1)
  expect(await iterator.next()).toEqual(item(1))
  expect(await iterator.next()).toEqual(done)
  expect(await iterator.next()).toEqual(done)
})

test('its end wakes a waiting reader', async () => {
  const { end, iterator } = createCountedQueue()
  const waiting = iterator.next()
  end()
  expect(await waiting).toEqual(done)
})

test('a reader who leaves gets nothing more, wakes its own waiting read and closes once', async () => {
  const { push, iterator, closed } = createCountedQueue()
  const waiting = iterator.next()
  expect(await iterator.return!()).toEqual(done)
  expect(await waiting).toEqual(done)
  push(1)
  expect(await iterator.next()).toEqual(done)
  expect(await iterator.return!()).toEqual(done)
  expect(closed()).toBe(1)
})

test('what was waiting goes with a reader who leaves', async () => {
  const { push, iterator } = createCountedQueue()
  push(1)
  await iterator.return!()
  expect(await iterator.next()).toEqual(done)
})

test('a reader who keeps up is never given up', async () => {
  const { push, iterator, closed } = createCountedQueue(2)
  for (let value = 0; value < 100; value += 2) {
    push(value)
    push(value + 1)
    expect(await iterator.next()).toEqual(item(value))
    expect(await iterator.next()).toEqual(item(value + 1))
  }
  expect(closed()).toBe(0)
})

test('a slow reader is given up at the bound: it is told once, and gets nothing with a hole in it', async () => {
  const { push, end, iterator, closed } = createCountedQueue(2)
  push(1)
  push(2)
  expect(closed()).toBe(0)
  push(3)
  expect(closed()).toBe(1)
  push(4)
  end()
  await expect(iterator.next()).rejects.toThrow(UnavailableError)
  expect(await iterator.next()).toEqual(done)
  expect(closed()).toBe(1)
})

test('what waits is bounded at 1,000 unless said otherwise', () => {
  const { push, closed } = createCountedQueue()
  for (let value = 0; value < 1000; value++) push(value)
  expect(closed()).toBe(0)
  push(1000)
  expect(closed()).toBe(1)
})
