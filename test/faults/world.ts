import { Redis } from 'ioredis'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { createTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { messageOf, run, SECRET } from './api.ts'
import { CREATE_GROUP, UPSERT_USERS } from './documents.ts'
import { type Follower, follow } from './follower.ts'
import { createHistory, type History } from './history.ts'
import { type Load, startLoad, type Target } from './load.ts'
import type { NodeOptions } from './node.ts'
import { type Node, startNode } from './nodes.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { createReplyDropper } from './reply-dropper.ts'
import { readAll, type Subscriber, subscribe } from './subscriber.ts'
import { readTables, type TablesReader } from './tables.ts'
import { holdsWithin } from './wait.ts'

/** The servers below the nodes, which all faults of a run share. */
export interface Servers {
  postgres: Postgres
  redis: TestRedis
  stop(): Promise<void>
}

export async function startServers(): Promise<Servers> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()])
  return {
    postgres,
    redis,
    async stop() {
      await Promise.all([postgres.stop(), redis.stop()])
    },
  }
}

/** A conversation of the load, and who is in it: externalIds. */
export interface Group {
  id: string
  /** They send, and stay. */
  members: string[]
  /** Is removed during the load. */
  guest: string
  /** Is added during the load, without what was before. */
  joiner: string
}

export interface WorldOptions {
  groups?: number
  /** Messages that each of the two senders of a group sends in a second, at most. */
  perSecond?: number
  /** What goes wrong in each node. */
  nodes?: [NodeOptions, NodeOptions]
  env?: Record<string, string>
  /** Of the replies to the load, each so-manieth gets lost. */
  dropReplies?: number
  /** After so many acknowledged operations each, the guest of another group leaves. */
  leaveEach?: number
}

/** Two nodes under load, with everything between them, and what is known of what happened. */
export interface World {
  history: History
  postgres: Postgres
  redis: TestRedis
  /** Between the nodes and Redis. */
  redisProxy: TcpProxy
  /** Straight to Redis. */
  redisAdmin: () => Redis
  nodes: [Node, Node]
  databaseUrl: string
  tables: TablesReader
  groups: Group[]
  subscribers: Subscriber[]
  /** Who keep a copy of a conversation. */
  followers: Follower[]
  load: Load
  stranger: string
  /** What more was found to be wrong. */
  found: string[]
  /** What is worth printing. */
  notes: string[]
  /** Subscribes a user; all those who are subscribed are waited for once it is quiet. */
  subscribe(name: string, user: string, scope: string | null, node: number): Subscriber
  close(): Promise<void>
}

let databases = 0

export async function createWorld(servers: Servers, options: WorldOptions = {}): Promise<World> {
  const { postgres, redis } = servers
  const { groups: groupCount = 6, perSecond = 20, leaveEach = 100, nodes: nodeOptions = [{}, {}], env = {} } = options
  const database = `faults_${++databases}`
  const databaseUrl = await postgres.createDatabase(database)
  const redisProxy = await createTcpProxy(redis)
  const settings = {
    NODE_ENV: 'test',
    LOG_LEVEL: 'warn',
    DATABASE_URL: databaseUrl,
    REDIS_URL: `redis://127.0.0.1:${redisProxy.port}`,
    JWT_SECRET: SECRET,
    RATE_LIMIT: '0',
    MAX_UNAUTHENTICATED_SOCKETS: '100000',
    ...env,
  }
  const nodes = await Promise.all([
    startNode('node A', settings, nodeOptions[0]),
    startNode('node B', settings, nodeOptions[1]),
  ])
  const proxies = options.dropReplies
    ? await Promise.all(nodes.map((node) => createReplyDropper(node, options.dropReplies!)))
    : []
  const targets: Target[] = proxies.length > 0 ? proxies : nodes

  const history = createHistory()
  const { groups, userIds, stranger } = await fill(nodes[0].url, groupCount)
  const subscribers: Subscriber[] = []

  /** The preferred node, or the other one while that is down. */
  function picker(preferred: number) {
    return () => (nodes[preferred]!.isUp() ? nodes[preferred]! : (nodes.find((node) => node.isUp()) ?? null))
  }

  function subscribeUser(name: string, user: string, scope: string | null, preferred: number) {
    const subscriber = subscribe({ history, name, user, scope, pick: picker(preferred) })
    subscribers.push(subscriber)
    return subscriber
  }

  for (const [index, group] of groups.entries()) {
    for (const [node, member] of group.members.entries()) {
      subscribeUser(`${member} at conversation ${index} on ${nodes[node]!.name}`, member, group.id, node)
    }
    subscribeUser(`guest of conversation ${index}`, group.guest, group.id, index % 2)
    subscribeUser(`joiner of conversation ${index}`, group.joiner, null, index % 2)
  }
  for (const node of [0, 1]) {
    subscribeUser(`inbox of everybody's friend on ${nodes[node]!.name}`, 'friend', null, node)
  }
  const followers = groups.map((group, index) =>
    follow({ user: group.members[0]!, id: group.id, pick: picker(index % 2) }),
  )
  await Promise.all([...subscribers, ...followers].map(({ begun }) => begun))

  const load = startLoad({ history, groups, stranger, targets, userIds, perSecond, leaveEach })
  const admins: Redis[] = []
  return {
    history,
    postgres,
    redis,
    redisProxy,
    redisAdmin() {
      const admin = new Redis(redis.url)
      admin.on('error', () => {})
      admins.push(admin)
      return admin
    },
    nodes: nodes as [Node, Node],
    databaseUrl,
    tables: readTables(databaseUrl),
    groups,
    subscribers,
    followers,
    load,
    stranger,
    found: [],
    notes: [],
    subscribe: subscribeUser,
    async close() {
      await Promise.all([...subscribers, ...followers].map((each) => each.stop()))
      await Promise.all(nodes.map((node) => node.kill()))
      for (const admin of admins) admin.disconnect()
      await Promise.all([redisProxy, ...proxies].map((proxy) => proxy.close()))
      // A fault that went wrong may have left it down.
      await postgres.start()
      await postgres.dropDatabase(database)
    },
  }
}

/** Opens the groups, and makes the users. */
async function fill(url: string, groupCount: number) {
  const numbers = Array.from({ length: groupCount }, (_, number) => number)
  const cast = numbers.map((number) => ({
    members: [`m${number}a`, `m${number}b`],
    guest: `guest${number}`,
    joiner: `joiner${number}`,
  }))
  const stranger = 'stranger'
  const names = [
    'friend',
    'slow',
    stranger,
    ...cast.flatMap(({ members, guest, joiner }) => [...members, guest, joiner]),
  ]
  const users = names.map((name) => ({ externalId: name, username: name }))
  const { upsertUsers } = await run<{ upsertUsers: { users: { id: string; externalId: string }[] } }>(
    url,
    'service',
    UPSERT_USERS,
    { input: { users } },
  )
  const groups: Group[] = []
  for (const { members, guest, joiner } of cast) {
    const input = { title: 'Group', participantExternalIds: [...members, guest, 'friend'] }
    const { createGroupConversation } = await run<{ createGroupConversation: { conversation: { id: string } } }>(
      url,
      'service',
      CREATE_GROUP,
      { input },
    )
    groups.push({ id: createGroupConversation.conversation.id, members, guest, joiner })
  }
  return { groups, stranger, userIds: new Map(upsertUsers.users.map(({ id, externalId }) => [externalId, id])) }
}

/**
 * Waits until every subscriber has what it may read up to these seqs, and those who lost access were told so. What is
 * still missing when patience is at its end goes to `world.found`.
 */
export async function catchUp(world: World, heads: Map<string, number>, patienceMs: number): Promise<void> {
  const { places } = await world.tables.read()
  const placeOf = new Map(places.map((place) => [`${place.conversation} ${place.user}`, place]))
  const isBehind = ({ received }: Subscriber) => {
    const { user, scope } = received
    if (received.end() !== null) return false
    if (scope !== null && placeOf.get(`${scope} ${user}`)?.left) return true
    const scopes = scope === null ? [...heads.keys()] : [scope]
    return scopes.some((id) => {
      const place = placeOf.get(`${id} ${user}`)
      const head = heads.get(id) ?? 0
      return place?.left === false && head >= place.visibleFromSeq && lastSeq(received, id) < head
    })
  }
  if (await holdsWithin(patienceMs, () => !world.subscribers.some(isBehind))) return
  const late = world.subscribers.filter(isBehind).map(({ received }) => received.name)
  world.found.push(`not within ${patienceMs} ms caught up: ${late.join(', ')}`)
}

/** Sends a message to each conversation by way of each node, and waits until all have it. How long that took. */
export async function recover(world: World, patienceMs: number): Promise<number> {
  const from = performance.now()
  const probes = world.groups.flatMap((group) => [0, 1].map((node) => world.load.send(group, { node })))
  const heads = new Map<string, number>()
  for (const { conversation, calls } of await Promise.all(probes)) {
    const seq = calls.findLast(({ stored }) => stored)?.stored?.seq ?? 0
    heads.set(conversation, Math.max(seq, heads.get(conversation) ?? 0))
  }
  await catchUp(world, heads, patienceMs)
  return performance.now() - from
}

/** Goes quiet: waits until every send is decided and every subscriber has what it may read, as far as that comes. */
export async function goQuiet(world: World, patienceMs: number): Promise<void> {
  await world.load.stop()
  await catchUp(world, await world.tables.heads(), patienceMs)
}

function lastSeq({ arrivals, from }: Subscriber['received'], conversation: string): number {
  const last = arrivals.findLast(({ message }) => message.conversation === conversation)
  return last?.message.seq ?? from[conversation] ?? 0
}

/** Where a follower's copy still differs from a fresh read, once it had time to catch up, or was told what it should not. */
export async function checkCopies({ followers, nodes }: World, patienceMs: number): Promise<string[]> {
  const found: string[] = []
  for (const follower of followers) {
    let differences: string[] = []
    await holdsWithin(patienceMs, async () => {
      differences = await follower.differences(nodes[0].url)
      return differences.length === 0
    })
    const end = follower.end()
    found.push(...differences, ...follower.problems, ...(end ? [`I9: ${follower.name} was ${end}`] : []))
  }
  return found
}

/** Reads by query what some of the users see, from both nodes. */
export async function readBack(world: World): Promise<void> {
  for (const [index, group] of world.groups.entries()) {
    const { url } = world.nodes[index % 2]!
    for (const user of [group.members[0]!, group.joiner, group.guest, world.stranger]) {
      const messages = (await readAll(url, user, group.id)).map(messageOf)
      world.history.reads.push({ user, conversation: group.id, messages })
    }
  }
}
