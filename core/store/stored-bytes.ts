/**
 * How much namespaces store, measured where an operator limits it and nowhere else: what runs were given, gave back and logged,
 * by the day on which that goes (partitions.ts), and what has no day: open runs, and what functions remember. Nothing is
 * counted where it is written.
 */
import type { Pool } from "pg";
import { attemptAll } from "../attempt-all.ts";
import type { QueryScope } from "./database.ts";

/** Once in a pass: all its statements mean the same day. */
export const READ_TODAY = "SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date::text AS today";
/** What belongs to no day. */
const NO_DAY = "infinity";
/** As many as a pass finds time for, or more. */
const OLD_DAYS = 1_000;

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

const FRESH_DAYS = `SELECT ($2::date - ago)::text AS day FROM generate_series(0, least(1, $1::int)) AS ago`;

// What was never measured first, then what was longest ago: tasks may have been erased.
const LIST_OLD_DAYS = `
  SELECT n.id AS "namespaceId", d.day::text
  FROM unnest($1::uuid[]) AS n (id) CROSS JOIN generate_series(2, $2::int) AS ago
    CROSS JOIN LATERAL (SELECT $3::date - ago AS day) AS d
    LEFT JOIN stored_bytes s ON s.namespace_id = n.id AND s.day = d.day
  ORDER BY s.measured_at NULLS FIRST, ago, n.id LIMIT ${OLD_DAYS}`;

/** A day that cannot be measured has had its turn all the same. */
const PASS_OVER = `
  INSERT INTO stored_bytes (namespace_id, day, bytes, removed_on)
  SELECT n.id, $2::date, 0, $2::date + $3::int + 1 FROM namespaces n WHERE n.id = $1 AND n.closed_at IS NULL
  ON CONFLICT (namespace_id, day) DO UPDATE SET measured_at = clock_timestamp()`;

const LIST_DUE = `
  SELECT n.id FROM namespaces n LEFT JOIN stored_bytes s ON s.namespace_id = n.id AND s.day = '${NO_DAY}'
  WHERE n.limits ->> 'storedBytes' IS NOT NULL AND n.closed_at IS NULL
    AND coalesce(s.next_at <= clock_timestamp(), true)
  ORDER BY s.next_at NULLS FIRST, n.id`;

/** Nobody else measures it meanwhile. One whose scheduler was lost is measured again after so long. */
const CLAIM = `
  INSERT INTO stored_bytes AS s (namespace_id, day, bytes, removed_on, next_at)
  SELECT n.id, '${NO_DAY}', 0, '${NO_DAY}', clock_timestamp() + interval '5 minutes'
  FROM namespaces n WHERE n.id = $1 AND n.closed_at IS NULL
  ON CONFLICT (namespace_id, day) DO UPDATE SET next_at = excluded.next_at WHERE s.next_at <= clock_timestamp()`;

const ADD_UP = `total = (SELECT sum(bytes) FROM stored_bytes d WHERE d.namespace_id = s.namespace_id)`;
const RECORD_TOTAL = `UPDATE stored_bytes s SET ${ADD_UP} WHERE s.namespace_id = $1 AND s.day = '${NO_DAY}'`;
const RELEASE = `
  UPDATE stored_bytes s SET ${ADD_UP}, next_at = clock_timestamp() + $2::float8 * interval '1 millisecond'
  WHERE s.namespace_id = $1 AND s.day = '${NO_DAY}'`;

// Of days that are gone, and of namespaces without the limit.
const FORGET = `
  DELETE FROM stored_bytes s WHERE s.day < $2::date - $1::int
    OR NOT EXISTS (SELECT FROM namespaces n WHERE n.id = s.namespace_id AND n.limits ->> 'storedBytes' IS NOT NULL)`;

export interface MeasureOptions {
  retentionDays: number;
  /** After so long a pass begins none of the days that hardly change any more, but it measures one of them in any case. */
  budgetMs: number;
  /** When a namespace is measured again, by how long it took. */
  restMs(tookMs: number): number;
  nowMs(): number;
  /** Then no other one is begun. */
  stopping?: AbortSignal;
}

/**
 * Measures anew the namespaces with such a limit that are due, each in one scheduler at a time. What fails keeps nothing
 * else from its turn; the first error is thrown in the end.
 */
export async function measureStoredBytes({ pool }: QueryScope, options: MeasureOptions): Promise<void> {
  const today = (await pool.query<{ today: string }>(READ_TODAY)).rows[0]!.today;
  await pool.query(FORGET, [options.retentionDays, today]);
  const { rows } = await pool.query<{ id: string }>(LIST_DUE);
  const claimed: string[] = [];
  const measuring = (id: string) => async () => {
    if (options.stopping?.aborted) return;
    const beganMs = options.nowMs();
    if ((await pool.query(CLAIM, [id])).rowCount === 0) return;
    claimed.push(id);
    await measureWhatChanges(pool, id, today, beganMs, options);
  };
  await attemptAll([
    ...rows.map(({ id }) => measuring(id)),
    () => measureOldDays(pool, claimed, today, options),
  ]);
}

/** Whatever takes too long is left as it was measured last; the rest is measured, and the namespace is let go. */
async function measureWhatChanges(
  pool: Pick<Pool, "query">,
  namespaceId: string,
  today: string,
  beganMs: number,
  { retentionDays, restMs, nowMs }: MeasureOptions,
): Promise<void> {
  const measureFreshDays = async () => {
    const { rows } = await pool.query<{ day: string }>(FRESH_DAYS, [retentionDays, today]);
    await attemptAll(
      rows.map(
        ({ day }) =>
          () =>
            pool.query(RECORD_DAY, [namespaceId, day, retentionDays]),
      ),
    );
  };
  await attemptAll([
    () => pool.query(RECORD_REST, [namespaceId, NO_DAY]),
    measureFreshDays,
    () => pool.query(RELEASE, [namespaceId, restMs(nowMs() - beganMs)]),
  ]);
}

/** What is over, of all of them together. */
async function measureOldDays(
  pool: Pick<Pool, "query">,
  namespaceIds: readonly string[],
  today: string,
  { retentionDays, budgetMs, nowMs, stopping }: MeasureOptions,
): Promise<void> {
  const untilMs = nowMs() + budgetMs;
  const { rows } = await pool.query<{ namespaceId: string; day: string }>(LIST_OLD_DAYS, [
    namespaceIds,
    retentionDays,
    today,
  ]);
  for (const { namespaceId, day } of rows) {
    if (stopping?.aborted) return;
    const row = [namespaceId, day, retentionDays];
    try {
      await pool.query(RECORD_DAY, row);
    } catch (error) {
      await pool.query(PASS_OVER, row);
      throw error;
    }
    await pool.query(RECORD_TOTAL, [namespaceId]);
    if (nowMs() >= untilMs) return;
  }
}

/** Of a namespace `n` with the limit: when there is room again, or more of it, as days go; null: never by itself. */
const ROOM_FROM = `
  SELECT (min(s.removed_on) FILTER (WHERE s.day < '${NO_DAY}' AND s.bytes > 0
      AND s.total - s.gone < (n.limits ->> 'storedBytes')::bigint)
    )::timestamp AT TIME ZONE 'UTC'
  FROM (
    SELECT s.day, s.bytes, s.removed_on, sum(s.bytes) OVER () AS total, sum(s.bytes) OVER (ORDER BY s.day) AS gone
    FROM stored_bytes s WHERE s.namespace_id = n.id
  ) AS s`;

/** Of a namespace `n`, in each process about once a second: its days are looked at where it is full alone. */
export const FULL_FROM = `
  SELECT (n.limits ->> 'storedBytes')::float8 AS "storedBytes", (${ROOM_FROM}) AS "roomFrom"
  FROM stored_bytes t WHERE t.namespace_id = n.id AND t.day = '${NO_DAY}' AND t.total >= (n.limits ->> 'storedBytes')::bigint`;

/** The namespaces that store as much as they may, as they were measured last. */
export async function listFull({ pool }: QueryScope): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: "list-full-namespaces",
    text: `SELECT n.id FROM namespaces n JOIN stored_bytes t ON t.namespace_id = n.id AND t.day = '${NO_DAY}'
      WHERE n.limits ->> 'storedBytes' IS NOT NULL AND t.total >= (n.limits ->> 'storedBytes')::bigint ORDER BY n.id`,
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
    text: `SELECT coalesce((SELECT sum(bytes) FROM stored_bytes WHERE namespace_id = n.id), 0)::float8 AS bytes,
        (${ROOM_FROM}) AS "roomFrom" FROM namespaces n WHERE n.id = $1`,
    values: [namespaceId],
  });
  return rows[0] ?? { bytes: 0, roomFrom: null };
}
