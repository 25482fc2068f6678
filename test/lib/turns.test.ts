import { expect, test } from 'vitest'
import { UnavailableError } from '../../src/lib/errors.ts'
import { createTurns } from '../../src/lib/turns.ts'

/** Work that ends when it is told to. */
function createWork() {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => () =>
    new Promise<string>((resolve) => {
      begun.push(name)
      ends.set(name, () => resolve(name))
    })
  return { begun, work, end: (name: string) => ends.get(name)!() }
}

const PATIENT = { atOnce: 2, maxWaiting: 2, waitMs: 60_000 }

test('so many of a key go on at once, the others follow in their order', async () => {
  const { take } = createTurns(PATIENT)
  const { begun, work, end } = createWork()
  const all = ['a', 'b', 'c', 'd'].map((name) => take('key', work(name)))
  await Promise.resolve()
  expect(begun).toEqual(['a', 'b'])
  end('b')
  expect(await all[1]).toBe('b')
  expect(begun).toEqual(['a', 'b', 'c'])
  end('a')
  await all[0]
  end('c')
  await all[2]
  end('d')
  expect(await all[3]).toBe('d')
})

test('one key does not hold up another', async () => {
  const { take } = createTurns(PATIENT)
  const { work } = createWork()
  for (const name of ['a', 'b', 'c']) void take('stuck', work(name))
  expect(await take('other', async () => 'done')).toBe('done')
})

test('what fails gives its turn on', async () => {
  const { take } = createTurns({ ...PATIENT, atOnce: 1 })
  const failing = take('key', () => Promise.reject(new Error('no')))
  const next = take('key', async () => 'done')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('done')
})

test('who would wait too long, or behind too many, is told so, and the others go on', async () => {
  const { take } = createTurns({ ...PATIENT, atOnce: 1, waitMs: 20 })
  const { work, end } = createWork()
  const stuck = take('key', work('stuck'))
  const [second, third] = [take('key', work('second')), take('key', work('third'))]
  await expect(take('key', work('fourth'))).rejects.toThrow(UnavailableError)
  await expect(second).rejects.toThrow(UnavailableError)
  await expect(third).rejects.toThrow(UnavailableError)
  end('stuck')
  expect(await stuck).toBe('stuck')
  expect(await take('key', async () => 'done')).toBe('done')
})
