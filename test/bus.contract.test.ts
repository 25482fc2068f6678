import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest'
import type { Bus, Listener } from '../src/bus/bus.ts'
import { createMemoryBus } from '../src/bus/memory.ts'
import { createRedisBus } from '../src/bus/redis.ts'
import {
  type BusEvent,
  type ConversationEvent,
  type ConversationTopic,
  conversationTopic,
  type EventOf,
  type MessagePayload,
  type UserEvent,
  type UserPayload,
  type UserTopic,
  userTopic,
} from '../src/bus/topics.ts'
import { canStartRedis, startRedis, type TestRedis } from './support/redis.ts'
import { createTcpProxy, type TcpProxy } from './support/tcp-proxy.ts'

const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown) => unhandled.push(reason)
let redis: TestRedis
let opened: Bus[]

beforeAll(async () => {
  process.on('unhandledRejection', noteUnhandled)
  if (canStartRedis()) redis = await startRedis()
})
afterAll(async () => {
  await redis?.stop()
  process.off('unhandledRejection', noteUnhandled)
  expect(unhandled).toEqual([])
})
beforeEach(() => {
  opened = []
})
afterEach(async () => {
  await Promise.all(opened.map((bus) => bus.close()))
})

describe('topics', () => {
  test('are the same on every node and in every version', () => {
    // Published results of FNV-1a.
    expect(conversationTopic('foobar', 2 ** 32)).toBe(`c:${0xbf9cf968}`)
    expect(userTopic('a', 2 ** 32)).toBe(`u:${0xe40c292c}`)
    expect(conversationTopic('foobar', 1_024)).toBe(`c:${0xbf9cf968 % 1_024}`)
  })

  // Vitest takes the types away: it is the type-checker that fails this one.
  test('take their own events alone', () => {
    const bus = open(createMemoryBus(captureLog()))
    const ofUser = { type: 'inbox', key: 'u', conversationId: 'c', change: 'STATE' } as const
    bus.publish('c:1', aRead(1))
    bus.publish('u:1', ofUser)
    // @ts-expect-error a user's event on a conversation's topic
    bus.publish('c:1', ofUser)
    // @ts-expect-error a conversation's event on a user's topic
    bus.publish('u:1', aRead(1))
    // @ts-expect-error not a topic
    bus.publish('x:1', ofUser)
    expectTypeOf<EventOf<UserTopic>>().toEqualTypeOf<UserEvent>()
    expectTypeOf<EventOf<ConversationTopic>>().toEqualTypeOf<ConversationEvent>()
  })

  test('share the load evenly', () => {
    const load = new Map<string, number>()
    for (let i = 0; i < 64_000; i++) {
      const topic = conversationTopic(randomUUID(), 64)
      load.set(topic, (load.get(topic) ?? 0) + 1)
    }
    expect(load.size).toBe(64)
    expect(Math.max(...load.values())).toBeLessThan(1_250)
    expect(Math.min(...load.values())).toBeGreaterThan(750)
  })
})

// Two nodes, as users of the bus know them: what one publishes the other receives.
const kinds = [
  {
    kind: 'memory',
    async nodes(log: Log) {
      const bus = open(createMemoryBus(log))
      return [bus, bus] as const
    },
  },
  {
    kind: 'redis',
    async nodes(log: Log) {
      const nodes = [openRedis(redis.url, log), openRedis(redis.url, log)] as const
      await until(() => expect(nodes.map((bus) => bus.isUp())).toEqual([true, true]))
      return nodes
    },
  },
]

describe.each(kinds.filter(({ kind }) => kind === 'memory' || canStartRedis()))('the $kind bus', ({ nodes }) => {
  let log: Log
  let near: Bus
  let far: Bus

  beforeEach(async () => {
    log = captureLog()
    ;[near, far] = await nodes(log)
  })

  test('carries every event as it was published', async () => {
    const conversationId = randomUUID()
    const user = aUser()
    const message = aMessage(conversationId, {
      sender: user,
      body: 'Grüße 👋\n"\u0000',
      metadata: { a: [1, { b: null }] },
    })
    const events: ConversationEvent[] = [
      { type: 'message', key: conversationId, version: 7, seq: 5, message },
      { type: 'message', key: conversationId, version: 8, seq: 6, message: null },
      { type: 'read', key: conversationId, user, lastReadSeq: 6, readAt: '2030-01-02T03:04:05.678Z' },
      { type: 'typing', key: conversationId, user, expiresAt: '2030-01-02T03:04:05.678Z' },
      { type: 'typing', key: conversationId, user, expiresAt: null },
    ]
    const inbox = { type: 'inbox', key: user.id, conversationId, change: 'JOINED' } as const
    const ofConversation = collect()
    const ofUser = collect()
    await far.subscribe('c:1', ofConversation)
    await far.subscribe('u:1', ofUser)

    for (const event of events) near.publish('c:1', event)
    near.publish('u:1', inbox)

    await until(() => expect(ofConversation.events).toHaveLength(events.length))
    await until(() => expect(ofUser.events).toHaveLength(1))
    expect(ofConversation.events).toEqual(events)
    expect(ofUser.events).toEqual([inbox])
  })

  test('carries both ways, and to the node that published', async () => {
    const atNear = collect()
    const atFar = collect()
    await near.subscribe('c:1', atNear)
    await far.subscribe('c:1', atFar)
    const [first, second] = [aRead(1), aRead(2)]

    near.publish('c:1', first)
    await until(() => expect(atFar.events).toEqual([first]))
    far.publish('c:1', second)

    await until(() => expect(atNear.events).toEqual([first, second]))
    await until(() => expect(atFar.events).toEqual([first, second]))
  })

  test('calls nobody from within publish', async () => {
    const listener = collect()
    await near.subscribe('c:1', listener)

    near.publish('c:1', aRead(1))

    expect(listener.asked).toEqual([])
    await until(() => expect(listener.events).toHaveLength(1))
  })

  test('keeps the order of a topic', async () => {
    const listener = collect()
    await far.subscribe('c:1', listener)
    const events = Array.from({ length: 2_000 }, (_, i) => aRead(i))

    for (const event of events) near.publish('c:1', event)

    await until(() => expect(listener.events).toHaveLength(events.length))
    expect(listener.events).toEqual(events)
  })

  test('receives what is published from the moment that subscribe has resolved', async () => {
    for (let shard = 0; shard < 50; shard++) {
      const listener = collect()
      await far.subscribe(`c:${shard}`, listener)
      near.publish(`c:${shard}`, aRead(shard))
      await until(() => expect(listener.events).toHaveLength(1))
    }
  })

  test('keeps topics apart', async () => {
    const listener = collect()
    await far.subscribe('c:1', listener)

    near.publish('c:11', aRead(1))
    near.publish('u:1', { type: 'inbox', key: randomUUID(), conversationId: randomUUID(), change: 'STATE' })
    const wanted = aRead(2)
    near.publish('c:1', wanted)

    await until(() => expect(listener.events).toEqual([wanted]))
  })

  test('asks for the key, and neither parses nor passes on what is not wanted', async () => {
    const wanted = aRead(2)
    const unwanted = aRead(1)
    const listener = collect((key) => key === wanted.key)
    await far.subscribe('c:1', listener)
    const parse = vi.spyOn(JSON, 'parse')

    try {
      near.publish('c:1', unwanted)
      near.publish('c:1', wanted)
      await until(() => expect(listener.events).toHaveLength(1))

      expect(listener.asked).toEqual([unwanted.key, wanted.key])
      expect(listener.events).toEqual([wanted])
      const parsed = parse.mock.calls.map(([text]) => text)
      expect(parsed.filter((text) => text.includes(wanted.key))).toHaveLength(1)
      expect(parsed.filter((text) => text.includes(unwanted.key))).toHaveLength(0)
    } finally {
      parse.mockRestore()
    }
  })

  test('gives each of several listeners a copy of its own', async () => {
    const event = aMessageEvent(aMessage(randomUUID(), { metadata: { colour: 'red' } }))
    const original = structuredClone(event)
    const listener = collect()
    await far.subscribe('c:1', {
      wants: () => true,
      receive(received) {
        if (received.type === 'message' && received.message) received.message.metadata.colour = 'green'
      },
    })
    await far.subscribe('c:1', listener)

    near.publish('c:1', event)
    event.message.metadata.colour = 'blue'

    await until(() => expect(listener.events).toEqual([original]))
  })

  test('ends the one subscription that is to end, and takes it up again', async () => {
    const leaving = collect()
    const staying = collect()
    const end = await far.subscribe('c:1', leaving)
    await far.subscribe('c:1', staying)
    near.publish('c:1', aRead(1))
    await until(() => expect([leaving.events.length, staying.events.length]).toEqual([1, 1]))

    await end()
    await end()
    near.publish('c:1', aRead(2))
    await until(() => expect(staying.events).toHaveLength(2))
    expect(leaving.events).toHaveLength(1)

    await far.subscribe('c:1', leaving)
    near.publish('c:1', aRead(3))
    await until(() => expect(leaving.events).toHaveLength(2))
    await until(() => expect(staying.events).toHaveLength(3))
  })

  test('can be subscribed to anew at once, by the last listener too', async () => {
    for (let round = 0; round < 50; round++) {
      const listener = collect()
      const end = await far.subscribe('c:1', listener)
      near.publish('c:1', aRead(round))
      await until(() => expect(listener.events).toHaveLength(1))
      await end()
    }
  })

  test('lets a listener end subscriptions, its own too, while it receives', async () => {
    const ends: (() => Promise<void>)[] = []
    const ended = collect()
    const staying = collect()
    const ending = collect(() => {
      for (const end of ends) end()
      return true
    })
    ends.push(await far.subscribe('c:1', ending), await far.subscribe('c:1', ended))
    await far.subscribe('c:2', staying)

    near.publish('c:1', aRead(1))
    near.publish('c:1', aRead(2))
    near.publish('c:2', aRead(3))

    await until(() => expect(staying.events).toHaveLength(1))
    expect(ending.events).toHaveLength(1)
    expect(ended.events).toEqual([])
    expect(log.lines).toEqual([])
  })

  test('survives a listener that throws, and logs it', async () => {
    const listener = collect()
    const failing = (where: string) => () => {
      throw new Error(`${where} failed`)
    }
    await far.subscribe('c:1', { wants: failing('wants'), receive: () => {} })
    await far.subscribe('c:1', { wants: () => true, receive: failing('receive') })
    await far.subscribe('c:1', listener)

    near.publish('c:1', aRead(1))
    near.publish('c:1', aRead(2))

    await until(() => expect(listener.events).toHaveLength(2))
    for (const where of ['wants', 'receive']) {
      expect(log.lines.filter((line) => JSON.stringify(line).includes(`${where} failed`))).toHaveLength(2)
    }
  })

  test('carries a message of up to 8 KiB, and of a bigger one the ids alone', async () => {
    const listener = collect()
    await far.subscribe('c:1', listener)
    const fits = aMessageEvent(aMessage(randomUUID(), { body: 'x'.repeat(7_500) }))
    const tooBig = aMessageEvent(aMessage(randomUUID(), { body: 'x'.repeat(8_192) }))
    const tooBigInUtf8 = aMessageEvent(aMessage(randomUUID(), { body: 'ж'.repeat(4_000) }))

    for (const event of [fits, tooBig, tooBigInUtf8]) near.publish('c:1', event)

    await until(() => expect(listener.events).toHaveLength(3))
    expect(listener.events).toEqual([fits, { ...tooBig, message: null }, { ...tooBigInUtf8, message: null }])
    expect(tooBig.message).not.toBeNull()
  })

  test('logs what JSON can not say instead of throwing it at the publisher', async () => {
    const listener = collect()
    await far.subscribe('c:1', listener)
    const wanted = aRead(1)

    near.publish('c:1', aMessageEvent(aMessage(randomUUID(), { metadata: { big: 1n } })))
    near.publish('c:1', wanted)

    await until(() => expect(listener.events).toEqual([wanted]))
    expect(log.lines).toMatchObject([{ msg: 'bus: an event could not be encoded', type: 'message' }])
  })

  test('receives nothing once close is called, and takes further calls calmly', async () => {
    const listener = collect()
    const end = await near.subscribe('c:1', listener)
    near.publish('c:1', aRead(1))

    await near.close()
    near.publish('c:1', aRead(2))
    const endAnother = await near.subscribe('c:1', listener)
    await new Promise(setImmediate) // what is wrongly under way would come now

    expect(listener.events).toEqual([])
    expect(near.isUp()).toBe(false)
    await end()
    await endAnother()
    await near.close()
    expect(log.lines).toEqual([])
  })
})

test('the memory bus does not encode what nobody listens to', async () => {
  const log = captureLog()
  const bus = open(createMemoryBus(log))
  const listener = collect()
  const unsayable = aMessageEvent(aMessage(randomUUID(), { metadata: { big: 1n } }))

  bus.publish('c:1', unsayable)
  expect(log.lines).toEqual([])

  const end = await bus.subscribe('c:1', listener)
  bus.publish('c:1', unsayable)
  expect(log.lines).toHaveLength(1)

  await end()
  bus.publish('c:1', unsayable)
  expect(log.lines).toHaveLength(1)
})

describe.skipIf(!canStartRedis())('the redis bus and its Redis', () => {
  let log: Log
  let admin: Redis
  let proxy: TcpProxy

  beforeEach(async () => {
    log = captureLog()
    admin = new Redis(redis.url, { protocol: 2 })
    admin.on('error', () => {}) // Redis is killed here
    proxy = await createTcpProxy({ port: redis.port })
  })
  afterEach(async () => {
    admin.disconnect()
    await Promise.all(opened.map((bus) => bus.close()))
    await proxy.close()
    await redis.restart() // with nothing of the test before in it
  })

  /** Subscribes and publishes once. */
  async function expectEventsToFlow(from: Bus, to: Bus, topic: `c:${number}`) {
    const listener = collect()
    const end = await to.subscribe(topic, listener)
    const event = aRead(1)
    from.publish(topic, event)
    await until(() => expect(listener.events).toEqual([event]))
    await end()
  }

  test('delivers what was published just before a close', async () => {
    const [leaving, staying] = [openRedis(redis.url, log), openRedis(redis.url, log)]
    const listener = collect()
    await staying.subscribe('c:1', listener)
    await until(() => expect(leaving.isUp()).toBe(true))
    const events = Array.from({ length: 1_000 }, (_, i) => aRead(i))

    for (const event of events) leaving.publish('c:1', event)
    await leaving.close()

    await until(() => expect(listener.events).toHaveLength(events.length))
    expect(leaving.dropped()).toBe(0)
  })

  test('holds one subscription for all listeners to a topic, until the last ends', async () => {
    const bus = openRedis(redis.url, log)
    const end = await bus.subscribe('c:1', collect())
    const endOther = await bus.subscribe('c:1', collect())
    expect(await admin.pubsub('NUMSUB', 'parley:c:1')).toEqual(['parley:c:1', 1])

    await end()
    await expectEventsToFlow(bus, bus, 'c:2')
    expect(await admin.pubsub('NUMSUB', 'parley:c:1')).toEqual(['parley:c:1', 1])

    await endOther()
    await until(async () => expect(await admin.pubsub('CHANNELS', 'parley:c:*')).toEqual([]))
  })

  test('starts while Redis is down, and works once it is up', async () => {
    await redis.kill9()
    const bus = openRedis(redis.url, log)
    let reconnects = 0
    bus.onReconnect(() => reconnects++)
    const listener = collect()

    const end = await bus.subscribe('c:1', listener)
    bus.publish('c:1', aRead(1))
    expect(bus.isUp()).toBe(false)
    expect(bus.dropped()).toBe(1)
    expect(reconnects).toBe(0)
    await redis.restart()
    await until(() => expect(bus.isUp()).toBe(true))

    expect(reconnects).toBe(1)
    const event = aRead(2)
    bus.publish('c:1', event)
    await until(() => expect(listener.events).toEqual([event]))
    await end()
    expect(log.lines).toMatchObject([
      { level: 40, msg: 'bus: Redis is away; events are late until it is back' },
      { level: 30, msg: 'bus: Redis is back', droppedSinceStart: 1 },
    ])
  })

  test('comes back after a kill -9 of Redis, with what was subscribed to before and meanwhile', async () => {
    const [near, far] = [openRedis(redis.url, log), openRedis(redis.url, log)]
    const before = collect()
    const meanwhile = collect()
    const ended = collect()
    await far.subscribe('c:1', before)
    const end = await far.subscribe('c:3', ended)
    await until(() => expect([near.isUp(), far.isUp()]).toEqual([true, true]))
    const firstOutage = log.lines.length

    await redis.kill9()
    await until(() => expect([near.isUp(), far.isUp()]).toEqual([false, false]))
    for (let i = 0; i < 1_000; i++) near.publish('c:1', aRead(i))
    await until(() => expect(near.dropped()).toBe(1_000))
    await far.subscribe('c:2', meanwhile)
    await end()
    await redis.restart()
    await until(() => expect([near.isUp(), far.isUp()]).toEqual([true, true]))

    const events = [aRead(1), aRead(2), aRead(3)] as const
    near.publish('c:3', events[2])
    near.publish('c:1', events[0])
    near.publish('c:2', events[1])
    await until(() => expect([before.events, meanwhile.events]).toEqual([[events[0]], [events[1]]]))
    expect(ended.events).toEqual([])
    expect(await admin.pubsub('CHANNELS', 'parley:c:*')).toHaveLength(2)
    // Two buses: each tells once that Redis went and once that it is back, however many tries lay between.
    const told = log.lines.slice(firstOutage).map((line) => line.level)
    expect(told.toSorted()).toEqual([30, 30, 40, 40])
  })

  test('tells of its return only when the subscriptions are in effect again', async () => {
    const bus = openRedis(redis.url, log)
    const listener = collect()
    for (let shard = 0; shard < 200; shard++) await bus.subscribe(`c:${shard}`, listener)
    const events: BusEvent[] = []
    const unsubscribe = bus.onReconnect(() => {
      for (let shard = 0; shard < 200; shard++) {
        const event = aRead(shard)
        events.push(event)
        bus.publish(`c:${shard}`, event)
      }
    })

    for (let outage = 1; outage <= 4; outage++) {
      // The subscriber's connection, and every second time the publisher's in the same moment.
      const killed = [admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')]
      if (outage % 2 === 0) killed.push(admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))
      await Promise.all(killed)
      await until(() => expect(listener.events).toHaveLength(200 * outage))
      expect(listener.events).toEqual(events)
    }
    unsubscribe()
    let returns = 0
    bus.onReconnect(() => returns++)
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until(() => expect(returns).toBe(1))
    expect(events).toHaveLength(800)
  })

  test('notices a black hole, holds little in front of it, and comes back', async () => {
    const bus = openRedis(`redis://127.0.0.1:${proxy.port}`, log)
    const listener = collect()
    await bus.subscribe('c:1', listener)
    await until(() => expect(bus.isUp()).toBe(true))

    proxy.blackhole()
    for (let i = 0; i < 50_000; i++) bus.publish('c:1', aRead(i))
    const held = 50_000 - bus.dropped()
    expect(held).toBeGreaterThan(0)
    expect(held).toBeLessThan(16_384)
    // Nothing has been noticed yet, and still it ends.
    await bus.subscribe('c:2', collect())
    await until(() => expect(bus.isUp()).toBe(false))
    await until(() => expect(bus.dropped()).toBe(50_000))

    proxy.restore()
    await until(() => expect(bus.isUp()).toBe(true))
    expect(listener.events).toEqual([]) // nothing old is sent late
    await expectEventsToFlow(bus, bus, 'c:1')
    await expectEventsToFlow(bus, bus, 'c:2')
    expect(log.lines.map((line) => line.level)).toEqual([40, 30])
  })

  test('notices a Redis that hangs when nothing is published, and comes back', async () => {
    const bus = openRedis(redis.url, log)
    await until(() => expect(bus.isUp()).toBe(true))

    redis.pause()
    await until(() => expect(bus.isUp()).toBe(false))
    redis.resume()

    await until(() => expect(bus.isUp()).toBe(true))
    await expectEventsToFlow(bus, bus, 'c:1')
  })

  test('bears a Redis that is half a second away', async () => {
    const bus = openRedis(`redis://127.0.0.1:${proxy.port}`, log)
    await until(() => expect(bus.isUp()).toBe(true))

    proxy.delay(250)
    for (let shard = 0; shard < 4; shard++) await expectEventsToFlow(bus, bus, `c:${shard}`)

    expect(bus.isUp()).toBe(true)
    expect(log.lines).toEqual([])
  })

  test('asks again for a channel that Redis refused', async () => {
    await admin.call('ACL', 'SETUSER', 'limited', 'on', '>pw', '+@all', 'resetchannels', '&parley:probe:*')
    const bus = openRedis(redis.url.replace('//', '//limited:pw@'), log)
    await until(() => expect(bus.isUp()).toBe(true))
    const listener = collect()

    const end = await bus.subscribe('c:1', listener)
    bus.publish('c:1', aRead(1))
    await until(() => expect(bus.dropped()).toBe(1))
    await end()
    await bus.subscribe('c:1', listener)
    await admin.call('ACL', 'SETUSER', 'limited', 'allchannels')
    await until(() => {
      bus.publish('c:1', aRead(2))
      expect(listener.events).not.toEqual([])
    })

    expect(log.lines).toHaveLength(1)
    expect(log.lines).toMatchObject([
      { msg: 'bus: Redis refuses a command', reason: expect.stringContaining('NOPERM') },
    ])
  })

  test('asks itself whether events flow, and says nothing while they do', { timeout: 60_000 }, async () => {
    const bus = openRedis(redis.url, log)
    await until(() => expect(bus.isUp()).toBe(true))
    const probes: string[] = []
    const eavesdropper = admin.duplicate()
    eavesdropper.on('pmessage', (_, channel) => probes.push(channel))
    await eavesdropper.psubscribe('parley:probe:*')

    await until(() => expect(probes.length).toBeGreaterThan(5))

    eavesdropper.disconnect()
    expect(new Set(probes).size).toBe(1)
    expect(bus.isUp()).toBe(true)
    expect(log.lines).toEqual([])
  })

  test('notices that its connections lead to two servers, and makes them anew', { timeout: 60_000 }, async () => {
    const other = await startRedis()
    const target = { port: redis.port }
    const toEither = await createTcpProxy(target)
    const bus = openRedis(`redis://127.0.0.1:${toEither.port}`, log)
    const listener = collect()
    await bus.subscribe('c:1', listener)
    await until(() => expect(bus.isUp()).toBe(true))
    let reconnects = 0
    bus.onReconnect(() => reconnects++)

    // As after a failover that the publisher has not noticed: it answers, and what it is told nobody hears.
    target.port = other.port
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub')

    await until(() => expect(reconnects).toBe(1))
    expect(bus.isUp()).toBe(true)
    await expectEventsToFlow(bus, bus, 'c:1')
    expect(listener.events).toHaveLength(1)
    expect(log.lines.map((line) => line.level)).toEqual([40, 30])
    await bus.close()
    await toEither.close()
    await other.stop()
  })

  test('notices that it may no longer publish, and that it may again', { timeout: 60_000 }, async () => {
    await admin.call('ACL', 'SETUSER', 'limited', 'on', '>pw', '+@all', 'allchannels')
    const bus = openRedis(redis.url.replace('//', '//limited:pw@'), log)
    await until(() => expect(bus.isUp()).toBe(true))
    let reconnects = 0
    bus.onReconnect(() => reconnects++)

    await admin.call('ACL', 'SETUSER', 'limited', '-publish')
    await until(() => expect(bus.isUp()).toBe(false))
    await admin.call('ACL', 'SETUSER', 'limited', '+publish')

    await until(() => expect(reconnects).toBe(1))
    expect(bus.isUp()).toBe(true)
    await expectEventsToFlow(bus, bus, 'c:1')
    expect(log.lines).toMatchObject([
      { msg: 'bus: Redis refuses a command', reason: expect.stringContaining('NOPERM') },
      { level: 40, reason: 'What is published does not come back.' },
      { level: 30, msg: 'bus: Redis is back' },
    ])
  })

  test('does not log the password, and takes the right one when Redis has it', async () => {
    await admin.config('SET', 'requirepass', 'another')
    const bus = openRedis(redis.url.replace('//', '//:hunter2@'), log)
    await until(() => expect(log.lines).toMatchObject([{ level: 40, reason: expect.stringContaining('WRONGPASS') }]))
    expect(JSON.stringify(log.lines)).not.toContain('hunter2')

    await admin.config('SET', 'requirepass', 'hunter2')

    await until(() => expect(bus.isUp()).toBe(true))
  })

  describe('close lets the process end', () => {
    let child: ChildProcess
    afterEach(() => {
      child.kill('SIGKILL')
    })

    /** A process with a bus, which closes it when asked to. It tells by its output whether the bus is up. */
    async function processWithBus(url: string, expectation: 'up' | 'away') {
      const busModule = fileURLToPath(new URL('../src/bus/redis.ts', import.meta.url))
      const script = `
        import { pino } from 'pino'
        import { createRedisBus } from ${JSON.stringify(busModule)}
        const log = pino({ base: null }, { write: () => console.log('away') })
        const bus = createRedisBus({ url: ${JSON.stringify(url)}, log })
        process.once('SIGTERM', async () => {
          bus.publish('c:1', ${JSON.stringify(aRead(1))})
          await bus.close()
          console.log('closed')
        })
        bus.onReconnect(() => console.log('up'))
        await bus.subscribe('c:1', { wants: () => true, receive() {} })`
      child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const output = { text: '' }
      child.stdout?.on('data', (chunk) => {
        output.text += chunk
      })
      await until(() => expect(output.text).toBe(`${expectation}\n`))
      return output
    }

    async function expectItToEnd(output: { text: string }) {
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      expect(await exit).toEqual([0, null])
      await until(() => expect(output.text).toMatch(/closed\n$/))
    }

    test('when Redis is up', async () => {
      await expectItToEnd(await processWithBus(redis.url, 'up'))
    })

    test('when Redis is down', async () => {
      await redis.kill9()
      await expectItToEnd(await processWithBus(redis.url, 'away'))
    })

    test('when Redis is in a black hole', async () => {
      const output = await processWithBus(`redis://127.0.0.1:${proxy.port}`, 'up')
      proxy.blackhole()
      await expectItToEnd(output)
    })

    test('when Redis was in a black hole from the start', async () => {
      proxy.blackhole()
      await expectItToEnd(await processWithBus(`redis://127.0.0.1:${proxy.port}`, 'away'))
    })
  })
})

type Log = ReturnType<typeof captureLog>

function captureLog() {
  const lines: { level: number; msg: string }[] = []
  return { lines, log: pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) }) }
}

function open(bus: Bus): Bus {
  opened.push(bus)
  return bus
}

function openRedis(url: string, { log }: Log): Bus {
  return open(createRedisBus({ url, log }))
}

/** A listener that keeps what it was asked and what it received. */
function collect(wants: (key: string) => boolean = () => true) {
  const asked: string[] = []
  const events: BusEvent[] = []
  return {
    asked,
    events,
    wants(key: string) {
      asked.push(key)
      return wants(key)
    },
    receive(event: BusEvent) {
      events.push(event)
    },
  } satisfies Listener<BusEvent> & Record<string, unknown>
}

/** Waits for a condition that is to come true. */
function until(condition: () => unknown): Promise<unknown> {
  return vi.waitFor(condition, { timeout: 15_000, interval: 10 })
}

function aRead(lastReadSeq: number) {
  const readAt = '2030-01-02T03:04:05.678Z'
  return { type: 'read' as const, key: randomUUID(), user: aUser(), lastReadSeq, readAt }
}

function aUser(): UserPayload {
  const id = randomUUID()
  return { id, externalId: id, username: 'ann', displayName: 'Ann', avatarUrl: null, role: null, type: 'HUMAN' }
}

function aMessageEvent(message: MessagePayload) {
  const { conversationId: key, version, seq } = message
  return { type: 'message' as const, key, version, seq, message }
}

function aMessage(conversationId: string, some: Partial<MessagePayload> = {}): MessagePayload {
  return {
    conversationId,
    seq: 1,
    version: 1,
    senderId: randomUUID(),
    sender: null,
    kind: 'TEXT',
    body: 'Hello',
    metadata: {},
    replyToSeq: null,
    subjectId: null,
    idempotencyKey: null,
    createdAt: '2030-01-02T03:04:05.678Z',
    editedAt: null,
    deletedAt: null,
    ...some,
  }
}
