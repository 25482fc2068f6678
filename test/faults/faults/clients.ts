import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import WebSocket from 'ws'
import { conversationCursor } from '../../../src/lib/cursors.ts'
import { mintToken } from '../../../src/lib/token.ts'
import { request, run, SECRET, tokenOf } from '../api.ts'
import { CREATE_GROUP, HEAD, INBOX_CURSOR, MESSAGE_ADDED, SET_TYPING, TYPING } from '../documents.ts'
import type { Fault } from '../fault.ts'
import { uuidOf } from '../ids.ts'
import { stayConnected } from '../resumable.ts'
import { holdsWithin, waitUntil } from '../wait.ts'
import { catchUp, type World } from '../world.ts'

const PATIENCE_MS = 60_000

const replyDropped: Fault = {
  name: 'reply-dropped',
  says: 'Replies get lost after the commit: each retry is given the message that was stored.',
  world: () => ({ dropReplies: 5 }),
  async inject({ load }, size) {
    await waitUntil('the load', PATIENCE_MS, () => load.acknowledged() >= size.acknowledged)
  },
}

const slowReader: Fault = {
  name: 'slow-reader',
  says: 'A subscriber reads 1 KB a second: its socket is closed at its bound, and the others go on.',
  onlyFull: true,
  async inject(world) {
    const { nodes, load, found, notes } = world
    const { url } = nodes[0]
    const members = ['slow', 'm0a', 'm0b']
    const input = { title: 'Much', participantExternalIds: members }
    const { createGroupConversation } = await run<{ createGroupConversation: { conversation: { id: string } } }>(
      url,
      'service',
      CREATE_GROUP,
      { input },
    )
    const { id } = createGroupConversation.conversation
    const group = { id, members: members.slice(1), guest: 'slow', joiner: 'slow' }
    const fast = world.subscribe('a fast reader beside the slow one', 'm0b', id, 0)
    await fast.begun
    const reader = await readSlowly(url, 'slow', id)
    let sent = 0
    // What the operating system's buffers take, what the node lets wait, and that again.
    while (!reader.isClosed() && sent < 4_000) {
      const body = '😀'.repeat(9_000)
      await Promise.all(Array.from({ length: 10 }, (_, index) => load.send(group, { body, node: index % 2 })))
      sent += 10
    }
    notes.push(`${reader.isClosed() ? 'closed' : 'still open'} after ${sent} messages of 36 KB`)
    if (!reader.isClosed()) found.push('a reader at 1 KB/s is never closed')
    reader.stop()
  },
}

/** Subscribes over a socket of which 1 KB is read in a second. */
async function readSlowly(url: string, user: string, conversationId: string) {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${await tokenOf(user)}` } }))
  await once(socket, 'message')
  socket.send(
    JSON.stringify({ id: '1', type: 'subscribe', payload: { query: MESSAGE_ADDED, variables: { conversationId } } }),
  )
  socket.on('error', () => {})
  // Its stream, as ws itself reads on and hands out whole messages alone.
  const { _socket: stream } = socket as unknown as { _socket: Socket }
  stream.removeAllListeners('data')
  stream.pause()
  const timer = setInterval(() => stream.read(1_024), 1_000)
  const [mine, its] = [stream.localPort!, stream.remotePort!]
  return {
    isClosed: () => !isEstablished(its, mine),
    stop() {
      clearInterval(timer)
      socket.terminate()
    },
  }
}

/** Whether the end of a connection that is at one port of this machine still is connected to the other. */
function isEstablished(port: number, otherPort: number): boolean {
  const hex = (each: number) => `0100007F:${each.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8').includes(`${hex(port)} ${hex(otherPort)} 01 `)
}

const reconnects: Fault = {
  name: 'reconnects',
  says: 'All connections break at once and come back at once: each resumes, and what they read is read together.',
  async inject(world, size) {
    const { nodes, groups, found, notes } = world
    const sockets = size.full ? 2_000 : 100
    const added = Array.from({ length: sockets }, (_, index) => {
      const group = groups[index % groups.length]!
      return world.subscribe(
        `reconnecting ${index}`,
        index % 4 < 2 ? group.members[index % 2]! : 'friend',
        group.id,
        index % 2,
      )
    })
    await Promise.all(added.map(({ begun }) => begun))
    for (const subscriber of added) subscriber.pause()
    await waitUntil('all are gone', PATIENCE_MS, () => added.every((each) => !each.isLive()))
    const acknowledged = world.load.acknowledged()
    await waitUntil('something is missed', PATIENCE_MS, () => {
      return world.load.acknowledged() >= acknowledged + size.acknowledged / 10
    })
    // What each send costs those who are there is not what coming back costs.
    await world.load.only('nothing')
    const statements = async () => {
      const figures = await Promise.all(nodes.map((node) => node.ask()))
      return figures.reduce((sum, each) => sum + each.statements, 0)
    }
    const before = await statements()
    for (const subscriber of added) subscriber.resume()
    await waitUntil('all are back', 2 * PATIENCE_MS, () => added.every((each) => each.isLive()))
    await catchUp(world, await world.tables.heads(), 2 * PATIENCE_MS)
    const each = ((await statements()) - before) / sockets
    await world.load.only('everything')
    notes.push(`${sockets} sockets came back with ${each.toFixed(2)} statements each`)
    if (each > 1) found.push(`${each.toFixed(2)} statements for each socket that came back`)
  },
}

const HOUR_MS = 3_600_000

const clockOff: Fault = {
  name: 'clock-off',
  says: "One node's clock is an hour ahead, the other's an hour behind: the order is the same, only tokens notice.",
  world: () => ({ nodes: [{ clockOffsetMs: HOUR_MS }, { clockOffsetMs: -HOUR_MS }] }),
  async inject({ nodes, groups, found, load }, size) {
    const { id, members } = groups[0]!
    // For another half an hour, so over for the node that is ahead.
    const now = Date.now() - 2 * HOUR_MS
    const token = await mintToken({ secret: SECRET, sub: members[0]!, expiresInSeconds: 2.5 * 3600, now })
    const codes = await Promise.all(
      nodes.map(async ({ url }) => {
        const answer = await request<object>(url, members[0]!, HEAD, { id }, PATIENCE_MS, token)
        return answer.outcome === 'ok' ? 'OK' : answer.code
      }),
    )
    if (codes.join() !== 'UNAUTHENTICATED,OK') found.push(`a token of half an hour is answered ${codes}`)
    await waitUntil('the load', PATIENCE_MS, () => load.acknowledged() >= size.acknowledged)
  },
}

const resumeGap: Fault = {
  name: 'resume-gap',
  says: 'Subscribers are away while more is sent than a page holds: they come back to all of it, without a hole.',
  async inject({ subscribers, followers, load, groups }, size) {
    const away = [...subscribers.slice(0, 4), ...followers.slice(0, 1), ...subscribers.slice(-1)]
    for (const each of away) each.pause()
    const group = groups[0]!
    // Pages hold 500 at most.
    let left = size.full ? 1_200 : 600
    await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        while (left-- > 0) await load.send(group, { sender: group.members[index % 2]!, node: index % 2 })
      }),
    )
    for (const each of away) each.resume()
  },
}

const resets: Fault = {
  name: 'resets',
  says: 'Cursors beyond the head or of another epoch: the client is told to start anew, instead of hearing nothing.',
  async inject({ nodes, groups, found }) {
    const { id, members } = groups[0]!
    const user = members[0]!
    const { conversations } = await run<{ conversations: { cursor: string } }>(nodes[0].url, user, INBOX_CURSOR, {})
    const epoch = conversations.cursor.split('.')[1]!
    const otherEpoch = epoch === '00000000' ? '00000001' : '00000000'
    const cursors = {
      'beyond the head': conversationCursor(epoch, uuidOf(id), 1_000_000, 1_000_000),
      'of another epoch': conversationCursor(otherEpoch, uuidOf(id), 1, 1),
    }
    for (const [what, after] of Object.entries(cursors)) {
      const answer = await firstAnswer(nodes[0].url, user, MESSAGE_ADDED, { conversationId: id, after })
      if (answer !== 'RESET_REQUIRED') found.push(`I10: a cursor ${what} is answered ${answer}`)
    }
    const inbox = conversations.cursor.replace(epoch, otherEpoch)
    const answer = await firstAnswer(nodes[0].url, user, MESSAGE_ADDED, { conversationId: null, after: inbox })
    if (answer !== 'RESET_REQUIRED') found.push(`I9: an inbox cursor of another epoch is answered ${answer}`)
  },
}

/** The code of the first error, or the name of what else comes first. */
async function firstAnswer(url: string, user: string, query: string, variables: object): Promise<string> {
  const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-transport-ws')
  try {
    await once(socket, 'open')
    socket.send(
      JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${await tokenOf(user)}` } }),
    )
    await once(socket, 'message')
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } }))
    const [data] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer]
    const { type, payload } = JSON.parse(String(data))
    const errors = Array.isArray(payload) ? payload : payload?.errors
    return errors?.[0]?.extensions?.code ?? type
  } catch (error) {
    return (error as Error).name
  } finally {
    socket.terminate()
  }
}

/** A typist is shown for 6 s; five times that. */
const TYPING_MS = 30_000
/** A node listens on for half a minute after the last one left. */
const LINGER_MS = 5 * 30_000
/** What a heap may have grown by, as caches have filled. */
const HEAP_BYTES = 40 * 1024 * 1024

const allGone: Fault = {
  name: 'all-gone',
  says: 'Somebody types and falls silent, then all clients leave: typing ends by itself, and nothing of them stays behind.',
  onlyFull: true,
  async inject(world, size) {
    await typingEnds(world)
    const { nodes, load, subscribers, followers, found, notes } = world
    await waitUntil('the load', PATIENCE_MS, () => load.acknowledged() >= size.acknowledged)
    const everybody = [...subscribers, ...followers]
    for (const each of everybody) each.pause()
    const before = await Promise.all(nodes.map((node) => node.ask()))
    const redis = world.redisAdmin()
    // Of conversations and users; each node's own probe stays.
    const channels = async () => ((await redis.pubsub('CHANNELS', 'parley:[cu]:*')) as string[]).length
    const isQuiet = await holdsWithin(LINGER_MS, async () => (await channels()) === 0)
    if (!isQuiet) found.push(`I22: ${await channels()} channels of Redis are still listened to`)
    // A second crowd must not take more than the first.
    for (const each of everybody) each.resume()
    await waitUntil('all are back', PATIENCE_MS, () => everybody.every((each) => each.end() !== null || each.isLive()))
    for (const each of everybody) each.pause()
    for (const [index, node] of nodes.entries()) {
      const sockets = async () => (await node.ask()).resources.TCPSocketWrap ?? 0
      // The pool's, those of Redis, and those of the load's own requests.
      const few = await holdsWithin(
        PATIENCE_MS,
        async () => (await sockets()) <= (before[index]!.resources.TCPSocketWrap ?? 0),
      )
      if (!few) found.push(`I22: ${node.name} has ${await sockets()} sockets`)
      const grown = (await node.ask()).heapBytes - before[index]!.heapBytes
      notes.push(`heap of ${node.name} ${grown < 0 ? 'shrank' : 'grew'} by ${Math.abs(Math.round(grown / 1024))} KB`)
      if (grown > HEAP_BYTES) found.push(`I22: the heap of ${node.name} grew by ${grown} bytes`)
    }
    for (const each of everybody) each.resume()
  },
}

/** I21: typing ends by itself, and is stored nowhere. */
async function typingEnds({ nodes, groups, tables, found }: World) {
  const [group] = groups
  const [typist, reader] = group!.members
  const seen: boolean[] = []
  const watcher = stayConnected({
    user: reader!,
    pick: () => nodes[1],
    prepare: async () => [
      {
        query: TYPING,
        variables: { conversationId: group!.id },
        next({ typing }: { typing: { isTyping: boolean; user: { externalId: string } } }) {
          if (typing.user.externalId === typist) seen.push(typing.isTyping)
          return null
        },
      },
    ],
  })
  await watcher.begun
  const input = { conversationId: group!.id, isTyping: true }
  // A start is passed on every 2 s at most, and whoever sends has stopped typing.
  const started = await holdsWithin(TYPING_MS, async () => {
    await request(nodes[0].url, typist!, SET_TYPING, { input })
    return seen.includes(true)
  })
  const ended = await holdsWithin(TYPING_MS, () => seen.at(-1) === false)
  if (!started || !ended) found.push(`I21: typing ${started ? 'never ended' : 'was never seen'}`)
  const columns = await tables.query(`SELECT FROM information_schema.columns WHERE column_name ILIKE '%typing%'`)
  if (columns.length > 0) found.push('I21: typing is stored')
  await watcher.stop()
}

export const clients: Fault[] = [replyDropped, slowReader, reconnects, clockOff, resumeGap, resets, allGone]
