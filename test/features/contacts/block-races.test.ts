import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SendMessageDocument, StartDirectConversationDocument } from '../../generated/graphql.ts'
import type { TestApp } from '../../support/app.ts'
import { expectSound, insertUsers, startTwoWith, userIds } from '../conversations/support.ts'
import { refusalIn, type Scene, startDirect, uuidOf } from '../support.ts'
import { block, unblock } from './support.ts'

let scene: Scene
let second: TestApp
/** Connections of the test's own: it looks at several pairs at once. */
let pool: pg.Pool

beforeAll(async () => {
  ;({ scene, second } = await startTwoWith('nobody'))
  pool = new pg.Pool({ connectionString: scene.databaseUrl })
})
afterAll(async () => {
  await expectSound(scene)
  await pool.end()
  await scene.close()
})

const TIMES = 1_000
const LANES = 10
const PAIRS = 100
const TIMEOUT_MS = 240_000

/** So many races, in lanes that are two users each. */
async function race(run: (lane: { lane: number; round: number }) => Promise<void>) {
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    for (let round = 0; round < TIMES / LANES; round++) {
      await run({ lane, round })
    }
  })
  await Promise.all(lanes)
}

/** Both at the same time; now the one, now the other is first to ask. */
async function atOnce<One, Other>(
  number: number,
  one: () => Promise<One>,
  other: () => Promise<Other>,
): Promise<[One, Other]> {
  if (number % 2 === 0) return Promise.all([one(), other()])
  const [second, first] = await Promise.all([other(), one()])
  return [first, second]
}

test(`no message is admitted after a block, ${TIMES} times`, { timeout: TIMEOUT_MS }, async () => {
  const names = Array.from({ length: LANES }, (_, lane) => [`one ${lane}`, `other ${lane}`] as const)
  await insertUsers(scene, names.flat())
  const ids = await userIds(scene, ...names.flat())
  const outcomes = { sent: 0, refused: 0 }
  await race(async ({ lane, round }) => {
    const [one, other] = names[lane]!
    const [oneId, otherId] = [ids[lane * 2]!, ids[lane * 2 + 1]!]
    const conversationId = await startDirect(scene.as(one), other)
    // The blocked one sends, or the blocker itself; now the one, now the other is first to ask.
    const sender = round % 2 ? one : other
    const sends = () =>
      Promise.all(
        [scene, second].map((node) =>
          node.as(sender).execute(SendMessageDocument, { input: { conversationId, body: 'hello' } }),
        ),
      )
    const headAfterBlock = async () => {
      await block(second.as(one), otherId)
      const { rows } = await pool.query('SELECT last_seq AS seq FROM conversations WHERE id = $1', [
        uuidOf(conversationId),
      ])
      return Number(rows[0].seq)
    }
    const [answers, head] = await atOnce(round >> 1, sends, headAfterBlock)
    for (const answer of answers) {
      if (answer.errors) {
        expect(refusalIn(answer)).toEqual({ code: 'FORBIDDEN', field: 'conversationId' })
        outcomes.refused++
      } else {
        expect(answer.data!.sendMessage!.message.seq).toBeLessThanOrEqual(head)
        outcomes.sent++
      }
    }
    // Both times are taken under the lock.
    const late = await pool.query(
      `SELECT m.seq FROM messages m JOIN blocks b ON b.blocker_id = $2 AND b.blocked_id = $3
        WHERE m.conversation_id = $1 AND m.created_at > b.created_at`,
      [conversationId, oneId, otherId].map(uuidOf),
    )
    expect(late.rows).toEqual([])
    await unblock(scene.as(one), otherId)
  })
  expect(outcomes.sent + outcomes.refused).toBe(2 * TIMES)
  expect(Math.min(outcomes.sent, outcomes.refused)).toBeGreaterThan(0)
})

test(`no direct conversation is opened after a block, ${PAIRS} times`, { timeout: TIMEOUT_MS }, async () => {
  const names = Array.from({ length: PAIRS }, (_, number) => [`a ${number}`, `b ${number}`] as const)
  await insertUsers(scene, names.flat())
  const ids = await userIds(scene, ...names.flat())
  for (const [number, [one, other]] of names.entries()) {
    const [oneId, otherId] = [ids[number * 2]!, ids[number * 2 + 1]!]
    const opens = () => second.as(other).execute(StartDirectConversationDocument, { input: { externalId: one } })
    const blockThenLook = async () => {
      await block(scene.as(one), otherId)
      const key = [oneId, otherId].map(uuidOf).sort().join('-')
      const { rowCount } = await pool.query('SELECT FROM conversations WHERE direct_key = $1', [key])
      return rowCount
    }
    const [answer, found] = await atOnce(number, opens, blockThenLook)
    if (answer.errors) expect(refusalIn(answer)).toEqual({ code: 'FORBIDDEN', field: 'externalId' })
    expect(found).toBe(answer.errors ? 0 : 1)
  }
})
