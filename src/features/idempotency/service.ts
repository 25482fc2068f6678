import { hash } from 'node:crypto'
import type { RequestContext } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { ConflictError } from '../../lib/errors.ts'
import { canonicalJson } from '../../lib/json.ts'
import { requireText } from '../../lib/text.ts'

const MAX_KEY = 255

/** An idempotency key as it came, or null. @throws BadUserInputError. */
export function requireIdempotencyKey(key: string | null | undefined): string | null {
  return key == null ? null : requireText(key, 'idempotencyKey', MAX_KEY)
}

/** A digest by which a retry is told from another request under the same key. */
export function fingerprint(request: unknown): Buffer {
  return hash('sha256', canonicalJson(request), 'buffer')
}

/**
 * Runs a creating operation once for each (actor, operation, key), within its transaction; the same request again gets
 * the result of the first, which must be JSON. Two at once wait for each other. Without a key it just runs.
 * @throws ConflictError for a key that was used with another request.
 */
export async function idempotent<Result extends object>(
  ctx: RequestContext,
  query: Query,
  { operation, key, request }: { operation: string; key: string | null | undefined; request: unknown },
  run: () => Promise<Result>,
): Promise<Result> {
  const checked = requireIdempotencyKey(key)
  if (checked === null) return run()
  const id = [actorOf(ctx), operation, checked]
  const print = fingerprint(request)
  const [mine] = await query<{ key: string }>(
    `INSERT INTO idempotency_keys (actor, operation, key, fingerprint) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING RETURNING key`,
    [...id, print],
  )
  const where = 'actor = $1 AND operation = $2 AND key = $3'
  if (mine) {
    const result = await run()
    await query(`UPDATE idempotency_keys SET result = $4 WHERE ${where}`, [...id, result])
    return result
  }
  const [used] = await query<{ fingerprint: Buffer; result: Result }>(
    `SELECT fingerprint, result FROM idempotency_keys WHERE ${where}`,
    id,
  )
  if (!used!.fingerprint.equals(print)) {
    throw new ConflictError('This idempotencyKey was used with another request.', 'idempotencyKey')
  }
  return used!.result
}

function actorOf({ viewer }: RequestContext): string {
  return viewer.kind === 'user' ? viewer.user.id : `service:${viewer.subject}`
}
