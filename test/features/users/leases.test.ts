import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createUserLeases, outlastLeases } from '../../../src/features/users/leases.ts'
import type { UserRow } from '../../../src/features/users/user.ts'

// How long a user who was read stands for what the table says.

const clock = { now: () => 0 }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Users who are all there, with how often they were read. */
function table() {
  const reads: string[] = []
  const find = async (externalId: string) => {
    reads.push(externalId)
    return externalId === 'nobody' ? null : ({ externalId, username: `read ${reads.length}` } as UserRow)
  }
  return { reads, find }
}

test('who asks again soon is not read again, and later is', async () => {
  const { reads, find } = table()
  const leases = createUserLeases(find, clock)
  const first = await leases.find('ada')
  vi.advanceTimersByTime(99)
  expect(await leases.find('ada')).toBe(first)
  vi.advanceTimersByTime(1)
  expect((await leases.find('ada'))!.username).toBe('read 2')
  expect(reads).toEqual(['ada', 'ada'])
})

test('a lease counts from before the user was read', async () => {
  const { reads, find } = table()
  const leases = createUserLeases(async (externalId) => {
    const user = await find(externalId)
    vi.advanceTimersByTime(100)
    return user
  }, clock)
  await leases.find('ada')
  await leases.find('ada')
  expect(reads).toEqual(['ada', 'ada'])
})

test('a lease ends while the machine is suspended', async () => {
  const { reads, find } = table()
  let now = 0
  const leases = createUserLeases(find, { now: () => now })
  await leases.find('ada')
  now = 100
  await leases.find('ada')
  expect(reads).toHaveLength(2)
})

test('who is unknown is looked for each time', async () => {
  const { reads, find } = table()
  const leases = createUserLeases(find, clock)
  expect(await leases.find('nobody')).toBeNull()
  expect(await leases.find('nobody')).toBeNull()
  expect(reads).toHaveLength(2)
})

test('who was changed here is read again, even if it was just being read', async () => {
  const { find } = table()
  const leases = createUserLeases(find, clock)
  await leases.find('ada')
  leases.forget('ada')
  const underWay = leases.find('ada')
  leases.forget('ada')
  expect((await underWay)!.username).toBe('read 2')
  expect((await leases.find('ada'))!.username).toBe('read 3')
})

test('of many users the last are kept', async () => {
  const { reads, find } = table()
  const leases = createUserLeases(find, clock)
  for (let number = 0; number <= 1_000; number++) await leases.find(`user-${number}`)
  reads.length = 0
  await leases.find('user-1')
  expect(reads).toEqual([])
  await leases.find('user-0')
  expect(reads).toEqual(['user-0'])
})

test('whoever waits for leases to end waits longer than any lasts', async () => {
  const { reads, find } = table()
  vi.useRealTimers()
  const leases = createUserLeases(find, clock)
  await leases.find('ada')
  await outlastLeases()
  await leases.find('ada')
  expect(reads).toHaveLength(2)
})
