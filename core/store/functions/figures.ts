/** What the last runs of a function tell of it. */
import type { QueryScope } from "../database.ts";
import { earliestTraceOf, firstIdOf } from "../ids.ts";

export interface Spread {
  median: number;
  p95: number;
  max: number;
}

export interface FunctionFigures {
  runs: number;
  /** When the oldest of them ended. */
  since: Date | null;
  succeeded: number;
  /** Of those that say so. */
  cold: number;
  warm: number;
  coldStartMs: Spread | null;
  durationMs: Spread | null;
  cpuMs: Spread | null;
  heldBytes: Spread | null;
}

/** How many are looked at. */
export const FIGURED_RUNS = 1_000;

const spread = (value: string) =>
  `CASE WHEN count(${value}) > 0 THEN json_build_object('median', percentile_cont(0.5) WITHIN GROUP (ORDER BY ${value}),
    'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY ${value}), 'max', max(${value})) END`;

const FIGURES = `
  SELECT count(*)::int AS runs, min(finished_at) AS since, (count(*) FILTER (WHERE state = 'succeeded'))::int AS succeeded,
    (count(*) FILTER (WHERE isolate ->> 'start' = 'cold'))::int AS cold,
    (count(*) FILTER (WHERE isolate ->> 'start' = 'warm'))::int AS warm,
    ${spread("(isolate ->> 'loadMs')::float8")} AS "coldStartMs", ${spread('"tookMs"')} AS "durationMs",
    ${spread("(isolate ->> 'cpuMs')::float8")} AS "cpuMs", ${spread("(isolate ->> 'heldBytes')::float8")} AS "heldBytes"
  FROM (
    SELECT r.state, r.finished_at, extract(epoch FROM r.finished_at - r.started_at)::float8 * 1000 AS "tookMs",
      r.attempts -> -1 -> 'isolate' AS isolate
    FROM task_runs r
    WHERE r.function_id = $1 AND r.id >= $2 AND r.finished_at >= $3 AND r.finished_at < 'infinity'
    ORDER BY r.id DESC LIMIT ${FIGURED_RUNS}
  ) AS last`;

const DAY_MS = 86_400_000;

/**
 * Of its newest runs that have ended. The last day is looked at first, and all days since the function was made only where
 * that has too few of them: a statement is planned for the partitions of all days that it may find rows in.
 */
export async function readFigures({ pool }: QueryScope, functionId: string): Promise<FunctionFigures> {
  const madeMs = earliestTraceOf(functionId).getTime();
  const read = async (sinceMs: number): Promise<FunctionFigures> => {
    const sinceId = firstIdOf(new Date(sinceMs));
    const values = [functionId, sinceId, earliestTraceOf(sinceId)];
    return (await pool.query<FunctionFigures>(FIGURES, values)).rows[0]!;
  };
  const dayMs = Date.now() - DAY_MS;
  if (dayMs > madeMs) {
    const figures = await read(dayMs);
    if (figures.runs === FIGURED_RUNS) return figures;
  }
  return await read(madeMs);
}
