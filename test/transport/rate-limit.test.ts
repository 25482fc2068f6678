import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ConversationDocument, SetTypingDocument, ViewerDocument } from '../generated/graphql.ts'
import { codesOf, expectClean } from '../security/table.ts'
import { type Caller, WAYS, ways } from '../security/ways.ts'
import { openDirect } from '../security/world.ts'
import { startApp, type TestApp } from '../support/app.ts'
import { createTestDatabase } from '../support/database.ts'
import { canStartRedis, startRedis, type TestRedis } from '../support/redis.ts'
import { createTcpProxy } from '../support/tcp-proxy.ts'

/** As many sends in one mutation, each under an alias. */
const sends = (count: number) =>
  `mutation ($id: ID!) { ${Array.from({ length: count }, (_, i) => `a${i}: sendMessage(input: {conversationId: $id, body: "x"}) { deduplicated }`).join(' ')} }`

/** A user of the name, in a conversation of its own with another. */
async function withConversation(app: TestApp, name: string) {
  const client = app.as(name)
  await client.run(ViewerDocument)
  await app.as(`${name}'s friend`).run(ViewerDocument)
  // By a service, which is not limited.
  const id = await openDirect(app.asService(name), `${name}'s friend`)
  const caller: Caller = { url: app.url, authorization: `Bearer ${await client.token}` }
  const messages = async () => (await client.run(ConversationDocument, { id })).conversation!.lastSeq
  return { client, caller, id, messages }
}

describe('a user who calls too often', () => {
  let app: TestApp
  beforeAll(async () => {
    app = await startApp({ env: { RATE_LIMIT: '150' } })
  })
  afterAll(() => app.close())

  for (const way of WAYS.filter((way) => !way.endsWith('GET'))) {
    it(`23 100 aliased sends are 100 points, and what goes over the limit is not executed: ${way}`, async () => {
      const { caller, id, messages } = await withConversation(app, `ada by ${way}`)
      const send = (count: number) => ways[way](caller, { query: sends(count), variables: { id } })

      expect((await send(100)).result).not.toHaveProperty('errors')
      expect(await messages()).toBe(100)

      const refused = await send(100)
      expectClean(refused)
      expect(codesOf(refused)).toEqual(['RATE_LIMITED'])
      expect(refused.status).toBe(way === 'WebSocket' ? 101 : 429)
      expect(refused.result).not.toHaveProperty('data')
      const { retryAfter } = refused.result!.errors![0]!.extensions as { retryAfter: number }
      expect(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 60).toBe(true)
      expect(await messages()).toBe(100)

      // What was refused was not counted.
      expect((await send(50)).result).not.toHaveProperty('errors')
      expect(codesOf(await send(1))).toEqual(['RATE_LIMITED'])
      expect(await messages()).toBe(150)
    })
  }

  it('counts together what comes by different ways, and what hides in fragments', async () => {
    const { caller, id, messages } = await withConversation(app, 'bob')
    for (const way of ['POST', 'event stream by POST', 'WebSocket'] as const) {
      expect((await ways[way](caller, { query: sends(40), variables: { id } })).result).not.toHaveProperty('errors')
    }
    const field = (alias: string) => `${alias}: sendMessage(input: {conversationId: $id, body: "x"}) { deduplicated }`
    const query = `mutation ($id: ID!) { ...A ... on Mutation { ${field('b')} ...A } } fragment A on Mutation { ${Array.from({ length: 15 }, (_, i) => field(`a${i}`)).join(' ')} }`
    expect(codesOf(await ways.POST(caller, { query, variables: { id } }))).toEqual(['RATE_LIMITED'])
    expect(await messages()).toBe(120)
  })

  it('may still ask, and nobody else is concerned', async () => {
    const { client, caller, id } = await withConversation(app, 'carl')
    await ways.POST(caller, { query: sends(150), variables: { id } })
    expect(codesOf(await ways.POST(caller, { query: sends(1), variables: { id } }))).toEqual(['RATE_LIMITED'])
    await client.run(ConversationDocument, { id })
    await app.as("carl's friend").run(SetTypingDocument, { input: { conversationId: id, isTyping: true } })
  })

  it('is exempt as a service, also when it acts for a user', async () => {
    const { id, messages } = await withConversation(app, 'dora')
    for (const service of [app.asService(), app.asService('dora')]) {
      const caller = { url: app.url, authorization: `Bearer ${await service.token}` }
      for (const actAs of [undefined, 'dora']) {
        const { result } = await ways.POST({ ...caller, actAs }, { query: sends(151), variables: { id } })
        expect(result).not.toHaveProperty('errors')
      }
    }
    expect(await messages()).toBe(4 * 151)
  })
})

it('is off at 0', async () => {
  const app = await startApp({ env: { RATE_LIMIT: '0' } })
  const { caller, id, messages } = await withConversation(app, 'ada')
  for (let i = 0; i < 10; i++) await ways.POST(caller, { query: sends(200), variables: { id } })
  expect(await messages()).toBe(2_000)
  await app.close()
})

describe.skipIf(!canStartRedis())('with Redis', () => {
  let redis: TestRedis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())

  it('is limited by what all nodes have counted', async () => {
    const database = await createTestDatabase()
    const env = { RATE_LIMIT: '100', REDIS_URL: redis.url }
    const nodes = await Promise.all([1, 2].map(() => startApp({ databaseUrl: database.url, env })))
    const { caller, id, messages } = await withConversation(nodes[0]!, 'ada')
    const send = (node: TestApp, count: number) =>
      ways.POST({ ...caller, url: node.url }, { query: sends(count), variables: { id } })

    // Each has less than the limit. Together they have more, which they learn behind their replies.
    for (const node of nodes) expect((await send(node, 60)).result).not.toHaveProperty('errors')
    for (const node of nodes) {
      await vi.waitFor(async () => expect(codesOf(await send(node, 1))).toEqual(['RATE_LIMITED']), { timeout: 30_000 })
    }
    expect(await messages()).toBeLessThan(150)

    await Promise.all(nodes.map((node) => node.close()))
    await database.drop()
  })

  it('67 down: sends do not wait for it, and the count of the node holds', async () => {
    const proxy = await createTcpProxy(redis)
    const logged: string[] = []
    const log = pino({ level: 'debug' }, { write: (line) => void logged.push(line) })
    const app = await startApp({
      env: { RATE_LIMIT: '20', REDIS_URL: `redis://127.0.0.1:${proxy.port}` },
      overrides: { log },
    })
    const { caller, id, messages } = await withConversation(app, 'ada')
    const send = (count: number) => ways.POST(caller, { query: sends(count), variables: { id } })

    proxy.blackhole()
    logged.length = 0
    expect((await send(10)).result).not.toHaveProperty('errors')
    // Whoever waits for Redis waits until the driver gives it up, and says so.
    expect(logged.join('')).not.toContain('rate limits are not shared')
    await vi.waitFor(() => expect(logged.join('')).toContain('rate limits are not shared'), { timeout: 10_000 })
    expect((await send(10)).result).not.toHaveProperty('errors')
    expect(codesOf(await send(1))).toEqual(['RATE_LIMITED'])
    expect(await messages()).toBe(20)

    await proxy.close()
    await app.close()
  })
})
