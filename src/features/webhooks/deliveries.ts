import { type RequestContext, requireService } from '../../context.ts'
import type { DeliveryStatus } from '../../db/generated/enums.ts'
import { parseDeliveryCursor } from '../../lib/cursors.ts'
import { ConflictError, NotFoundError } from '../../lib/errors.ts'
import { groupBy } from '../../lib/group.ts'
import { requireUuid } from '../../lib/ids.ts'
import { type Page, type PageArgs, pageOf, requirePage } from '../../lib/paging.ts'
import { loadEndpoints } from './endpoints.ts'

// What was or is to be sent to an endpoint. For the host's back end alone.

export interface DeliveryRow {
  id: string
  /** A bigint, as text. */
  position: string
  endpointId: string
  eventType: string
  status: DeliveryStatus
  createdAt: Date
  finishedAt: Date | null
}

export interface TryRow {
  position: string
  number: number
  triedAt: Date
  httpStatus: number | null
  error: string | null
  durationMs: number
}

const DELIVERY_COLUMNS = `d.id, d.position::text, d.endpoint_id AS "endpointId", d.event_type AS "eventType", d.status,
  d.created_at AS "createdAt", d.finished_at AS "finishedAt"`

/** A page of an endpoint's deliveries, newest first; of one status, if it is given. */
export async function webhookDeliveries(
  ctx: RequestContext,
  args: { endpointId: string; status?: DeliveryStatus | null | undefined } & Pick<PageArgs, 'first' | 'after'>,
): Promise<Page<DeliveryRow>> {
  requireService(ctx)
  const endpointId = requireUuid('WebhookEndpoint', args.endpointId, 'endpointId')
  const request = requirePage(args)
  const after = request.after === undefined ? null : parseDeliveryCursor(request.after, endpointId, 'after')
  const [endpoint] = await loadEndpoints(ctx, [endpointId])
  if (!endpoint) throw new NotFoundError('There is no such endpoint.', 'endpointId')
  // Each status has its part of the index, in order.
  const rows = await ctx.db.query<DeliveryRow>(
    `SELECT page.* FROM unnest(enum_range(NULL::delivery_status)) AS wanted (status)
      CROSS JOIN LATERAL (
        SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries d
         WHERE d.endpoint_id = $1 AND d.status = wanted.status AND ($3::bigint IS NULL OR d.position < $3)
         ORDER BY d.position DESC LIMIT $4) AS page
      WHERE $2::delivery_status IS NULL OR wanted.status = $2
      ORDER BY page.position::bigint DESC LIMIT $4`,
    [endpointId, args.status ?? null, after, request.limit + 1],
  )
  return pageOf(rows, request)
}

/** Deliveries by id, in the order of the ids; null for what is absent, and to whoever is no service. */
export async function loadDeliveries(ctx: RequestContext, ids: readonly string[]): Promise<(DeliveryRow | null)[]> {
  if (ctx.viewer.kind !== 'service') return ids.map(() => null)
  const rows = await ctx.db.query<DeliveryRow>(
    `SELECT ${DELIVERY_COLUMNS} FROM webhook_deliveries d
       JOIN webhook_endpoints e ON e.id = d.endpoint_id AND e.deleted_at IS NULL
      WHERE d.id = ANY($1::uuid[])`,
    [ids],
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.map((id) => byId.get(id) ?? null)
}

/** The tries of several deliveries by position, each's oldest first. */
export async function triesOf({ db }: RequestContext, positions: readonly string[]): Promise<TryRow[][]> {
  const rows = await db.query<TryRow>(
    `SELECT t.position::text, t.number, t.tried_at AS "triedAt", t.http_status AS "httpStatus", t.error,
            t.duration_ms AS "durationMs"
       FROM webhook_tries t WHERE t.position = ANY($1::bigint[]) ORDER BY t.position, t.number`,
    [positions],
  )
  const byPosition = groupBy(rows, (row) => row.position)
  return positions.map((position) => byPosition.get(position) ?? [])
}

/**
 * Sends a dead delivery again, under its id and before what waits in its stream; it has as many tries as a new one.
 * @throws NotFoundError, ConflictError for one that isn't dead.
 */
export async function retryWebhookDelivery(ctx: RequestContext, globalId: string): Promise<DeliveryRow> {
  requireService(ctx)
  const id = requireUuid('WebhookDelivery', globalId, 'deliveryId')
  const [known] = await loadDeliveries(ctx, [id])
  if (!known) throw new NotFoundError('There is no such delivery.', 'deliveryId')
  const revived = await ctx.db.transaction(async (query) => {
    // The stream first, as whoever else writes deliveries does.
    await query(
      `UPDATE webhook_streams s SET due_at = now() FROM webhook_deliveries d
        WHERE d.id = $1 AND s.endpoint_id = d.endpoint_id AND s.stream_id = d.stream_id`,
      [id],
    )
    const [row] = await query<DeliveryRow>(
      `UPDATE webhook_deliveries d
          SET status = 'PENDING', finished_at = NULL,
              tries_before = (SELECT count(*) FROM webhook_tries t WHERE t.position = d.position)
        WHERE d.id = $1 AND d.status = 'DEAD' RETURNING ${DELIVERY_COLUMNS}`,
      [id],
    )
    if (!row) throw new ConflictError('Only a dead delivery can be sent again.', 'deliveryId')
    return row
  })
  return revived
}
