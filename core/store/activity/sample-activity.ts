/** What waits and runs at this moment, and which workers there are: of a minute the highest is kept. */
import type { Store } from "../database.ts";
import { BEST_FIRST, CLAIMABLE_BY_NAMESPACE, isDue } from "../runs/claimable.ts";
import { isHeld } from "../runs/held.ts";

/** How many waiting runs are read. */
export interface SampleBounds {
  /** Of a namespace that has more, so many are told. */
  ofNamespace: number;
  /** Of those that may be claimed, and of those that wait for a limit: each namespace that has some has an equal share of it. */
  inAll: number;
}

export const SAMPLE_BOUNDS: SampleBounds = { ofNamespace: 25_000, inAll: 250_000 };

const THIS_MINUTE = "date_trunc('minute', statement_timestamp())";

/** `sharers` is a query of them. */
const shareOf = (sharers: string) =>
  `(SELECT least($1::bigint, greatest($2::bigint / greatest(count(*), 1), 1)) FROM (${sharers}) AS s)`;
const SHARE_OF_BUSY = shareOf("SELECT FROM busy");
const SHARE_OF_WAITING = shareOf("SELECT DISTINCT namespace_id FROM limits");

/**
 * $1 and $2: the bounds. Runs that may be claimed, those that wait for a limit and those that are held stand in indexes of
 * their own: each is counted along its own, so that nothing but waiting runs is read. A namespace's limits are counted one after another up to
 * its share, and no more of them than that: each has a run.
 */
const SAMPLE_RUNS = `
  WITH running AS (
    SELECT namespace_id, count(*)::int AS runs FROM task_runs_open WHERE state = 'running' GROUP BY 1
  ), busy AS MATERIALIZED (
    SELECT n.id FROM namespaces n CROSS JOIN LATERAL (
      SELECT FROM task_runs_open WHERE namespace_id = n.id AND ${CLAIMABLE_BY_NAMESPACE} AND ${isDue()}
      ORDER BY ${BEST_FIRST} LIMIT 1
    ) AS best
  ), limits AS MATERIALIZED (
    SELECT namespace_id, key, row_number() OVER (PARTITION BY namespace_id ORDER BY key) AS place
    FROM run_limits WHERE has_waiting
  ), lines AS MATERIALIZED (
    SELECT namespace_id, array_agg(key) AS keys FROM limits WHERE place <= ${SHARE_OF_WAITING} GROUP BY 1
  ), parts AS (
    SELECT b.id AS namespace_id, p.runs FROM busy b CROSS JOIN LATERAL (
      SELECT count(*) AS runs FROM (
        SELECT FROM task_runs_open WHERE namespace_id = b.id AND ${CLAIMABLE_BY_NAMESPACE} AND ${isDue()}
        ORDER BY ${BEST_FIRST} LIMIT ${SHARE_OF_BUSY}
      ) AS due
    ) AS p
    UNION ALL
    SELECT l.namespace_id, p.runs FROM lines l CROSS JOIN LATERAL (
      SELECT count(*) AS runs FROM (
        SELECT FROM unnest(l.keys) AS k(key) CROSS JOIN LATERAL (
          SELECT FROM task_runs_open WHERE state = 'queued' AND waiting_for = 'concurrency' AND waiting_key = k.key AND ${isDue()}
          LIMIT ${SHARE_OF_WAITING}
        ) AS r LIMIT ${SHARE_OF_WAITING}
      ) AS due
    ) AS p
    UNION ALL
    SELECT namespace_id, count(*) FROM (
      SELECT r.namespace_id FROM task_runs_open r
      WHERE r.state = 'queued' AND r.waiting_key IS NOT NULL AND ${isHeld("r")} AND ${isDue()} LIMIT $2::bigint
    ) AS held GROUP BY 1
  ), waiting AS (
    SELECT namespace_id, least(sum(runs), $1::bigint)::int AS runs FROM parts GROUP BY 1
  )
  INSERT INTO activity_minutes AS a (namespace_id, minute, waiting, running)
  SELECT n.id, ${THIS_MINUTE}, coalesce(w.runs, 0), coalesce(r.runs, 0)
  FROM namespaces n LEFT JOIN running r ON r.namespace_id = n.id LEFT JOIN waiting w ON w.namespace_id = n.id
  WHERE w.runs > 0 OR r.runs > 0
  ON CONFLICT (namespace_id, minute) DO UPDATE SET waiting = greatest(a.waiting, excluded.waiting),
    running = greatest(a.running, excluded.running)`;

const SAMPLE_WORKERS = `
  INSERT INTO worker_minutes AS m (minute, workers, slots, busy)
  SELECT ${THIS_MINUTE}, count(*), coalesce(sum(slots), 0), coalesce(sum(busy), 0)
  FROM workers WHERE lease_until > statement_timestamp()
  ON CONFLICT (minute) DO UPDATE SET workers = greatest(m.workers, excluded.workers),
    slots = greatest(m.slots, excluded.slots), busy = greatest(m.busy, excluded.busy)`;

export async function sampleActivity(
  { pool }: Store,
  { ofNamespace, inAll }: SampleBounds = SAMPLE_BOUNDS,
): Promise<void> {
  await pool.query(SAMPLE_WORKERS);
  await pool.query(SAMPLE_RUNS, [ofNamespace, inAll]);
}
