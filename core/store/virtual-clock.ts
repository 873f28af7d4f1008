/** Where the clock for tests stands, kept so that it does not go back when it is started again. */
import type { QueryScope } from "./database.ts";

/** Where it stood last; `now`, where there was none. */
export async function openVirtualClock({ pool }: QueryScope, now: Date): Promise<Date> {
  await pool.query("INSERT INTO virtual_clock (stands_at) VALUES ($1) ON CONFLICT DO NOTHING", [now]);
  return (await readVirtualClock({ pool }))!;
}

/** Undefined: schedules see the true time. */
export async function readVirtualClock({ pool }: Pick<QueryScope, "pool">): Promise<Date | undefined> {
  const { rows } = await pool.query<{ standsAt: Date }>('SELECT stands_at AS "standsAt" FROM virtual_clock');
  return rows[0]?.standsAt;
}

export async function saveVirtualClock({ pool }: QueryScope, standsAt: Date): Promise<void> {
  await pool.query("UPDATE virtual_clock SET stands_at = $1", [standsAt]);
}

/** From now on schedules see the true time. */
export async function removeVirtualClock({ pool }: QueryScope): Promise<void> {
  await pool.query("DELETE FROM virtual_clock");
}

/** SQL: the time that schedules see, for who has no clock but the database's. */
export const SCHEDULE_NOW = "coalesce((SELECT stands_at FROM virtual_clock), clock_timestamp())";

const FIND_OVERLAPPING = `SELECT EXISTS (
    SELECT FROM tasks t
    WHERE t.state = 'active' AND t.next_run_at <= $1 AND coalesce(t.policy ->> 'overlap', 'allow') <> 'allow'
      AND EXISTS (SELECT FROM task_runs_open r WHERE r.task_id = t.id AND r.trigger = 'schedule'
        AND r.state IN ('queued', 'running', 'deferred', 'scheduled'))) AS found`;

/** Whether what fires at `at` would overlap with a run that is still open, and may not. */
export async function wouldOverlap({ pool }: QueryScope, at: Date): Promise<boolean> {
  const { rows } = await pool.query<{ found: boolean }>(FIND_OVERLAPPING, [at]);
  return rows[0]!.found;
}
