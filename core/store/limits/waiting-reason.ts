/**
 * Why a queued run has not started. A line is one, whatever its key lacks: the reason is read off the key's row as it
 * stands, so that a pause of a queue with many runs changes none of them. Of a run that no claim has looked at, the row of
 * its queue says whether it could start.
 */
import { UNLIMITED } from "../../domain/limit.ts";
import { DEFAULT_QUEUE } from "../../domain/limit-keys.ts";
import { NOW_MS, queueKeySql } from "./permits.ts";

const IS_PAUSED = "l.paused_until > statement_timestamp()";

const IS_FULL = `l.permits_held >= l.concurrency AND l.concurrency < ${UNLIMITED}`;

/** Its starts are used up, or as many runs have been called up as may start. */
const IS_OUT_OF_STARTS = `l.rate_interval_ms IS NOT NULL AND (l.is_called_out
    OR l.rate_used_until_ms + (1 - l.rate_burst) * l.rate_interval_ms > ${NOW_MS})`;

/**
 * A `WaitReason` of a run `r`, with the row of `LIMIT_OF_WAITING` joined as `l`; null: it is not its turn or its time. What
 * was granted its permits holds them, and is paused no more.
 */
export const WAITING_REASON = `CASE
    WHEN r.state <> 'queued' OR r.available_at > statement_timestamp() THEN NULL
    WHEN r.waiting_for <> 'concurrency' THEN NULL
    WHEN r.waiting_for IS NULL AND r.waiting_key IS NOT NULL THEN 'slot'
    WHEN ${IS_PAUSED} THEN 'paused'
    WHEN ${IS_FULL} THEN 'concurrency'
    WHEN ${IS_OUT_OF_STARTS} THEN 'rate'
    ELSE 'slot' END`;

/** The key of that limit: the one whose line it stands in, or that of its queue. */
export const LIMIT_OF_WAITING = `CASE WHEN r.state <> 'queued' THEN NULL WHEN r.waiting_for = 'concurrency' THEN r.waiting_key
    WHEN r.waiting_for IS NULL THEN ${queueKeySql("r.namespace_id", `coalesce(r.queue, '${DEFAULT_QUEUE}')`)} END`;
