import { type RequestContext, requireService } from '../../context.ts'
import type { Query } from '../../db/client.ts'
import { BadUserInputError, ConflictError, NotFoundError } from '../../lib/errors.ts'
import { newId, requireUuid } from '../../lib/ids.ts'
import { isEventType } from './event-types.ts'
import { newSecret } from './signature.ts'
import { requireWebhookUrl } from './url.ts'

// Where the host is told of what happens. For the host's back end alone.

/** Each has a queue and connections of its own, on every node. */
const MAX_ENDPOINTS = 16
/** For so long after a new secret the old one signs too. */
const OVERLAP_MS = 24 * 60 * 60 * 1_000

/** An endpoint, without its secrets. */
export interface EndpointRow {
  id: string
  url: string
  eventTypes: string[]
  disabledAt: Date | null
  previousSecretUntil: Date | null
  createdAt: Date
}

const ENDPOINT_COLUMNS = `e.id, e.url, e.event_types AS "eventTypes", e.disabled_at AS "disabledAt",
  e.previous_secret_until AS "previousSecretUntil", e.created_at AS "createdAt"`

/** Registers an endpoint; its secret is given back here and never again. */
export async function createWebhookEndpoint(
  ctx: RequestContext,
  input: { url: string; eventTypes: readonly string[] },
): Promise<{ endpoint: EndpointRow; secret: string }> {
  requireService(ctx)
  const url = requireWebhookUrl(input.url, ctx.config.webhookAllowPrivate)
  const eventTypes = requireEventTypes(input.eventTypes)
  const secret = newSecret()
  const endpoint = await ctx.db.transaction(async (query) => {
    await requireRoom(query)
    const [row] = await query<EndpointRow>(
      `INSERT INTO webhook_endpoints AS e (id, url, event_types, secret) VALUES ($1, $2, $3, $4)
       RETURNING ${ENDPOINT_COLUMNS}`,
      [newId(ctx.clock), url, eventTypes, secret],
    )
    return row!
  })
  return { endpoint, secret }
}

/** Holds the right to make one more until the transaction ends. @throws ConflictError where there are too many. */
async function requireRoom(query: Query): Promise<void> {
  await query(`SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints', 0))`)
  const [row] = await query<{ count: number }>(
    'SELECT count(*)::int AS count FROM webhook_endpoints WHERE deleted_at IS NULL',
  )
  if (row!.count >= MAX_ENDPOINTS) throw new ConflictError(`There may be at most ${MAX_ENDPOINTS} endpoints.`)
}

export interface UpdateEndpointInput {
  endpointId: string
  url?: string | null | undefined
  eventTypes?: readonly string[] | null | undefined
  isEnabled?: boolean | null | undefined
}

/** Changes what is given. While an endpoint is off nothing is noted for it, and what waits stays. */
export async function updateWebhookEndpoint(ctx: RequestContext, input: UpdateEndpointInput): Promise<EndpointRow> {
  requireService(ctx)
  const url = input.url == null ? null : requireWebhookUrl(input.url, ctx.config.webhookAllowPrivate)
  const eventTypes = input.eventTypes == null ? null : requireEventTypes(input.eventTypes)
  return change(
    ctx,
    input.endpointId,
    `url = coalesce($2, e.url), event_types = coalesce($3, e.event_types),
     disabled_at = CASE WHEN $4::boolean THEN NULL WHEN NOT $4 THEN coalesce(e.disabled_at, $5::timestamptz)
                        ELSE e.disabled_at END`,
    [url, eventTypes, input.isEnabled ?? null, new Date(ctx.clock.now())],
  )
}

/** Gives an endpoint a new secret, which is given back here and never again; the one before signs too for a day. */
export async function rotateWebhookSecret(
  ctx: RequestContext,
  endpointId: string,
): Promise<{ endpoint: EndpointRow; secret: string }> {
  requireService(ctx)
  const secret = newSecret()
  const endpoint = await change(
    ctx,
    endpointId,
    'previous_secret = e.secret, previous_secret_until = $3, secret = $2',
    [secret, new Date(ctx.clock.now() + OVERLAP_MS)],
  )
  return { endpoint, secret }
}

/** Removes an endpoint; what waited for it is not sent any more. Its deliveries are cleared away by purgeWebhooks. */
export async function deleteWebhookEndpoint(ctx: RequestContext, endpointId: string): Promise<void> {
  requireService(ctx)
  await change(
    ctx,
    endpointId,
    `deleted_at = $2::timestamptz, disabled_at = coalesce(e.disabled_at, $2), secret = '', previous_secret = NULL`,
    [new Date(ctx.clock.now())],
  )
}

async function change(ctx: RequestContext, endpointId: string, set: string, values: unknown[]): Promise<EndpointRow> {
  const [endpoint] = await ctx.db.query<EndpointRow>(
    `UPDATE webhook_endpoints e SET ${set} WHERE e.id = $1 AND e.deleted_at IS NULL RETURNING ${ENDPOINT_COLUMNS}`,
    [requireUuid('WebhookEndpoint', endpointId, 'endpointId'), ...values],
  )
  if (!endpoint) throw new NotFoundError('There is no such endpoint.', 'endpointId')
  return endpoint
}

/** All endpoints, the oldest first. */
export async function webhookEndpoints(ctx: RequestContext): Promise<EndpointRow[]> {
  requireService(ctx)
  return ctx.db.query<EndpointRow>(
    `SELECT ${ENDPOINT_COLUMNS} FROM webhook_endpoints e WHERE e.deleted_at IS NULL ORDER BY e.id`,
  )
}

/** Endpoints by id, in the order of the ids; null for what is absent, and to whoever is no service. */
export async function loadEndpoints(ctx: RequestContext, ids: readonly string[]): Promise<(EndpointRow | null)[]> {
  if (ctx.viewer.kind !== 'service') return ids.map(() => null)
  const byId = new Map((await webhookEndpoints(ctx)).map((endpoint) => [endpoint.id, endpoint]))
  return ids.map((id) => byId.get(id) ?? null)
}

function requireEventTypes(types: readonly string[]): string[] {
  const field = 'eventTypes'
  if (types.length === 0) throw new BadUserInputError(`${field} must not be empty.`, field)
  const unknown = types.find((type) => !isEventType(type))
  if (unknown !== undefined)
    throw new BadUserInputError(`${field} has ${JSON.stringify(unknown)}, which is none.`, field)
  if (new Set(types).size < types.length) throw new BadUserInputError(`${field} has the same twice.`, field)
  return [...types]
}
