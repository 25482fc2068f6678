import { RedisPubSub } from 'graphql-redis-subscriptions'
import type { Redis } from 'ioredis'

/** The channels of Redis that this node listens to, whatever becomes of the connection. */
export interface RedisChannels {
  publish(name: string, payload: string): Promise<void>
  /**
   * Listens to a channel, with one subscription for all its listeners. Resolves once Redis has confirmed it, or after
   * 1 s without. The function that it gives back ends it.
   */
  listen(name: string, receive: (payload: Buffer) => void): Promise<() => void>
  /** Whether Redis has confirmed all channels on the present connection. */
  areLive(): boolean
  /** Asks for those that it has not. */
  requestMissing(): void
  /** To be called when the connection is lost: all have to be asked for anew. */
  lose(): void
  /** Lets nothing in any more, and nobody wait. */
  close(): void
}

const SUBSCRIBE_WAIT_MS = 1_000

/** A channel that somebody listens to. */
interface Channel {
  name: string
  /** Whether Redis confirmed it on the present connection. */
  live: boolean
  /** Those who wait for that. */
  waiting: Set<() => void>
}

interface RedisChannelsOptions {
  publisher: Redis
  subscriber: Redis
  /** Called when Redis has confirmed channels. */
  onLive(): void
  /** Called when it has not. */
  onRefusal(error: Error): void
}

export function createRedisChannels(options: RedisChannelsOptions): RedisChannels {
  const { publisher, subscriber, onLive, onRefusal } = options
  const channels = new Map<string, Channel>()
  let closed = false

  // RedisPubSub counts the listeners of each channel and hands out what comes in. SUBSCRIBE and UNSUBSCRIBE are kept
  // from it: after one that fails it leaves an entry behind and a rejection that nobody can handle. So it is told yes at
  // once, and `channels` holds what is wanted.
  const pubsub = new RedisPubSub({
    publisher,
    subscriber: Object.assign(subscriber, {
      subscribe(name: string, answer: (err: null) => void) {
        const channel: Channel = { name, live: false, waiting: new Set() }
        channels.set(name, channel)
        request([channel])
        answer(null)
      },
      unsubscribe(name: string) {
        channels.delete(name)
        subscriber.call('unsubscribe', name).catch(() => {}) // a connection that is lost has no subscriptions
      },
      punsubscribe() {},
    }),
    messageEventName: 'messageBuffer', // raw, so that what isn't wanted isn't decoded
    serializer: (payload: string) => payload,
  })

  const missing = () => [...channels.values()].filter((channel) => !channel.live)

  function request(wanted: Channel[]) {
    if (subscriber.status !== 'ready' || wanted.length === 0) return
    const confirm = () => {
      for (const channel of wanted) {
        channel.live = true
        for (const wake of channel.waiting) wake()
      }
      onLive()
    }
    subscriber.call('subscribe', ...wanted.map((channel) => channel.name)).then(confirm, onRefusal)
  }

  function untilLive(channel: Channel | undefined): Promise<void> {
    if (!channel || channel.live || closed) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        channel.waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, SUBSCRIBE_WAIT_MS)
      channel.waiting.add(wake)
    })
  }

  return {
    publish: (name, payload) => pubsub.publish(name, payload),
    async listen(name, receive) {
      let ended = false
      const id = await pubsub.subscribe<Buffer>(name, (payload) => {
        if (!ended) receive(payload)
      })
      await untilLive(channels.get(name))
      return () => {
        if (ended) return
        ended = true
        // Later, for this may be called by a listener, and RedisPubSub fails when one goes while it hands out a message.
        queueMicrotask(() => pubsub.unsubscribe(id))
      }
    },
    areLive: () => missing().length === 0,
    requestMissing: () => request(missing()),
    lose() {
      for (const channel of channels.values()) channel.live = false
    },
    close() {
      closed = true
      subscriber.removeAllListeners('messageBuffer')
      for (const channel of channels.values()) for (const wake of channel.waiting) wake()
    },
  }
}
