import { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { Viewer } from '../context.ts'
import { RateLimitedError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'

export interface RateLimiter {
  /**
   * Counts mutation fields of a viewer; services, for themselves or for a user, are exempt. Waits for nothing outside
   * this process.
   * @throws RateLimitedError when they would go over the limit; they are then not counted, and must not be executed.
   */
  take(viewer: Viewer, fields: number): Promise<void>
  close(): void
}

const WINDOW_SECONDS = 60

/**
 * Limits each user to `limit` mutation fields a minute (0: no limit). Each node counts for itself and adds to a count in
 * Redis behind the reply; a user who is over the limit of all nodes together is refused from then on. While Redis is
 * away each node's own count holds, so a user gets at most the limit from each node.
 */
export function createRateLimiter(limit: number, redisUrl: string | undefined, log: Logger): RateLimiter {
  if (limit === 0) return { take: async () => {}, close: () => {} }
  const local = new RateLimiterMemory({ points: limit, duration: WINDOW_SECONDS })
  const shared = redisUrl === undefined ? null : createShared(limit, redisUrl, log)

  async function share(key: string, fields: number) {
    const total = await shared?.count(key, fields)
    if (total && total.consumedPoints > limit) await local.block(key, total.msBeforeNext / 1000)
  }

  return {
    async take(viewer, fields) {
      if (viewer.kind === 'service' || viewer.actingService !== null) return
      const key = viewer.user.id
      try {
        await local.consume(key, fields)
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        await local.reward(key, fields)
        throw new RateLimitedError('Too many mutations. Try again later.', Math.ceil(refusal.msBeforeNext / 1000))
      }
      void share(key, fields)
    },
    close: () => shared?.close(),
  }
}

function createShared(limit: number, url: string, log: Logger) {
  const redis = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 0, socketTimeout: 2_000 })
  // The bus tells of outages; here each would only repeat it.
  redis.on('error', (err) => log.debug({ err }, 'rate limits are not shared: Redis is away'))
  const limiter = new RateLimiterRedis({
    storeClient: redis,
    keyPrefix: 'parley:rate',
    points: limit,
    duration: WINDOW_SECONDS,
  })
  return {
    /** The count of all nodes with these fields added, or null while Redis is away. */
    count: (key: string, fields: number) => limiter.penalty(key, fields).catch(() => null),
    close: () => redis.disconnect(),
  }
}
