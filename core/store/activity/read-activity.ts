/** What went on, slice by slice of a span of time. */
import type { ActivitySlice, ActivitySpan, WorkerActivity } from "../../domain/activity.ts";
import type { QueryScope } from "../database.ts";

type NamespaceSlice = Omit<ActivitySlice, "at" | "workers">;
type Numbered<Row> = Row & { slice: number };

/** SQL: in which slice a minute lies; $1: where the span begins, $2: milliseconds of a slice. */
const SLICE = "floor(extract(epoch FROM minute - $1::timestamptz) * 1000 / $2::float8)::int";

const OF_NAMESPACE = `
  SELECT ${SLICE} AS slice, sum(succeeded)::int AS succeeded,
    sum(failed)::int AS failed, sum(other)::int AS other, sum(started)::int AS started, sum(late_ms)::float8 AS "lateMs",
    max(latest_ms)::float8 AS "latestMs", max(waiting) AS waiting, max(running) AS running
  FROM activity_minutes WHERE namespace_id = $3 AND minute >= $1 GROUP BY 1`;

const OF_WORKERS = `
  SELECT ${SLICE} AS slice, max(workers) AS workers,
    max(slots) AS slots, max(busy) AS busy
  FROM worker_minutes WHERE minute >= $1 GROUP BY 1`;

const NOTHING: NamespaceSlice = {
  ...{ succeeded: 0, failed: 0, other: 0, started: 0, lateMs: 0, latestMs: 0, waiting: 0, running: 0 },
};

/** @param withWorkers theirs belong to no namespace */
export async function readActivity(
  { pool }: QueryScope,
  namespaceId: string,
  { from, stepMs, slices }: ActivitySpan,
  withWorkers: boolean,
): Promise<ActivitySlice[]> {
  const span = [from, stepMs];
  const { rows } = await pool.query<Numbered<NamespaceSlice>>(OF_NAMESPACE, [...span, namespaceId]);
  const counted = bySlice(rows);
  const workers = bySlice(
    withWorkers ? (await pool.query<Numbered<WorkerActivity>>(OF_WORKERS, span)).rows : [],
  );
  return Array.from({ length: slices }, (_, slice) => ({
    at: new Date(from.getTime() + slice * stepMs),
    ...(counted.get(slice) ?? NOTHING),
    workers: workers.get(slice),
  }));
}

const bySlice = <Row>(rows: Numbered<Row>[]) => new Map(rows.map(({ slice, ...row }) => [slice, row]));
