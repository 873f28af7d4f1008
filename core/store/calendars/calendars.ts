/**
 * Calendars of a namespace: named sets of days that schedules exclude. How a change reaches the tasks that name one is
 * change.ts; what the search for an instant sees of them, ../tasks/exclusions.ts.
 */
import type { Calendar, CalendarFacts } from "../../contracts/calendar.ts";
import { type CalendarDates, calendarNameOf } from "../../domain/schedule/exclusions.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { conflict, invalidField, notFound } from "../../errors.ts";
import type { QueryScope, Store } from "../database.ts";
import { inTransaction, type Transaction } from "../transaction.ts";

/** Of one namespace. */
export const MAX_CALENDARS = 100;

export const FACTS = `name, created_at AS "createdAt", updated_at AS "updatedAt"`;

/** All of them, by name. */
export async function listCalendars(
  { pool }: QueryScope,
  namespaceId: string,
): Promise<(CalendarFacts & { dateCount: number })[]> {
  const { rows } = await pool.query<CalendarFacts & { dateCount: number }>(
    `SELECT ${FACTS}, cardinality(dates) AS "dateCount" FROM calendars WHERE namespace_id = $1 ORDER BY name`,
    [namespaceId],
  );
  return rows;
}

export async function findCalendar(
  { pool }: QueryScope,
  namespaceId: string,
  name: string,
): Promise<Calendar | undefined> {
  const { rows } = await pool.query<Calendar>(
    `SELECT ${FACTS}, dates FROM calendars WHERE namespace_id = $1 AND name = $2`,
    [namespaceId, name],
  );
  return rows[0];
}

/**
 * Whoever would change the calendar waits for the transaction's end. It is against the order of locks, tasks first: who meets
 * somebody in that order may have to begin again, after a deadlock.
 */
export async function holdCalendar({ pool }: Transaction, namespaceId: string, name: string): Promise<void> {
  await pool.query("SELECT FROM calendars WHERE namespace_id = $1 AND name = $2 FOR UPDATE", [
    namespaceId,
    name,
  ]);
}

/** The days of the calendar that a schedule names; undefined: it names none. 422 where there is no such calendar. */
export async function findCalendarDates(
  scope: QueryScope,
  namespaceId: string,
  schedule: Schedule,
): Promise<CalendarDates | undefined> {
  return await readDates(scope, namespaceId, schedule, "");
}

/** The same for a task that is about to be written: the calendar stays as it is until the transaction ends. */
export async function holdCalendarDates(
  tx: Transaction,
  namespaceId: string,
  schedule: Schedule,
): Promise<CalendarDates | undefined> {
  return await readDates(tx, namespaceId, schedule, "FOR SHARE");
}

async function readDates({ pool }: QueryScope, namespaceId: string, schedule: Schedule, lock: string) {
  const name = calendarNameOf(schedule);
  if (name === undefined) return undefined;
  const { rows } = await pool.query<{ dates: string[] }>(
    `SELECT dates FROM calendars WHERE namespace_id = $1 AND name = $2 ${lock}`,
    [namespaceId, name],
  );
  if (rows[0]) return new Set(rows[0].dates);
  const message = `there is no calendar ${JSON.stringify(name)} in this namespace`;
  throw invalidField("schedule.exclude.calendar", message, "unknown_calendar");
}

const SHOWN_TASKS = 3;

/** 404 where there is none; 409 where tasks name it that may fire again. */
export async function deleteCalendar(store: Store, namespaceId: string, name: string): Promise<void> {
  await inTransaction(store.pool, async ({ pool }) => {
    // Whoever is about to name it holds it, or finds that it is gone.
    const { rowCount } = await pool.query(
      "SELECT FROM calendars WHERE namespace_id = $1 AND name = $2 FOR UPDATE",
      [namespaceId, name],
    );
    if (rowCount === 0) throw notFound("calendar", name);
    const { rows } = await pool.query<{ task: string }>(
      `SELECT coalesce(t.key, t.id::text) AS task FROM task_exclusions e JOIN tasks t ON t.id = e.task_id
       WHERE e.namespace_id = $1 AND e.calendar = $2 AND t.removed_at IS NULL AND t.state <> 'cancelled'
       ORDER BY e.task_id LIMIT ${SHOWN_TASKS + 1}`,
      [namespaceId, name],
    );
    if (rows.length > 0) throw isInUse(rows.map(({ task }) => task));
    await pool.query("DELETE FROM calendars WHERE namespace_id = $1 AND name = $2", [namespaceId, name]);
  });
}

function isInUse(tasks: string[]) {
  const others = tasks.length > SHOWN_TASKS ? " and others" : "";
  const shown = tasks.slice(0, SHOWN_TASKS).join(", ");
  return conflict(
    `Tasks exclude the calendar's days: ${shown}${others}. Change their schedules or cancel them first.`,
    "calendar_in_use",
  );
}
