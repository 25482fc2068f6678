import { expect, test } from 'vitest'
import { isoTime } from '../../src/lib/iso-time.ts'

const DAY = 24 * 60 * 60 * 1000

test('times are written as Date writes them', () => {
  const times = [0, -1, 1, 999, -999, 951782400000, 1763640000123]
  for (let number = 0; number < 50_000; number++) times.push(Math.floor((Math.random() * 4_000_000 - 800_000) * DAY))
  for (let day = -800_000; day < 3_000_000; day += 97) times.push(day * DAY - 1, day * DAY, day * DAY + 1)
  // What comes before year 0 and after 9999 among them.
  expect(Math.max(...times.slice(0, 50_000))).toBeGreaterThan(Date.UTC(10_000))
  expect(Math.min(...times.slice(0, 50_000))).toBeLessThan(Date.parse('0000-01-01T00:00:00Z'))
  for (const time of times) {
    const date = new Date(time)
    if (isoTime(date) !== date.toISOString()) expect(isoTime(date)).toBe(date.toISOString())
  }
})

test('an invalid one is refused', () => {
  expect(() => isoTime(new Date(Number.NaN))).toThrow(RangeError)
})
