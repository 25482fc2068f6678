// The statements of outbox.ts. What they call stands in the migrations, as do the triggers that fill the outbox.

/**
 * Nobody waits for anybody: what another is just claiming is passed over. By its ctid, at which it is locked, the row is
 * found without PostgreSQL having to guess how many there are; one that was changed meanwhile is left for the next time.
 * Times are rounded to milliseconds: what is due now may seem to be so in half of one.
 */
export const CLAIM = `
  WITH due AS MATERIALIZED (
    SELECT s.ctid
      FROM webhook_endpoints e
      LEFT JOIN unnest($3::uuid[], $4::int[]) AS given (endpoint_id, busy) ON given.endpoint_id = e.id
     CROSS JOIN LATERAL (
       SELECT w.ctid FROM webhook_streams w
        WHERE w.endpoint_id = e.id AND w.due_at <= now() + interval '1 ms' AND (w.claimed_until IS NULL OR w.claimed_until < now())
        ORDER BY w.due_at LIMIT greatest($1::int - coalesce(given.busy, 0), 0) FOR UPDATE SKIP LOCKED) AS s
     WHERE e.disabled_at IS NULL
  )
  UPDATE webhook_streams w SET claimed_until = now() + $2::int * interval '1 s'
   WHERE w.ctid = ANY (ARRAY(SELECT due.ctid FROM due))
  RETURNING w.endpoint_id AS "endpointId", w.stream_id AS "streamId", w.claimed_until AS until`

/** For several streams: the key is the place among them. */
export const FIRST = `
  SELECT wanted.n::int - 1 AS key, d.position::text, d.id, d.event_type AS "eventType", d.reference,
         d.created_at AS "createdAt",
         (SELECT count(*)::int FROM webhook_tries t WHERE t.position = d.position) - d.tries_before AS tries,
         e.url, e.secret, e.previous_secret AS "previousSecret", e.previous_secret_until AS "previousSecretUntil"
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS wanted (endpoint_id, stream_id, n)
    JOIN webhook_endpoints e ON e.id = wanted.endpoint_id AND e.disabled_at IS NULL
   CROSS JOIN LATERAL (
     SELECT * FROM webhook_deliveries w
      WHERE w.endpoint_id = wanted.endpoint_id AND w.stream_id = wanted.stream_id AND w.status = 'PENDING'
      ORDER BY w.position LIMIT 1) AS d`

const FINISH = (waits: boolean) => `
  SELECT turn.n::int - 1 AS key,
         finish_webhook_try(endpoint, stream, until, position, wait_ms, seconds, at, http_status, error, duration_ms,
                            status) AS until
    FROM (SELECT given.* FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::int[],
                               $7::timestamptz[], $8::int[], $9::text[], $10::int[], $11::delivery_status[])
                   WITH ORDINALITY AS given (endpoint, stream, until, position, wait_ms, seconds, at, http_status,
                                             error, duration_ms, status, n)
           CROSS JOIN LATERAL (SELECT FROM webhook_streams s WHERE s.endpoint_id = endpoint AND s.stream_id = stream
                                 FOR UPDATE ${waits ? '' : 'SKIP LOCKED'}) AS locked OFFSET 0) AS turn`

/** Notes those whose streams nobody else is at, so that none waits for another's conversation. */
export const FINISH_FREE = FINISH(false)
/** Waits for the stream: for one alone. */
export const FINISH_ONE = FINISH(true)

/** The receiver said that it is gone; unless the endpoint is at another address now. */
export const SWITCH_OFF =
  'UPDATE webhook_endpoints SET disabled_at = now() WHERE id = $1 AND url = $2 AND disabled_at IS NULL'
