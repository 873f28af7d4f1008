/**
 * A calendar gets its dates, and the tasks that name it go by them from the same commit on. Locks are taken in one order:
 * tasks, then the calendar. A task that is staged meanwhile is waited for; one that is about to name the calendar holds it
 * until it stands, or waits and finds the new dates.
 */
import type { Calendar } from "../../contracts/calendar.ts";
import type { CalendarDates } from "../../domain/schedule/exclusions.ts";
import { conflict, messageOf } from "../../errors.ts";
import { byIndex } from "../by-index.ts";
import type { Store } from "../database.ts";
import { tellTasks } from "../events/record.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { toColumn, toNominal } from "../tasks/cursor.ts";
import { createFindNext, findSettled, recordExcluded } from "../tasks/exclusions.ts";
import { type LockedTask, lockTasks } from "../tasks/lock.ts";
import { toExcluding } from "../tasks/passed-instants.ts";
import type { NextCursor } from "../tasks/save-states.ts";
import { inTransaction, type Transaction } from "../transaction.ts";
import { FACTS, findCalendar, MAX_CALENDARS } from "./calendars.ts";

const INSERT = `
  INSERT INTO calendars (namespace_id, name, dates, content_id)
  SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM calendars WHERE namespace_id = $1) < ${MAX_CALENDARS}
  ON CONFLICT DO NOTHING RETURNING ${FACTS}, dates`;

/** 409 where there are MAX_CALENDARS others. `now` is asked once the tasks are locked: what fired until then has fired. */
export async function putCalendar(
  store: Store,
  namespaceId: string,
  name: string,
  given: readonly string[],
  now: () => Date,
): Promise<{ calendar: Calendar; isNew: boolean }> {
  const dates = [...new Set(given)].toSorted();
  return await inTransaction(store.pool, async (tx) => {
    const changed = await changeDates(tx, namespaceId, name, dates, now);
    if (changed) return { calendar: changed, isNew: false };
    // One after another: two that are made at once would not count each other.
    await tx.pool.query("SELECT FROM namespaces WHERE id = $1 FOR NO KEY UPDATE", [namespaceId]);
    const { rows } = await tx.pool.query<Calendar>(INSERT, [namespaceId, name, dates, newId()]);
    if (rows[0]) return { calendar: rows[0], isNew: true };
    // Somebody else made it meanwhile, and it stands now.
    const made = await changeDates(tx, namespaceId, name, dates, now);
    if (made) return { calendar: made, isNew: false };
    throw conflict(`A namespace has at most ${MAX_CALENDARS} calendars.`, "too_many_calendars");
  });
}

/** Undefined: there is no such calendar. */
async function changeDates(
  tx: Transaction,
  namespaceId: string,
  name: string,
  dates: string[],
  now: () => Date,
): Promise<Calendar | undefined> {
  const standing = await findCalendar(tx, namespaceId, name);
  if (!standing) return undefined;
  const taskIds = await lockNamingTasks(tx, namespaceId, name, []);
  const { rows } = await tx.pool.query<{ dates: string[] }>(
    "SELECT dates FROM calendars WHERE namespace_id = $1 AND name = $2 FOR UPDATE",
    [namespaceId, name],
  );
  if (!rows[0]) return undefined;
  if (rows[0].dates.join() === dates.join()) return standing;
  taskIds.push(...(await lockNamingTasks(tx, namespaceId, name, taskIds)));
  await moveCursors(tx, namespaceId, taskIds, new Set(dates), now());
  const { rows: changed } = await tx.pool.query<Calendar>(
    `UPDATE calendars SET dates = $3, content_id = $4, updated_at = clock_timestamp()
     WHERE namespace_id = $1 AND name = $2 RETURNING ${FACTS}, dates`,
    [namespaceId, name, dates, newId()],
  );
  return changed[0];
}

/** Those that name it besides these. */
async function lockNamingTasks({ pool }: Transaction, namespaceId: string, name: string, others: string[]) {
  const { rows } = await pool.query<{ id: string }>(
    `SELECT t.id FROM tasks t WHERE t.id IN (
       SELECT task_id FROM task_exclusions WHERE namespace_id = $1 AND calendar = $2 AND task_id <> ALL($3::uuid[]))
     ORDER BY t.id FOR UPDATE`,
    [namespaceId, name, others],
  );
  return rows.map(({ id }) => id);
}

/** Between two statements a transaction may not rest for long. */
const BATCH = 200;

/** What has passed by the dates that were is told of by those; what comes fires by the new ones. */
async function moveCursors(
  tx: Transaction,
  namespaceId: string,
  taskIds: readonly string[],
  dates: CalendarDates,
  now: Date,
): Promise<void> {
  for (let from = 0; from < taskIds.length; from += BATCH) {
    const locked = await lockTasks(tx, namespaceId, taskIds.slice(from, from + BATCH));
    const open = [...locked.values()].filter(isOpen);
    const settled = open.map((one) => {
      const { cursor, offsetMs, exclusion } = one;
      return { one, until: findSettled(cursor, toNominal(now, offsetMs)!, exclusion) };
    });
    await recordExcluded(
      tx,
      settled.map(({ one, until }) => toExcluding(one, until)),
    );
    const moved = settled.flatMap(({ one, until }) => {
      const next = findCursor(one, until, dates);
      return isWhereItStood(one, next) ? [] : [toNext(one, next)];
    });
    await saveCursors(tx, moved);
  }
}

const isWhereItStood = ({ cursor, offsetMs, isTakenBack }: LockedTask, { next_run_at }: NextCursor) =>
  !isTakenBack && next_run_at !== null && next_run_at.getTime() === toColumn(cursor, offsetMs)?.getTime();

/** One that is over stays so. */
const isOpen = ({ task: { state } }: LockedTask) => state === "active" || state === "paused";

function findCursor(
  { task, anchorAt, offsetMs, exclusion }: LockedTask,
  after: Date,
  dates: CalendarDates,
): NextCursor {
  const findNext = createFindNext(task.schedule, anchorAt, exclusion && { ...exclusion, dates });
  try {
    return { next_run_at: toColumn(findNext(after), offsetMs) };
  } catch (error) {
    return { next_run_at: null, seek_from: after, seek_error: messageOf(error) };
  }
}

interface NextState extends NextCursor {
  id: string;
  state: "active" | "paused" | "completed";
}

function toNext({ task: { id, state } }: LockedTask, cursor: NextCursor): NextState {
  const isOver = state === "active" && cursor.next_run_at === null && cursor.seek_from === undefined;
  return { id, state: isOver ? "completed" : state === "paused" ? "paused" : "active", ...cursor };
}

async function saveCursors(tx: Transaction, next: readonly NextState[]): Promise<void> {
  if (next.length === 0) return;
  await tx.pool.query(
    `UPDATE tasks t SET state = s.state, next_run_at = s.next_run_at, seek_from = s.seek_from, seek_error = s.seek_error,
       seek_tried_at = NULL
     FROM json_to_recordset($1::json) AS s(id uuid, state text, next_run_at timestamptz, seek_from timestamptz,
       seek_error text)
     WHERE ${byIndex("t.id", "s.id")}`,
    [toJsonText(next)],
  );
  await tellTasks(
    tx,
    "completed",
    next.flatMap(({ id, state }) => (state === "completed" ? [id] : [])),
  );
}
