/**
 * Runs that begin to exist on a day (UTC), counted where an operator limits them and nowhere else: a row of each such
 * namespace. Its lock is held to the end of a transaction that takes some, so whoever takes waits for nothing after that.
 */

import type { QueryScope } from "./database.ts";
import { createGatherer } from "./gather.ts";

const TODAY = "(clock_timestamp() AT TIME ZONE 'UTC')::date";

// As many as are left of $2, of $3 a day. The day never goes back: what is staged for midnight begins it a second early.
const TAKE = {
  name: "take-daily-runs",
  text: `
    INSERT INTO daily_runs AS d (namespace_id, day, runs, last_taken)
    VALUES ($1, greatest(${TODAY}, $4::date), least($2::int, $3::int), least($2::int, $3::int))
    ON CONFLICT (namespace_id) DO UPDATE SET day = greatest(d.day, excluded.day),
      runs = CASE WHEN d.day < excluded.day THEN excluded.runs ELSE least(d.runs + $2, $3) END,
      last_taken = CASE WHEN d.day < excluded.day THEN excluded.runs ELSE least($2, $3 - d.runs) END
    WHERE d.day < excluded.day OR d.runs < $3
    RETURNING last_taken AS taken`,
};

export interface DailyTake {
  namespaceId: string;
  count: number;
  /** A day. */
  limit: number;
  /** The day that they are for, where it is to come; left out: today. */
  day?: Date | undefined;
}

/** How many of them there may be; they are counted. */
export async function takeDailyRuns(
  { pool }: QueryScope,
  { namespaceId, count, limit, day }: DailyTake,
): Promise<number> {
  const values = [namespaceId, count, limit, day?.toISOString().slice(0, 10) ?? null];
  const { rows } = await pool.query<{ taken: number }>({ ...TAKE, values });
  return rows[0]?.taken ?? 0;
}

/** The same of one; what is asked for at the same moment is counted together. */
export const takeDailyRun = createGatherer<{ namespaceId: string; limit: number }, boolean>({
  ...{ atOnce: 1, most: 1_000, mostWeight: 1_000 },
  weigh: () => 1,
  // Whoever holds a namespace's row keeps that one waiting, and nobody else.
  laneOf: ({ namespaceId }) => namespaceId,
  async askAll(scope, asks) {
    const { namespaceId, limit } = asks[0]!;
    const free = await takeDailyRuns(scope, { namespaceId, count: asks.length, limit });
    return asks.map((_, nth) => nth < free);
  },
});

/** Of what was taken and did not come to be. */
export async function returnDailyRun({ pool }: QueryScope, namespaceId: string): Promise<void> {
  await pool.query({
    name: "return-daily-run",
    text: `UPDATE daily_runs SET runs = greatest(runs - 1, 0) WHERE namespace_id = $1 AND day = ${TODAY}`,
    values: [namespaceId],
  });
}

/** Today's, as far as they were counted. */
export async function countDailyRuns({ pool }: QueryScope, namespaceId: string): Promise<number> {
  const { rows } = await pool.query<{ runs: number }>({
    name: "count-daily-runs",
    text: `SELECT runs FROM daily_runs WHERE namespace_id = $1 AND day >= ${TODAY}`,
    values: [namespaceId],
  });
  return rows[0]?.runs ?? 0;
}

/** Of the namespaces that have one, by their ids. */
export async function listDailyLimits({ pool }: QueryScope): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<{ id: string; limit: number }>({
    name: "list-daily-limits",
    text: `SELECT id, (limits ->> 'runsPerDay')::int AS limit FROM namespaces WHERE limits ->> 'runsPerDay' IS NOT NULL`,
  });
  return new Map(rows.map(({ id, limit }) => [id, limit]));
}
