import { RedisPubSub } from 'graphql-redis-subscriptions'
import { Redis, type RedisOptions, ReplyError } from 'ioredis'
import type { Logger } from '../lib/log.ts'
import { type Bus, deliver, tryEncode } from './bus.ts'

const CHANNEL_PREFIX = 'parley:'
const SUBSCRIBE_WAIT_MS = 1_000
const HEARTBEAT_MS = 1_000
const DISCONNECT_MS = 200

// What may wait for Redis to answer. Each publish counts for its text and about what the client keeps for it.
const MAX_IN_FLIGHT_BYTES = 16 * 1024 * 1024
const BYTES_PER_PUBLISH = 1_024

const CLIENT_OPTIONS: RedisOptions = {
  // Nothing is queued or sent again: a publish that can't go out now is dropped, and each new connection is asked
  // afresh for the channels that are wanted then. So an outage, however long, costs no memory and replays nothing.
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  // Redis publishes while it still loads its data.
  enableReadyCheck: false,
  connectTimeout: 2_000,
  // A command without an answer for this long (the heartbeat sees to it that there is one): the peer is dead.
  socketTimeout: 2_000,
  disconnectTimeout: DISCONNECT_MS,
  retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, 2_000),
}

/** A channel that somebody listens to. */
interface Channel {
  name: string
  /** Whether Redis confirmed it on the present connection. */
  live: boolean
  /** Those who wait for that. */
  waiting: Set<() => void>
}

/**
 * A bus over the Redis at `url`. Returns at once; while Redis can't be reached, from the start too, it goes on trying,
 * up to every 2 s. An outage is logged once when it begins and once when it ends.
 */
export function createRedisBus({ url, log }: { url: string; log: Logger }): Bus {
  const publisher = new Redis(url, CLIENT_OPTIONS)
  const subscriber = new Redis(url, CLIENT_OPTIONS)
  const channels = new Map<string, Channel>()
  const reconnectCallbacks = new Set<() => void>()
  let up = false
  let outageLogged = false
  let refusalLogged = false
  let lastError: NodeJS.ErrnoException | undefined
  let inFlight = 0
  let dropped = 0
  let closing: Promise<void> | undefined

  // RedisPubSub counts the listeners of each channel and hands out what comes in. SUBSCRIBE and UNSUBSCRIBE are kept
  // from it: after one that fails it leaves an entry behind and a rejection that nobody can handle. So it is told yes at
  // once, and `channels` holds what is wanted.
  const pubsub = new RedisPubSub({
    publisher,
    subscriber: Object.assign(subscriber, {
      subscribe(name: string, answer: (err: null) => void) {
        const channel: Channel = { name, live: false, waiting: new Set() }
        channels.set(name, channel)
        requestChannels([channel])
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

  for (const client of [publisher, subscriber]) {
    client.on('error', (err) => {
      lastError = err
    })
    client.on('close', () => wentAway(client))
    client.on('end', () => wentAway(client))
  }
  publisher.on('ready', cameBack)
  subscriber.on('ready', requestMissingChannels)

  const heartbeat = setInterval(() => {
    for (const client of [publisher, subscriber]) client.ping().catch(() => {})
    requestMissingChannels() // those that Redis refused
  }, HEARTBEAT_MS)

  function requestMissingChannels() {
    const missing = [...channels.values()].filter((channel) => !channel.live)
    if (missing.length > 0) requestChannels(missing)
    else cameBack()
  }

  function requestChannels(wanted: Channel[]) {
    if (subscriber.status !== 'ready') return
    const confirm = () => {
      for (const channel of wanted) {
        channel.live = true
        for (const wake of channel.waiting) wake()
      }
      cameBack()
    }
    subscriber.call('subscribe', ...wanted.map((channel) => channel.name)).then(confirm, logRefusal)
  }

  function wentAway(client: Redis) {
    if (client === subscriber) for (const channel of channels.values()) channel.live = false
    up = false
    if (outageLogged || closing) return
    outageLogged = true
    log.warn({ reason: reasonOf(lastError) }, 'bus: Redis is away; events are late until it is back')
  }

  function cameBack() {
    if (up || closing || publisher.status !== 'ready' || subscriber.status !== 'ready') return
    for (const channel of channels.values()) if (!channel.live) return
    up = true
    if (outageLogged) log.info({ droppedSinceStart: dropped }, 'bus: Redis is back')
    outageLogged = false
    refusalLogged = false
    lastError = undefined
    for (const callback of reconnectCallbacks) {
      try {
        callback()
      } catch (err) {
        log.error({ err }, 'bus: a reconnect callback failed')
      }
    }
  }

  /** Logs the first answer that is an error. What fails otherwise does because the connection is lost: told already. */
  function logRefusal(err: Error) {
    if (refusalLogged || !(err instanceof ReplyError)) return
    refusalLogged = true
    log.error({ reason: reasonOf(err) }, 'bus: Redis refuses a command')
  }

  function untilLive(channel: Channel | undefined): Promise<void> {
    if (!channel || channel.live || closing) return Promise.resolve()
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

  async function shutDown() {
    up = false
    clearInterval(heartbeat)
    subscriber.removeAllListeners('messageBuffer')
    for (const channel of channels.values()) for (const wake of channel.waiting) wake()
    await Promise.all([disconnect(publisher), disconnect(subscriber)])
  }

  return {
    publish(topic, event) {
      const payload = publisher.status === 'ready' ? tryEncode(event, log) : undefined
      const cost = (payload?.length ?? 0) + BYTES_PER_PUBLISH
      if (payload === undefined || inFlight + cost > MAX_IN_FLIGHT_BYTES) {
        dropped++
        return
      }
      inFlight += cost
      corkForThisTick(publisher)
      pubsub.publish(CHANNEL_PREFIX + topic, payload).then(
        () => {
          inFlight -= cost
        },
        (err) => {
          inFlight -= cost
          dropped++
          logRefusal(err)
        },
      )
    },

    async subscribe(topic, listener) {
      if (closing) return async () => {}
      const name = CHANNEL_PREFIX + topic
      let ended = false
      const id = await pubsub.subscribe<Buffer>(name, (payload) => {
        if (!ended) deliver(payload, listener, log)
      })
      await untilLive(channels.get(name))
      return async () => {
        if (ended) return
        ended = true
        // Later, for this may be called by a listener, and RedisPubSub fails when one goes while it hands out a message.
        queueMicrotask(() => pubsub.unsubscribe(id))
      }
    },

    onReconnect(callback) {
      reconnectCallbacks.add(callback)
      return () => reconnectCallbacks.delete(callback)
    },

    isUp: () => up,
    dropped: () => dropped,

    close() {
      closing ??= shutDown()
      return closing
    },
  }
}

/** The message alone: the error itself holds the command that failed, and that may hold the password. */
function reasonOf(err: NodeJS.ErrnoException | undefined): string | undefined {
  return err?.message || err?.code
}

/** What is published in one tick goes out in one write. */
function corkForThisTick({ stream }: Redis) {
  if (stream.writableCorked > 0) return
  stream.cork()
  process.nextTick(() => stream.uncork())
}

/** Says goodbye, with what was published before, and hangs up after a moment if there is no answer. */
function disconnect(client: Redis): Promise<void> {
  return new Promise((resolve) => {
    // A client between two tries never says that it ended.
    const timer = setTimeout(resolve, 2 * DISCONNECT_MS)
    client.once('end', () => {
      clearTimeout(timer)
      resolve()
    })
    client.disconnect()
  })
}
