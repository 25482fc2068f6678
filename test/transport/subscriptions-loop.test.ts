import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAcknowledged, type RawSocket } from '../security/ways.ts'
import { adaWithTwo, sendTo } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { canStartRedis, startRedis, type TestRedis } from '../support/redis.ts'

const PAIRS = 20_000
const IN_FLIGHT = 10
/** Of 20,000, some 400 bytes each would be seen. */
const MAX_GROWTH = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

describe.skipIf(!canStartRedis())('59 subscribe and complete in a loop', () => {
  let redis: TestRedis
  let admin: Redis
  let app: TestApp
  let ada: Awaited<ReturnType<typeof adaWithTwo>>
  let begun = 0
  let onBegun = () => {}

  beforeAll(async () => {
    redis = await startRedis()
    admin = new Redis(redis.url)
    const onSubscribed = () => {
      begun++
      onBegun()
    }
    app = await startApp({ env: { REDIS_URL: redis.url }, overrides: { onSubscribed } })
    ada = await adaWithTwo(app)
  })
  afterAll(async () => {
    await app.close()
    admin.disconnect()
    await redis.stop()
  })

  /** Every other one is completed while it begins, the others when they have begun. */
  function subscribeAndComplete(socket: RawSocket, count: number): Promise<void> {
    const first = begun
    let sent = 0
    const complete = (number: number) => socket.send({ type: 'complete', id: `${first + number}` })
    return new Promise((resolve) => {
      const more = () => {
        const done = begun - first
        while (sent < count && sent < done + IN_FLIGHT) {
          const query = `subscription { messageAdded(conversationId: "${ada.withBob}") { body } }`
          socket.send({ type: 'subscribe', id: `${first + sent}`, payload: { query } })
          if (sent % 2 === 0) complete(sent)
          sent++
        }
        // So many have begun since that this one has too.
        const old = done - IN_FLIGHT
        if (old >= 0 && old % 2 === 1) complete(old)
        if (done < count) return
        for (let rest = old + 1; rest < count; rest++) if (rest % 2 === 1) complete(rest)
        resolve()
      }
      onBegun = more
      more()
    })
  }

  /** What is left once everything that was said has been dealt with. */
  async function remains(socket: RawSocket) {
    socket.send({ type: 'ping' })
    expect(await socket.next()).toEqual({ type: 'pong' })
    const channels = (await admin.pubsub('CHANNELS')) as string[]
    const sockets = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
    collectGarbage()
    return { channels: channels.sort(), sockets, heap: process.memoryUsage().heapUsed }
  }

  it('leaves nothing behind', { timeout: 300_000 }, async () => {
    const socket = await openAcknowledged(ada)
    await subscribeAndComplete(socket, 1_000)
    const before = await remains(socket)
    expect(before.channels.filter((name) => name.startsWith('parley:c:'))).toHaveLength(1)

    await subscribeAndComplete(socket, PAIRS)

    const after = await remains(socket)
    expect(after.channels).toEqual(before.channels)
    // The pool of connections to the database comes and goes.
    expect(after.sockets).toBeLessThan(before.sockets + 20)
    expect(after.heap - before.heap).toBeLessThan(MAX_GROWTH)

    // The one that is subscribed now hears it, and none of the others does.
    const inEffect = new Promise<void>((resolve) => {
      onBegun = resolve
    })
    const query = `subscription { messageAdded(conversationId: "${ada.withBob}") { body } }`
    socket.send({ type: 'subscribe', id: 'last', payload: { query } })
    await inEffect
    for (const body of ['one', 'two']) {
      await sendTo(app.as('ada'), ada.withBob, body)
      expect(await socket.next()).toEqual({ type: 'next', id: 'last', payload: { data: { messageAdded: { body } } } })
    }
    socket.end()
  })
})
