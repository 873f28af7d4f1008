/**
 * Why a queued run has not started. A line is one, whatever its key lacks: the reason is read off the key's row as it
 * stands, so that a pause of a queue with many runs changes none of them.
 */

/** A `WaitReason` of a run `r` whose limit, if it waits for one, is joined as `l`; null: it is not its turn or its time. */
export const WAITING_REASON = `CASE
    WHEN r.state <> 'queued' OR r.available_at > statement_timestamp() THEN NULL
    WHEN r.waiting_for IS NULL THEN 'slot'
    WHEN r.waiting_for <> 'concurrency' THEN NULL
    WHEN l.paused_until > statement_timestamp() THEN 'paused'
    WHEN l.permits_held < l.concurrency AND l.rate_interval_ms IS NOT NULL THEN 'rate'
    ELSE 'concurrency' END`;

/** The key of that limit. */
export const LIMIT_OF_WAITING = "CASE WHEN r.waiting_for = 'concurrency' THEN r.waiting_key END";
