/**
 * Runs that begin to exist on a day (UTC), counted where an operator limits them and nowhere else: a row of each such
 * namespace. Its lock is held to the end of a transaction that takes some, so whoever takes waits for nothing after that.
 */

import { utcDayOf } from "../domain/utc-day.ts";
import type { QueryScope } from "./database.ts";
import { createGatherer } from "./gather.ts";

const TODAY = "(clock_timestamp() AT TIME ZONE 'UTC')::date";

/** A scheduler whose clock runs far ahead, or a database's that did, begins no day but the next. */
const TOMORROW = `${TODAY} + 1`;
const BEGINS = `(d.day < excluded.day OR d.day > ${TOMORROW})`;

// As many as are left of $2, of $3 a day. The day does not go back: what is staged for midnight begins it a second early (domain/staging.ts).
const TAKE = {
  name: "take-daily-runs",
  text: `
    INSERT INTO daily_runs AS d (namespace_id, day, runs, last_taken)
    VALUES ($1, least(greatest(${TODAY}, $4::date), ${TOMORROW}), least($2::int, $3::int), least($2::int, $3::int))
    ON CONFLICT (namespace_id) DO UPDATE SET day = CASE WHEN ${BEGINS} THEN excluded.day ELSE d.day END,
      runs = CASE WHEN ${BEGINS} THEN excluded.runs ELSE least(d.runs + $2, $3) END,
      last_taken = CASE WHEN ${BEGINS} THEN excluded.runs ELSE least($2, $3 - d.runs) END
    WHERE ${BEGINS} OR d.runs < $3
    RETURNING last_taken AS count, day::text`,
};

export interface DailyTake {
  namespaceId: string;
  count: number;
  /** A day. */
  limit: number;
  /** The day that they are for, where it is to come; left out: today. */
  day?: Date | undefined;
}

/** Runs that were counted. */
export interface TakenRuns {
  count: number;
  /** On which day; null: there are none. */
  day: string | null;
}

const NONE_TAKEN: TakenRuns = { count: 0, day: null };

/** As many of them as there may be. */
export async function takeDailyRuns(
  { pool }: QueryScope,
  { namespaceId, count, limit, day }: DailyTake,
): Promise<TakenRuns> {
  const values = [namespaceId, count, limit, day?.toISOString().slice(0, 10) ?? null];
  const { rows } = await pool.query<TakenRuns>({ ...TAKE, values });
  return rows[0] ?? NONE_TAKEN;
}

/** The same of one; what is asked for at the same moment is counted together. */
export const takeDailyRun = createGatherer<{ namespaceId: string; limit: number }, TakenRuns>({
  ...{ atOnce: 1, most: 1_000, mostWeight: 1_000 },
  weigh: () => 1,
  // Whoever holds a namespace's row keeps that one waiting, and nobody else.
  laneOf: ({ namespaceId }) => namespaceId,
  async askAll(scope, asks) {
    const { namespaceId, limit } = asks[0]!;
    const { count, day } = await takeDailyRuns(scope, { namespaceId, count: asks.length, limit });
    return asks.map((_, nth) => (nth < count ? { count: 1, day } : NONE_TAKEN));
  },
});

/** Of what was taken and did not come to be; of a day that is over it is no matter any more. */
export async function returnDailyRuns(
  { pool }: QueryScope,
  namespaceId: string,
  { count, day }: TakenRuns,
): Promise<void> {
  await pool.query({
    name: "return-daily-runs",
    text: "UPDATE daily_runs SET runs = greatest(runs - $3, 0) WHERE namespace_id = $1 AND day = $2::date",
    values: [namespaceId, day, count],
  });
}

/** Of what was staged ahead and is taken back, by its instants: before the end of a transaction, as this file's first lines want. */
export async function returnStagedRuns(
  { pool }: QueryScope,
  namespaceId: string,
  instants: readonly Date[],
): Promise<void> {
  const byDay = Map.groupBy(instants, (at) => utcDayOf(at).getTime());
  for (const [dayMs, { length: count }] of byDay) {
    const day = new Date(dayMs).toISOString().slice(0, 10);
    await pool.query({
      name: "return-staged-runs",
      text: `UPDATE daily_runs SET runs = greatest(runs - $3, 0)
        WHERE namespace_id = $1 AND day = least(greatest(${TODAY}, $2::date), ${TOMORROW})`,
      values: [namespaceId, day, count],
    });
  }
}

export interface DailyCount {
  /** Of today, as far as they were counted. */
  runs: number;
  /** When the next day begins for it: by the database's clock, and a day later where it has begun a second early. */
  resetsAt: Date;
  untilResetMs: number;
}

export async function countDailyRuns({ pool }: QueryScope, namespaceId: string): Promise<DailyCount> {
  const { rows } = await pool.query<DailyCount>({
    name: "count-daily-runs",
    text: `SELECT coalesce(d.runs, 0) AS runs, n.at AS "resetsAt",
        extract(epoch FROM n.at - clock_timestamp())::float8 * 1000 AS "untilResetMs"
      FROM (SELECT) AS one LEFT JOIN daily_runs d
        ON d.namespace_id = $1 AND d.day BETWEEN ${TODAY} AND ${TOMORROW}
      CROSS JOIN LATERAL (SELECT (coalesce(d.day, ${TODAY}) + 1)::timestamp AT TIME ZONE 'UTC' AS at) AS n`,
    values: [namespaceId],
  });
  return rows[0]!;
}
