import type { ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { AppContext } from '../context.ts'

/** A database that takes longer to answer is as good as down. */
const DATABASE_WAIT_MS = 2_000

/**
 * /healthz: the process runs. /readyz: it can serve, which takes a database and not being about to stop; a bus that is
 * away delays events and stops nothing, so it is told and doesn't count.
 */
export async function answerHealth(
  path: '/healthz' | '/readyz',
  { db, bus }: AppContext,
  draining: boolean,
  response: ServerResponse,
): Promise<void> {
  const answer = (ready: boolean, body: object) =>
    response
      .writeHead(ready ? 200 : 503, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(`${JSON.stringify(body)}\n`)
  if (path === '/healthz') {
    answer(true, { status: 'ok' })
    return
  }
  const answered = db.query('SELECT 1').then(
    () => 'up',
    () => 'down',
  )
  const database = await Promise.race([answered, setTimeout(DATABASE_WAIT_MS, 'down', { ref: false })])
  answer(database === 'up' && !draining, {
    status: draining ? 'draining' : database === 'up' ? 'ok' : 'unavailable',
    database,
    bus: bus.isUp() ? 'up' : 'down',
  })
}
