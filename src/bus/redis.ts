import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from '../lib/log.ts'
import { createAvailability } from './availability.ts'
import { type Bus, deliver, tryEncode } from './bus.ts'
import { createProbe } from './probe.ts'
import { createRedisChannels } from './redis-channels.ts'

const CHANNEL_PREFIX = 'parley:'
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

/**
 * A bus over the Redis at `url`. Returns at once; while Redis can't be reached, from the start too, it goes on trying,
 * up to every 2 s. It is up while what it publishes comes back to it. An outage is logged once when it begins and once
 * when it ends.
 */
export function createRedisBus({ url, log }: { url: string; log: Logger }): Bus {
  const publisher = new Redis(url, CLIENT_OPTIONS)
  const subscriber = new Redis(url, CLIENT_OPTIONS)
  const availability = createAvailability(log)
  const channels = createRedisChannels({ publisher, subscriber, onLive: check, onRefusal: availability.refused })
  const probe = createProbe({
    publish: (topic, payload) => channels.publish(CHANNEL_PREFIX + topic, payload).catch(availability.refused),
    onFlow: check,
    onDead: reconnect,
  })
  let lastError: Error | undefined
  let inFlight = 0
  let dropped = 0
  let closing: Promise<void> | undefined

  for (const client of [publisher, subscriber]) {
    client.on('error', (err) => {
      lastError = err
    })
    client.on('close', () => wentAway(client))
    client.on('end', () => wentAway(client))
  }
  publisher.on('ready', check)
  subscriber.on('ready', channels.requestMissing)
  void channels.listen(CHANNEL_PREFIX + probe.topic, probe.receive)

  const heartbeat = setInterval(() => {
    for (const client of [publisher, subscriber]) client.ping().catch(() => {})
    channels.requestMissing() // those that Redis refused
    if (areConnected()) probe.tick()
  }, HEARTBEAT_MS)

  function areConnected(): boolean {
    return publisher.status === 'ready' && subscriber.status === 'ready'
  }

  /** Up once all subscriptions are in effect on both connections and the probe has come back over them. */
  function check() {
    if (availability.isUp() || !areConnected() || !channels.areLive()) return
    if (!probe.flows()) return probe.send()
    lastError = undefined
    availability.up({ droppedSinceStart: dropped })
  }

  function wentAway(client: Redis) {
    if (client === subscriber) channels.lose()
    probe.reset()
    availability.down(lastError)
  }

  /** For connections that look well and carry nothing. */
  function reconnect() {
    lastError = new Error('What is published does not come back.')
    for (const client of [publisher, subscriber]) client.disconnect(true)
  }

  async function shutDown() {
    availability.close()
    clearInterval(heartbeat)
    channels.close()
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
      channels.publish(CHANNEL_PREFIX + topic, payload).then(
        () => {
          inFlight -= cost
        },
        (err) => {
          inFlight -= cost
          dropped++
          availability.refused(err)
        },
      )
    },

    async subscribe(topic, listener) {
      if (closing) return async () => {}
      const end = await channels.listen(CHANNEL_PREFIX + topic, (payload) => deliver(payload, listener, log))
      return async () => end()
    },

    onReconnect: availability.onReconnect,
    isUp: availability.isUp,
    dropped: () => dropped,

    close() {
      closing ??= shutDown()
      return closing
    },
  }
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
