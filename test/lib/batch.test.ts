import { expect, test } from 'vitest'
import { createBatcher } from '../../src/lib/batch.ts'

/** A batcher of numbers, whose batches are answered one by one when the test says so. */
function createScene() {
  const batches: { keys: readonly number[]; answer(): void; fail(): void }[] = []
  const load = createBatcher(
    (keys: readonly number[]) =>
      new Promise<string[]>((resolve, reject) => {
        batches.push({
          keys,
          answer: () => resolve(keys.map((key) => `value ${key}`)),
          fail: () => reject(new Error(`no ${keys}`)),
        })
      }),
    (key) => `${key % 1000}`,
  )
  return { load, keys: () => batches.map((batch) => batch.keys), batch: (index: number) => batches[index]! }
}

/** Lets go out what is about to. */
async function turn() {
  for (let count = 0; count < 3; count++) await new Promise(setImmediate)
}

test('whoever asks alone is answered, and nothing is kept', async () => {
  const { load, keys, batch } = createScene()
  for (const index of [0, 1]) {
    const value = load(7)
    await turn()
    batch(index).answer()
    expect(await value).toBe('value 7')
  }
  expect(keys()).toEqual([[7], [7]])
})

test('those who ask at once are asked for together, each for its own', async () => {
  const { load, keys, batch } = createScene()
  const values = [3, 1, 2].map(load)
  await turn()
  batch(0).answer()
  expect(await Promise.all(values)).toEqual(['value 3', 'value 1', 'value 2'])
  expect(keys()).toEqual([[3, 1, 2]])
})

test('keys of the same name are asked for once', async () => {
  const { load, keys, batch } = createScene()
  const values = [1, 1001, 2].map(load)
  await turn()
  batch(0).answer()
  expect(await Promise.all(values)).toEqual(['value 1001', 'value 1001', 'value 2'])
  expect(keys()).toEqual([[1001, 2]])
})

test('those who ask while a batch is under way go together in the next, be it for the same: never by an older answer', async () => {
  const { load, keys, batch } = createScene()
  const first = load(1)
  await turn()
  const later = [load(1), load(2)]
  await turn()
  later.push(load(3))
  expect(keys()).toEqual([[1]])
  batch(0).answer()
  expect(await first).toBe('value 1')
  await turn()
  expect(keys()).toEqual([[1], [1, 2, 3]])
  batch(1).answer()
  expect(await Promise.all(later)).toEqual(['value 1', 'value 2', 'value 3'])
})

test('a batch that fails fails for those who asked, and for nobody after them', async () => {
  const { load, batch } = createScene()
  const failed = Promise.allSettled([load(1), load(2)])
  await turn()
  const next = load(3)
  batch(0).fail()
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await turn()
  batch(1).answer()
  expect(await next).toBe('value 3')
})

test('no batch is of more than 500', async () => {
  const { load, keys, batch } = createScene()
  const values = Array.from({ length: 501 }, (_, index) => load(index))
  await turn()
  expect(keys().map((each) => each.length)).toEqual([500, 1])
  batch(0).answer()
  batch(1).answer()
  expect((await Promise.all(values)).at(-1)).toBe('value 500')
})
