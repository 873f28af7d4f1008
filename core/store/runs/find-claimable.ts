/** Reads runs that may be claimed, and claims none. Runs that wait for a permit are not included. */
import type { QueryScope } from "../database.ts";
import { CLAIMABLE, CLAIMABLE_BY_ID, isDue, OLDEST_FIRST } from "./claimable.ts";
import { TIMEOUT_MS } from "./claimed-run.ts";
import type { StagedRun } from "./staged-run.ts";

/** A run is left to its bell's hearer this long before a sweep takes it. */
export const SWEEP_OVERDUE_MS = 1_000;

export interface EarlyRun {
  id: string;
  availableAt: Date;
  /** Until its instant, by the database's clock, which is the one claims obey. */
  waitMs: number;
  /** The most its attempt may take. */
  timeoutMs: number;
}

/** Of `runIds`, those that still wait for their instant, or for a claim. */
export async function findEarlyRuns({ pool }: QueryScope, runIds: string[]): Promise<EarlyRun[]> {
  const { rows } = await pool.query<EarlyRun>({
    name: "early-runs",
    text: `SELECT id, available_at AS "availableAt",
        greatest(0, ceil(extract(epoch FROM available_at - clock_timestamp()) * 1000))::float8 AS "waitMs",
        ${TIMEOUT_MS} AS "timeoutMs"
      FROM task_runs_open r WHERE id = ANY($1::uuid[]) AND ${CLAIMABLE_BY_ID}`,
    values: [runIds],
  });
  return rows;
}

/** Milliseconds until the next queued run becomes due, by the database's clock (0: now); null when none is queued. */
export async function msUntilNextQueued({ pool }: QueryScope): Promise<number | null> {
  const { rows } = await pool.query<{ ms: number | null }>({
    name: "next-queued",
    text: `SELECT ceil(extract(epoch FROM min(available_at) - clock_timestamp()) * 1000)::float8 AS ms
      FROM task_runs_open WHERE ${CLAIMABLE}`,
  });
  const ms = rows[0]?.ms ?? null;
  return ms === null ? null : Math.max(ms, 0);
}

/**
 * Whether any run is overdue by so much that a sweep takes it, or would but for a limit. A look at one index: without a
 * parameter it is planned once per connection.
 */
export async function hasOverdueRuns({ pool }: QueryScope): Promise<boolean> {
  const { rows } = await pool.query<{ isAny: boolean }>({
    name: "has-overdue-runs",
    text: `SELECT EXISTS (SELECT FROM task_runs_open WHERE ${CLAIMABLE} AND ${isDue(`${SWEEP_OVERDUE_MS}`)}) AS "isAny"`,
  });
  return rows[0]!.isAny;
}

/** The same, and whether any run is the worker's by the table: what an idle worker looks for behind its bells. */
export async function lookWhileIdle(
  { pool }: QueryScope,
  workerId: string,
): Promise<{ ownsRuns: boolean; hasOverdue: boolean }> {
  const { rows } = await pool.query<{ ownsRuns: boolean; hasOverdue: boolean }>({
    name: "look-while-idle",
    text: `SELECT EXISTS (SELECT FROM task_runs_open WHERE worker_id = $1 AND state = 'running') AS "ownsRuns",
      EXISTS (SELECT FROM task_runs_open WHERE ${CLAIMABLE} AND ${isDue(`${SWEEP_OVERDUE_MS}`)}) AS "hasOverdue"`,
    values: [workerId],
  });
  return rows[0]!;
}

/** Runs that nobody has claimed for `overdueMs`, the oldest first: their bell was lost, or everybody is busy. */
export async function findOverdueRuns(
  { pool }: QueryScope,
  overdueMs: number,
  limit: number,
): Promise<StagedRun[]> {
  const { rows } = await pool.query<StagedRun>(
    `SELECT id AS "runId", available_at AS "availableAt" FROM task_runs_open
     WHERE ${CLAIMABLE} AND ${isDue("$1::int")} ORDER BY ${OLDEST_FIRST} LIMIT $2`,
    [overdueMs, limit],
  );
  return rows;
}
