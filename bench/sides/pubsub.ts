import { EventEmitter } from 'node:events'
import { RedisPubSub } from 'graphql-redis-subscriptions'
import { PubSub, type PubSubEngine } from 'graphql-subscriptions'
import { Redis } from 'ioredis'

/** The engine that Apollo's and Yoga's users take: in memory, or over Redis between nodes. */
export function createPubSub(redisUrl: string | undefined): PubSubEngine {
  if (redisUrl) {
    const options = { retryStrategy: (times: number) => Math.min(times * 50, 2_000) }
    const [publisher, subscriber] = [new Redis(redisUrl, options), new Redis(redisUrl, options)]
    // Its documentation hands errors to a listener; without one, ioredis writes them to the terminal.
    for (const client of [publisher, subscriber]) client.on('error', () => {})
    return new RedisPubSub({ publisher, subscriber })
  }
  const eventEmitter = new EventEmitter()
  eventEmitter.setMaxListeners(0)
  return new PubSub({ eventEmitter })
}
