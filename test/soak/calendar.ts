/**
 * A calendar of which a day takes a minute. It lies long ago, beside the true one by which runs end: at the end of each of
 * its days, what has ended since is moved into it, the next days are made and those past the retention dropped by the
 * product's own jobs, under load.
 */
import { removeExpiredBulks } from "../../core/store/bulk/bulk-actions.ts";
import type { Store } from "../../core/store/database.ts";
import { retryDeadlock } from "../../core/store/deadlock.ts";
import { removeExpiredGroups } from "../../core/store/errors/groups.ts";
import { removeExpiredEvents } from "../../core/store/events/record.ts";
import { dropExpiredPartitions, ensurePartitions } from "../../core/store/partitions.ts";
import { removeExpiredTasks } from "../../core/store/tasks/expire.ts";

export const DAY_TAKES_MS = 60_000;
const KEPT_DAYS = 3;
const DAY_MS = 86_400_000;
/** Beyond what any soak comes to, so that it never meets the true calendar. */
const BEGINS_DAYS_AGO = 2_000;
/** Of the scheduler's own calendar: it must not drop these days. */
export const TRUE_RETENTION_DAYS = 3_650;
const BATCH = 1_000;
/** Longer than anything takes that still looks at a run which has ended. */
const SETTLED_MS = 10_000;

export interface Calendar {
  /** Ends a day; how many partitions were dropped. */
  turn(): Promise<{ movedRuns: number; dropped: number }>;
}

export async function openCalendar(store: Store, now: Date): Promise<Calendar> {
  let day = new Date(Math.floor(now.getTime() / DAY_MS - BEGINS_DAYS_AGO) * DAY_MS);
  let movedUntil = new Date(now.getTime() - DAY_MS);
  await ensurePartitions(store.db, day);
  return {
    async turn() {
      const until = new Date(Date.now() - SETTLED_MS);
      const movedRuns = await moveInto(store, day, movedUntil, until);
      movedUntil = until;
      day = new Date(day.getTime() + DAY_MS);
      await ensurePartitions(store.db, day);
      const dropped = await dropExpiredPartitions(store, day, KEPT_DAYS);
      await removeOlder(store, new Date(until.getTime() - KEPT_DAYS * DAY_TAKES_MS));
      return { movedRuns, dropped: dropped.length };
    },
  };
}

/** Runs that ended between two instants, and their lines; each keeps its time of the day. */
async function moveInto({ pool }: Store, day: Date, from: Date, until: Date): Promise<number> {
  const at = (column: string) => `$1::timestamptz + (${column} - date_trunc('day', ${column}, 'UTC'))`;
  const move = (table: string, column: string) =>
    retryDeadlock(() =>
      pool.query(`UPDATE ${table} SET ${column} = ${at(column)} WHERE ${column} >= $2 AND ${column} < $3`, [
        day,
        from,
        until,
      ]),
    );
  const { rowCount } = await move("task_runs", "finished_at");
  await move("task_logs", "at");
  return rowCount ?? 0;
}

/** What the scheduler does each hour, of what is older than the days that are left. */
async function removeOlder(store: Store, before: Date): Promise<void> {
  let lastId: string | undefined;
  do ({ lastId } = await removeExpiredTasks(store, before, BATCH, lastId));
  while (lastId !== undefined);
  for (const remove of [removeExpiredEvents, removeExpiredGroups, removeExpiredBulks])
    while ((await remove(store, before, BATCH)) === BATCH);
}
