import { expect, test } from 'vitest'
import { retried } from '../../examples/retry.ts'

test('a request is made no more once nobody waits for its answer', async () => {
  const stop = new AbortController()
  let requests = 0
  const request = async () => {
    if (++requests === 2) stop.abort()
    throw new TypeError('fetch failed')
  }
  await expect(retried(request, () => [], stop.signal)).rejects.toThrow('fetch failed')
  expect(requests).toBe(2)
})
