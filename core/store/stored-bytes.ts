/**
 * How much namespaces store, measured where an operator limits it and nowhere else: what runs were given, gave back and logged,
 * by the day on which that goes (partitions.ts), and what has no day: open runs, and what functions remember. Nothing is
 * counted where it is written.
 */
import type { Pool } from "pg";
import type { QueryScope } from "./database.ts";

const TODAY = "(clock_timestamp() AT TIME ZONE 'UTC')::date";
/** What belongs to no day. */
const NO_DAY = "infinity";

const bytesOf = (row: string, columns: readonly string[]) =>
  `coalesce(sum(${columns.map((column) => `coalesce(pg_column_size(${row}.${column}), 0)`).join(" + ")}), 0)`;
const BYTES_OF_RUNS = bytesOf("r", ["input", "original_input", "result", "error", "attempts"]);
const BYTES_OF_LINES = bytesOf("l", ["message", "fields"]);

// Lines have no index by namespace; all are a function's.
const isOfDay = (instant: string) =>
  `${instant} >= $2::timestamp AT TIME ZONE 'UTC' AND ${instant} < ($2::date + 1)::timestamp AT TIME ZONE 'UTC'`;
const MEASURE_DAY = `
  SELECT (SELECT ${BYTES_OF_RUNS} FROM task_runs r WHERE r.namespace_id = $1 AND ${isOfDay("r.finished_at")})
    + (SELECT ${BYTES_OF_LINES} FROM functions f JOIN task_logs l ON l.function_id = f.id
      WHERE f.namespace_id = $1 AND ${isOfDay("l.at")})`;
const MEASURE_REST = `
  SELECT (SELECT ${BYTES_OF_RUNS} FROM task_runs_open r WHERE r.namespace_id = $1)
    + (SELECT coalesce(sum(u.bytes), 0) FROM functions f JOIN function_kv_usage u ON u.function_id = f.id
      WHERE f.namespace_id = $1)`;

/** $2: the day; $3: for how many days its runs are kept. A namespace that goes meanwhile gets no row. */
const record = (measure: string, removedOn: string) => `
  INSERT INTO stored_bytes (namespace_id, day, bytes, removed_on)
  SELECT n.id, $2::date, (${measure}), ${removedOn} FROM namespaces n WHERE n.id = $1 AND n.closed_at IS NULL
  ON CONFLICT (namespace_id, day) DO UPDATE
    SET bytes = excluded.bytes, measured_at = clock_timestamp(), removed_on = excluded.removed_on`;
const RECORD_DAY = record(MEASURE_DAY, "$2::date + $3::int + 1");
const RECORD_REST = record(MEASURE_REST, "$2::date");

// What still changes first; then what was never measured, then what was longest ago: tasks may have been erased.
const LIST_DAYS = `
  SELECT d.day::text, ago <= 1 AS "isFresh"
  FROM generate_series(0, $2::int) AS ago CROSS JOIN LATERAL (SELECT ${TODAY} - ago AS day) AS d
    LEFT JOIN stored_bytes s ON s.namespace_id = $1 AND s.day = d.day
  ORDER BY ago <= 1 DESC, s.measured_at NULLS FIRST, ago`;

// Of days that are gone, and of namespaces without the limit.
const FORGET = `
  DELETE FROM stored_bytes s WHERE s.day < ${TODAY} - $1::int
    OR NOT EXISTS (SELECT FROM namespaces n WHERE n.id = s.namespace_id AND n.limits ->> 'storedBytes' IS NOT NULL)`;

export interface MeasureOptions {
  retentionDays: number;
  /** Of one namespace no day is begun after so long, but for those that still change and one more. */
  budgetMs: number;
  nowMs(): number;
  /** Then no other one is begun. */
  stopping?: AbortSignal;
}

/** Measures all namespaces with such a limit anew. */
export async function measureStoredBytes({ pool }: QueryScope, options: MeasureOptions): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(
    "SELECT id FROM namespaces WHERE limits ->> 'storedBytes' IS NOT NULL AND closed_at IS NULL",
  );
  await pool.query(FORGET, [options.retentionDays]);
  for (const { id } of rows) {
    if (options.stopping?.aborted) return;
    await measureNamespace(pool, id, options);
  }
}

async function measureNamespace(
  pool: Pick<Pool, "query">,
  namespaceId: string,
  { retentionDays, budgetMs, nowMs }: MeasureOptions,
): Promise<void> {
  const untilMs = nowMs() + budgetMs;
  await pool.query(RECORD_REST, [namespaceId, NO_DAY]);
  const { rows } = await pool.query<{ day: string; isFresh: boolean }>(LIST_DAYS, [
    namespaceId,
    retentionDays,
  ]);
  let isTimeUp = false;
  for (const { day, isFresh } of rows) {
    if (!isFresh && isTimeUp) break;
    await pool.query(RECORD_DAY, [namespaceId, day, retentionDays]);
    isTimeUp = !isFresh && nowMs() >= untilMs;
  }
}

/** Of a namespace `n` with the limit: its bytes, and when there is room again, or more of it, as days go; null: never by itself. */
export const STORED = `
  SELECT coalesce(sum(s.bytes), 0)::float8 AS bytes,
    (min(s.removed_on) FILTER (WHERE s.day < '${NO_DAY}' AND s.bytes > 0
      AND s.total - s.gone < (n.limits ->> 'storedBytes')::bigint)
      )::timestamp AT TIME ZONE 'UTC' AS "roomFrom"
  FROM (
    SELECT s.day, s.bytes, s.removed_on, sum(s.bytes) OVER () AS total, sum(s.bytes) OVER (ORDER BY s.day) AS gone
    FROM stored_bytes s WHERE s.namespace_id = n.id
  ) AS s`;

/** The namespaces that store as much as they may, as they were measured last. */
export async function listFull({ pool }: QueryScope): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "list-full-namespaces",
    text: `SELECT n.id FROM namespaces n CROSS JOIN LATERAL (${STORED}) AS t
      WHERE n.limits ->> 'storedBytes' IS NOT NULL AND t.bytes >= (n.limits ->> 'storedBytes')::float8 ORDER BY n.id`,
  });
  return rows.map(({ id }) => id);
}

export interface StoredBytes {
  bytes: number;
  roomFrom: Date | null;
}

/** As they were measured last. */
export async function findStoredBytes({ pool }: QueryScope, namespaceId: string): Promise<StoredBytes> {
  const { rows } = await pool.query<StoredBytes>({
    name: "find-stored-bytes",
    text: `SELECT t.* FROM namespaces n CROSS JOIN LATERAL (${STORED}) AS t WHERE n.id = $1`,
    values: [namespaceId],
  });
  return rows[0] ?? { bytes: 0, roomFrom: null };
}
