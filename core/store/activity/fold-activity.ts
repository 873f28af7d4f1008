/**
 * What goes on is counted minute by minute after it has happened, by one scheduler at a time: a run pays nothing for it. Ends
 * of runs are counted in the order of their transactions (xid.ts), so that each counts once whatever breaks off, as those of
 * errors are (errors/fold-errors.ts). What waits and runs is sampled once they are counted.
 */
import { MAX_ACTIVITY_MS } from "../../domain/activity.ts";
import type { Store } from "../database.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { COMPLETE_BELOW } from "../xid.ts";
import { sampleActivity } from "./sample-activity.ts";

/** Looked through at once: a scheduler that was away for long catches up in several transactions. */
const MAX_XIDS = 50_000;
const SLACK_MS = 900_000;
const CLOCK_SLACK = "interval '1 hour'";

interface Progress {
  below: string;
  upTo: string;
  isCaughtUp: boolean;
}

/** $1: milliseconds in which nobody has caught up. A count that seems to come from the future is of a clock set back. */
const LOCK = `
  SELECT FROM activity_folds WHERE reached_at NOT BETWEEN
    statement_timestamp() - $1::float8 * interval '1 millisecond' AND statement_timestamp()
  FOR UPDATE SKIP LOCKED`;

/** A statement of its own, after the lock: one with a snapshot from before might see less than was counted meanwhile. */
const PROGRESS = `
  SELECT f.below_xid AS below, least(c.complete, f.below_xid + ${MAX_XIDS}) AS "upTo",
    c.complete <= f.below_xid + ${MAX_XIDS} AS "isCaughtUp"
  FROM activity_folds f, (SELECT ${COMPLETE_BELOW} AS complete) AS c`;

/** A dead letter that was counted at its death is not counted again when it is discarded. */
const WAS_DEAD = `r.state = 'failed' AND EXISTS (
  SELECT FROM events e WHERE e.run_id = r.id AND e.type = 'run.dead' AND e.claim_no = r.claim_no)`;

/** A redriven run is due from its redrive on, which queued it; `redriven_at` is empty once a run has ended. */
const WAS_DUE_AT = "CASE WHEN r.attempt_offset > 0 THEN r.queued_at ELSE r.scheduled_for END";

const inMs = (from: string, to: string) => `greatest(extract(epoch FROM ${to} - ${from}) * 1000, 0)`;

/** $1 and $2: transactions; $3 and $5: the days on which their runs have ended; $4: what is kept. */
const COUNT_ENDS = `
  WITH ended AS MATERIALIZED (
    SELECT n.id AS namespace_id, r.* FROM namespaces n CROSS JOIN LATERAL (
      SELECT r.state, r.finished_at, CASE WHEN r.attempt - r.attempt_offset = 1 THEN r.started_at END AS started_at,
        ${WAS_DUE_AT} AS was_due_at, ${WAS_DEAD} AS was_dead
      FROM task_runs r WHERE r.namespace_id = n.id AND r.recorded_xid >= $1 AND r.recorded_xid < $2
        AND r.finished_at >= $3 AND r.finished_at < $5
    ) AS r
  ), told AS (
    SELECT namespace_id, finished_at AS at, CASE WHEN state IN ('failed', 'expired') THEN 'failed'
        WHEN state = 'succeeded' THEN state ELSE 'other' END AS what, 0 AS late_ms
    FROM ended WHERE NOT was_dead
    UNION ALL
    SELECT namespace_id, at, 'failed', 0 FROM events
    WHERE type = 'run.dead' AND recorded_xid >= $1 AND recorded_xid < $2
    UNION ALL
    SELECT namespace_id, started_at, 'started', ${inMs("was_due_at", "started_at")} FROM ended
    WHERE started_at IS NOT NULL
  )
  INSERT INTO activity_minutes AS a (namespace_id, minute, succeeded, failed, other, started, late_ms, latest_ms)
  SELECT namespace_id, date_trunc('minute', at), count(*) FILTER (WHERE what = 'succeeded'),
    count(*) FILTER (WHERE what = 'failed'), count(*) FILTER (WHERE what = 'other'),
    count(*) FILTER (WHERE what = 'started'), sum(late_ms)::bigint, max(late_ms)::bigint
  FROM told WHERE at >= $4 GROUP BY 1, 2
  ON CONFLICT (namespace_id, minute) DO UPDATE SET succeeded = a.succeeded + excluded.succeeded,
    failed = a.failed + excluded.failed, other = a.other + excluded.other, started = a.started + excluded.started,
    late_ms = a.late_ms + excluded.late_ms, latest_ms = greatest(a.latest_ms, excluded.latest_ms)`;

export interface FoldOptions {
  /** Heard between transactions. */
  stopping?: AbortSignal;
  /** Nothing is done where a count was completed so lately: by another scheduler. */
  notWithinMs?: number;
}

/** Counts what has ended since, then samples what waits and runs. Does nothing where another scheduler is at it. */
export async function foldActivity(
  store: Store,
  now: Date,
  { stopping, notWithinMs = 0 }: FoldOptions = {},
): Promise<void> {
  let isCaughtUp = false;
  while (!isCaughtUp && !stopping?.aborted) {
    const progress = await inTransaction(store.pool, async (tx) => {
      const { rowCount } = await tx.pool.query(LOCK, [notWithinMs]);
      if (rowCount === 0) return undefined;
      const found = (await tx.pool.query<Progress>(PROGRESS)).rows[0]!;
      await countEnds(tx, found, now);
      return found;
    });
    if (!progress) return;
    isCaughtUp = progress.isCaughtUp;
  }
  // Apart from the counts: what a large backlog makes slow takes none of them back.
  if (isCaughtUp) await sampleActivity(store);
}

async function countEnds(
  { pool }: Transaction,
  { below, upTo, isCaughtUp }: Progress,
  now: Date,
): Promise<void> {
  // Of the days to come there are partitions already: a plan with those takes many times as long to make.
  const { rows } = await pool.query<{ since: Date; until: Date }>(
    `SELECT reached_at - ${CLOCK_SLACK} AS since, statement_timestamp() + interval '1 day' AS until FROM activity_folds`,
  );
  const { since, until } = rows[0]!;
  await pool.query(COUNT_ENDS, [below, upTo, since, keptSince(now), until]);
  await pool.query(
    "UPDATE activity_folds SET below_xid = $1, reached_at = CASE WHEN $2 THEN statement_timestamp() ELSE reached_at END",
    [upTo, isCaughtUp],
  );
}

/** The slice in which the longest span begins is whole. */
const keptSince = (now: Date) => new Date(now.getTime() - MAX_ACTIVITY_MS - SLACK_MS);

export async function removeOldActivity({ pool }: Store, now: Date): Promise<void> {
  for (const table of ["activity_minutes", "worker_minutes"])
    await pool.query(`DELETE FROM ${table} WHERE minute < $1`, [keptSince(now)]);
}
