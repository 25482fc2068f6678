import { describe, expect, test } from 'vitest'
import { UnavailableError } from '../../src/lib/errors.ts'
import { createQueue, type QueueOptions } from '../../src/live/queue.ts'

function createCountedQueue(limit?: number, options: Partial<QueueOptions> = {}) {
  let closed = 0
  const queue = createQueue<number>({ onClose: () => closed++, ...(limit !== undefined && { limit }), ...options })
  return {
    push: (item: number) => queue.push(item),
    end: () => queue.end(),
    stream: queue.stream,
    closed: () => closed,
  }
}

/** A queue before which pages were missed: one is pushed each time, or what it says is done. */
function createReplay(pages: (number[] | (() => void))[], limit?: number) {
  let reads = 0
  const queue = createCountedQueue(limit, {
    async readMissed() {
      const page = pages[reads++]
      await new Promise(setImmediate)
      if (typeof page === 'function') page()
      else page?.forEach(queue.push)
      return reads < pages.length
    },
  })
  return { ...queue, reads: () => reads }
}

const item = (value: number) => ({ value, done: false })
const done = { value: undefined, done: true }

test('what is pushed is read in order, whether it waits or is waited for', async () => {
  const { push, stream, closed } = createCountedQueue()
  push(1)
  push(2)
  expect(await stream.next()).toEqual(item(1))
  expect(await stream.next()).toEqual(item(2))
  const waitedFor = stream.next()
  push(3)
  push(4)
  expect(await waitedFor).toEqual(item(3))
  expect(await stream.next()).toEqual(item(4))
  expect(closed()).toBe(0)
})

test('it can be looped over', async () => {
  const { push, end, stream } = createCountedQueue()
  push(1)
  push(2)
  end()
  const read: number[] = []
  for await (const value of stream) read.push(value)
  expect(read).toEqual([1, 2])
})

test('after its end comes what was waiting, and nothing that is pushed later', async () => {
  const { push, end, stream, closed } = createCountedQueue()
  push(1)
  end()
  end()
  push(2)
  expect(closed()).toBe(1)
  expect(await stream.next()).toEqual(item(1))
  expect(await stream.next()).toEqual(done)
  expect(await stream.next()).toEqual(done)
})

test('its end wakes a waiting reader', async () => {
  const { end, stream } = createCountedQueue()
  const waiting = stream.next()
  end()
  expect(await waiting).toEqual(done)
})

test('a reader who leaves gets nothing more, wakes its own waiting read and closes once', async () => {
  const { push, stream, closed } = createCountedQueue()
  const waiting = stream.next()
  expect(await stream.return!()).toEqual(done)
  expect(await waiting).toEqual(done)
  push(1)
  expect(await stream.next()).toEqual(done)
  expect(await stream.return!()).toEqual(done)
  expect(closed()).toBe(1)
})

test('what was waiting goes with a reader who leaves', async () => {
  const { push, stream } = createCountedQueue()
  push(1)
  await stream.return!()
  expect(await stream.next()).toEqual(done)
})

test('a reader who keeps up is never given up', async () => {
  const { push, stream, closed } = createCountedQueue(2)
  for (let value = 0; value < 100; value += 2) {
    push(value)
    push(value + 1)
    expect(await stream.next()).toEqual(item(value))
    expect(await stream.next()).toEqual(item(value + 1))
  }
  expect(closed()).toBe(0)
})

test('a slow reader is given up at the bound: it is told once, and gets nothing with a hole in it', async () => {
  const { push, end, stream, closed } = createCountedQueue(2)
  push(1)
  push(2)
  expect(closed()).toBe(0)
  push(3)
  expect(closed()).toBe(1)
  push(4)
  end()
  await expect(stream.next()).rejects.toThrow(UnavailableError)
  expect(await stream.next()).toEqual(done)
  expect(closed()).toBe(1)
})

test('what waits is bounded at 1,000 unless said otherwise', () => {
  const { push, closed } = createCountedQueue()
  for (let value = 0; value < 1000; value++) push(value)
  expect(closed()).toBe(0)
  push(1000)
  expect(closed()).toBe(1)
})

describe('what was missed', () => {
  test('is read page by page, none before the reader wants it, and then no more', async () => {
    const { push, stream, reads } = createReplay([[1, 2], [3], []])
    await new Promise(setImmediate)
    expect(reads()).toBe(0)
    expect(await stream.next()).toEqual(item(1))
    await new Promise(setImmediate)
    expect(reads()).toBe(1)
    expect(await stream.next()).toEqual(item(2))
    expect(reads()).toBe(1)
    expect(await stream.next()).toEqual(item(3))
    const waitedFor = stream.next()
    push(4)
    expect(await waitedFor).toEqual(item(4))
    push(5)
    expect(await stream.next()).toEqual(item(5))
    expect(reads()).toBe(3)
  })

  test('comes after what waits, and a page of nothing is no end', async () => {
    const { push, stream, reads } = createReplay([[], [], [2]])
    push(1)
    expect(await stream.next()).toEqual(item(1))
    expect(reads()).toBe(0)
    expect(await stream.next()).toEqual(item(2))
    expect(reads()).toBe(3)
  })

  test('may be more than may wait of what comes meanwhile, which is bounded as ever', async () => {
    const { push, stream, closed } = createReplay([[1, 2, 3, 4]], 2)
    expect(await stream.next()).toEqual(item(1))
    push(5)
    push(6)
    for (const value of [2, 3, 4, 5]) expect(await stream.next()).toEqual(item(value))
    push(7)
    expect(closed()).toBe(0)
    push(8)
    expect(closed()).toBe(1)
    await expect(stream.next()).rejects.toThrow(UnavailableError)
  })

  test('fails the stream where it can not be read', async () => {
    const { push, stream, closed } = createReplay([
      () => {
        throw new Error('down')
      },
      [1],
    ])
    await expect(stream.next()).rejects.toThrow('down')
    push(2)
    expect(closed()).toBe(1)
    expect(await stream.next()).toEqual(done)
  })

  test('is not read on for a reader who leaves meanwhile', async () => {
    const { stream, closed, reads } = createReplay([[1], [2]])
    const waiting = stream.next()
    expect(await stream.return!()).toEqual(done)
    expect(await waiting).toEqual(done)
    expect(await stream.next()).toEqual(done)
    expect([closed(), reads()]).toEqual([1, 1])
  })

  test('is not read on once the stream ended with a page', async () => {
    const { push, end, stream, closed, reads } = createReplay([
      () => {
        push(1)
        end()
        push(2)
      },
      [3],
    ])
    expect(await stream.next()).toEqual(item(1))
    expect(await stream.next()).toEqual(done)
    expect([closed(), reads()]).toEqual([1, 1])
  })
})

describe('where the oldest may be dropped', () => {
  test('a slow reader gets the newest that may wait, in order, and is never given up', async () => {
    const { push, stream, closed } = createCountedQueue(2, { overflow: 'drop' })
    for (let value = 1; value <= 5; value++) push(value)
    expect(await stream.next()).toEqual(item(4))
    push(6)
    expect(await stream.next()).toEqual(item(5))
    expect(await stream.next()).toEqual(item(6))
    const waitedFor = stream.next()
    push(7)
    expect(await waitedFor).toEqual(item(7))
    expect(closed()).toBe(0)
  })

  test('its end still comes, after what waits', async () => {
    const { push, end, stream, closed } = createCountedQueue(1, { overflow: 'drop' })
    push(1)
    push(2)
    end()
    expect(await stream.next()).toEqual(item(2))
    expect(await stream.next()).toEqual(done)
    expect(closed()).toBe(1)
  })
})
