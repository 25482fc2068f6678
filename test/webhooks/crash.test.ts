import type { ServerResponse } from 'node:http'
import pg from 'pg'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type Arrival, findProblems, type Row } from './checker.ts'
import { type Make, type Node, startNode } from './nodes.ts'
import { type Received, type Receiver, startReceiver } from './receiver.ts'

// Two nodes deliver what a steady load leaves in the outbox, to a receiver that fails in all ways, while they are killed
// and started anew. Time passes by SQL: what waits is made due, and the claims of the dead are ended.

const CONVERSATIONS = 12
const MESSAGES = 20
const ENDPOINTS = 2
const SENT = CONVERSATIONS * MESSAGES * ENDPOINTS
/** What the receiver never takes. */
const POISON = 'poison'

let database: TestDatabase
let client: pg.Client
let receiver: Receiver
let nodes: Node[]
let arrivals: Arrival[]
/** How many of the next requests are answered 410. */
let gone = 0
/** Is given the next request's id, which is taken, but not answered. */
let hold: ((id: string) => void) | null

beforeEach(async () => {
  database = await createTestDatabase()
  client = new pg.Client(database.url)
  client.on('error', () => {})
  await client.connect()
  receiver = await startReceiver()
  receiver.answer = answer
  nodes = []
  arrivals = []
  gone = 0
  hold = null
  await prepare()
}, 120_000)
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.kill()))
  await receiver.stop()
  await client.end()
  await database.drop()
})

/** Conversations of nobody, which the host writes to, and endpoints that want all messages. */
async function prepare() {
  await client.query(
    `INSERT INTO conversations (id, kind, version, details_version)
          SELECT md5('c' || n)::uuid, 'GENERAL', 1, 1 FROM generate_series(1, $1::int) AS n`,
    [CONVERSATIONS],
  )
  for (let number = 1; number <= ENDPOINTS; number++) {
    await client.query(
      `INSERT INTO webhook_endpoints (id, url, event_types, secret)
            VALUES (gen_random_uuid(), $1, '{message.added}', 'whsec_c2VjcmV0')`,
      [`${receiver.url}/${number}`],
    )
  }
}

/** The message number `round` in each conversation, each in a transaction of its own as sends are. */
async function sendRound(round: number) {
  for (let n = 1; n <= CONVERSATIONS; n++) {
    await client.query(
      `SELECT send_message(md5('c' || $1::int)::uuid, NULL, 'TEXT', $2, '{}', NULL, NULL, NULL, NULL, false, false, false)`,
      [n, round === 5 && n === 1 ? POISON : 'text'],
    )
  }
}

/** Fails by turns, in all ways: the n-th request of the run decides. */
function answer(request: Received, response: ServerResponse) {
  const { conversationId, message } = request.body.data as {
    conversationId: string
    message: { seq: number; body: string }
  }
  const place = { id: request.id, endpoint: request.path, stream: conversationId, seq: message.seq }
  if (hold && message.body !== POISON) {
    arrivals.push({ ...place, taken: true })
    hold(request.id)
    hold = null
    return
  }
  const how = message.body === POISON ? 'fail' : gone > 0 ? 'gone' : howTo(arrivals.length)
  arrivals.push({ ...place, taken: how === 'take' })
  if (how === 'take') response.writeHead(200).end()
  else if (how === 'gone') {
    gone--
    response.writeHead(410).end()
  } else if (how === 'fail') response.writeHead(500).end()
  else if (how === 'redirect') response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end()
  else if (how === 'break') response.destroy()
}

function howTo(number: number): 'take' | 'fail' | 'redirect' | 'break' | 'hang' {
  if (number % 41 === 7) return 'hang'
  if (number % 23 === 5) return 'break'
  if (number % 19 === 3) return 'redirect'
  return number % 7 === 2 ? 'fail' : 'take'
}

/** Lets time pass: whatever waits for its next try is due. */
const passTime = () => client.query('UPDATE webhook_streams SET due_at = now() WHERE due_at > now()')
/** The minute after which a node that was killed has lost its claims. Those of others are lost too, which may be as well. */
/** Locked in the order in which nodes lock them. */
const endClaims = () =>
  client.query(`WITH held AS MATERIALIZED (SELECT s.ctid FROM webhook_streams s WHERE s.claimed_until IS NOT NULL
                  ORDER BY s.endpoint_id, s.stream_id FOR UPDATE)
                UPDATE webhook_streams s SET claimed_until = NULL FROM held WHERE s.ctid = held.ctid`)

const rowsQuery = `
  SELECT d.id, e.url, d.stream_id AS stream, (d.reference->>'seq')::int AS seq, d.status,
         (SELECT count(*)::int FROM webhook_tries t WHERE t.position = d.position) AS tries
    FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id`

async function rows(): Promise<Row[]> {
  const { rows } = await client.query(rowsQuery)
  const encode = (type: string, id: string) => Buffer.from(`${type}:${id}`).toString('base64url')
  return rows.map(({ url, ...row }) => ({
    ...row,
    id: encode('WebhookDelivery', row.id),
    stream: encode('Conversation', row.stream),
    endpoint: new URL(url).pathname,
  }))
}

/** Passes time until nothing waits any more. */
async function settle() {
  await vi.waitFor(
    async () => {
      await client.query('UPDATE webhook_endpoints SET disabled_at = NULL')
      await passTime()
      const [left] = (await client.query(`SELECT count(*)::int FROM webhook_deliveries WHERE status = 'PENDING'`)).rows
      if (left.count > 0) throw new Error(`${left.count} wait`)
    },
    { timeout: 180_000, interval: 100 },
  )
}

async function startNodes(make: Make) {
  nodes = await Promise.all([startNode(database.url, make), startNode(database.url, make)])
}

test('all is delivered or dead, in order, under stable ids, while nodes are killed', { timeout: 300_000 }, async () => {
  await startNodes('sound')
  let round = 0
  const sendRounds = async (count: number) => {
    for (let number = 0; number < count; number++) await sendRound(++round)
  }
  // Each time with a request under way that the receiver has taken: one is killed, then the other, then both.
  const held: string[] = []
  for (const victims of [[0], [1], [0, 1]]) {
    const taken = new Promise<string>((resolve) => {
      hold = resolve
    })
    await sendRounds(5)
    held.push(await taken)
    await Promise.all(victims.map((victim) => nodes[victim]!.kill()))
    const started = await Promise.all(victims.map(() => startNode(database.url)))
    for (const [index, victim] of victims.entries()) nodes[victim] = started[index]!
    await endClaims()
  }
  await receiver.stop()
  await sendRounds(5)
  gone = 1
  await receiver.start()
  await settle()
  expect(gone).toBe(0)
  const all = await rows()
  expect(findProblems(SENT, all, arrivals)).toEqual([])
  // The poison is dead at each endpoint, and nothing else.
  const dead = all.filter(({ status }) => status === 'DEAD')
  expect(dead.map(({ endpoint }) => endpoint).sort()).toEqual(['/1', '/2'])
  // What was taken, but never answered, came again.
  for (const id of held) expect(arrivals.filter((each) => each.id === id).length).toBeGreaterThan(1)
})

test.each<[Make, RegExp]>([
  ['notesTooEarly', /^lost: /],
  ['takesNewest', /^out of order: /],
])('a worker that %s is found out', { timeout: 300_000 }, async (make, problem) => {
  for (let round = 1; round <= MESSAGES; round++) await sendRound(round)
  await startNodes(make)
  await settle()
  expect(findProblems(SENT, await rows(), arrivals)).toContainEqual(expect.stringMatching(problem))
})
