import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { request } from '../api.ts'
import { HEAD } from '../documents.ts'
import type { Fault } from '../fault.ts'
import { uuidOf } from '../ids.ts'
import { waitUntil } from '../wait.ts'
import type { World } from '../world.ts'

const PATIENCE_MS = 60_000
/** While the database is away, a request is told so within 5 s; five times as long. */
const REFUSAL_MS = 5 * 5_000

/** Asks both nodes at once, so often, and reports what was not answered, or otherwise than allowed. */
async function askAll(world: World, times: number, allowed: string[]) {
  const { nodes, groups, found } = world
  const { id, members } = groups[0]!
  const asked = nodes.flatMap(({ url }) =>
    Array.from({ length: times }, () => request<object>(url, members[0]!, HEAD, { id }, REFUSAL_MS)),
  )
  const codes = (await Promise.all(asked)).map((answer) => (answer.outcome === 'ok' ? 'OK' : answer.code))
  const wrong = codes.filter((code) => !allowed.includes(code))
  if (wrong.length > 0) found.push(`${wrong.length} of ${codes.length} requests ended with ${[...new Set(wrong)]}`)
  return codes
}

const killed: Fault = {
  name: 'postgres-killed',
  says: 'PostgreSQL is killed (kill -9): requests are told UNAVAILABLE in time, and once it has recovered all goes on.',
  async inject(world) {
    world.postgres.kill9()
    await askAll(world, 10, ['UNAVAILABLE'])
    await world.postgres.start()
  },
}

const rowLocked: Fault = {
  name: 'row-locked',
  says: "One conversation's row is locked: sends to it time out cleanly, those to others in the same instant go through.",
  async inject(world, size) {
    const { groups, load, found, notes } = world
    const [locked, ...others] = groups
    const client = await holdRow(world, uuidOf(locked!.id))
    const unlockAt = performance.now() + (size.full ? 60_000 : 8_000)
    let open = true
    try {
      // More than all the connections that both nodes have.
      const stuck = Array.from({ length: 30 }, (_, index) => load.send(locked!, { node: index % 2 }))
      const passing = others.flatMap((group) => [0, 1].map((node) => load.send(group, { node })))
      const refused = (await Promise.all(passing)).filter(({ calls }) => calls[0]!.outcome !== 'ok')
      if (refused.length > 0) {
        const codes = [...new Set(refused.map(({ calls }) => calls[0]!.code))]
        found.push(`${refused.length} of ${passing.length} sends to other conversations were refused: ${codes}`)
      }
      await waitUntil('the time of the lock', 2 * 60_000, () => performance.now() >= unlockAt)
      await client.query('ROLLBACK')
      open = false
      const codes = (await Promise.all(stuck)).flatMap(({ calls }) => calls).flatMap(({ code }) => code ?? [])
      notes.push(`${codes.length} sends to the locked conversation timed out`)
      const wrong = codes.filter((code) => code !== 'UNAVAILABLE')
      if (codes.length === 0) found.push('no send to the locked conversation timed out')
      if (wrong.length > 0) found.push(`sends to the locked conversation ended with ${[...new Set(wrong)]}`)
    } finally {
      if (open) await client.query('ROLLBACK').catch(() => {})
      await client.end()
    }
  },
}

/** A transaction that holds a conversation's row. */
async function holdRow({ databaseUrl }: World, id: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'fault tests' })
  await client.connect()
  await client.query('BEGIN')
  await client.query('SELECT FROM conversations WHERE id = $1 FOR UPDATE', [id])
  return client
}

const poolExhausted: Fault = {
  name: 'pool-exhausted',
  says: 'All connections to PostgreSQL are stuck, then terminated: requests fail clearly and in time, the pool refills.',
  async inject(world) {
    const client = new pg.Client({ connectionString: world.databaseUrl, application_name: 'fault tests' })
    await client.connect()
    try {
      await client.query('BEGIN')
      await client.query('LOCK TABLE conversations, users IN ACCESS EXCLUSIVE MODE')
      await askAll(world, 50, ['UNAVAILABLE'])
      await client.query('ROLLBACK')
      await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'parley'`,
      )
      await askAll(world, 10, ['OK', 'UNAVAILABLE'])
    } finally {
      await client.end()
    }
  },
}

const diskFull: Fault = {
  name: 'disk-full',
  says: "PostgreSQL's disk is full: sends fail cleanly, none is acknowledged falsely, and with room again all goes on.",
  diskBytes: 400 * 1024 * 1024,
  onlyFull: true,
  async inject(world) {
    const { history, postgres, notes } = world
    const filler = path.join(postgres.folder, 'filler')
    const refusals = () =>
      history.sends
        .flatMap(({ calls }) => calls)
        .filter(({ outcome, endedAt }) => outcome === 'unknown' && endedAt !== null)
    const before = refusals().length
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'])
    try {
      await waitUntil('sends fail', PATIENCE_MS, () => refusals().length > before + 5)
    } finally {
      rmSync(filler)
    }
    notes.push(
      `refused with ${[
        ...new Set(
          refusals()
            .slice(before)
            .map(({ code }) => code),
        ),
      ].join(', ')}`,
    )
    await postgres.start()
  },
}

export const postgresFaults: Fault[] = [killed, rowLocked, poolExhausted, diskFull]
