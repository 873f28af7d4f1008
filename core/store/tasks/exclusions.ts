/**
 * What is kept of tasks whose schedules exclude instants (`task_exclusions`): the calendar that they name, and until when
 * instants are settled: each is a run, or is told of by one. What is excluded is told of once it has passed: by whoever
 * stages the next instant or changes the task or its calendar, or else by a job (settle-exclusions.ts), and by what holds
 * until then. Tasks that exclude nothing have no row, and nobody looks for one. Instants are nominal.
 */
import {
  type CalendarDates,
  calendarNameOf,
  excludesInstants,
  NO_DATES,
} from "../../domain/schedule/exclusions.ts";
import { findExcluded, nextOccurrence } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import { type FindNext, MAX_COUNTED, type SkippedInstants } from "../../domain/skipped.ts";
import type { QueryScope } from "../database.ts";
import { toJsonText } from "../json-text.ts";
import { growSkipped, recordSkipped, type SkippedRun } from "../runs/skip.ts";
import type { Transaction } from "../transaction.ts";

export interface TaskExclusion {
  /** Up to here, itself included; null: nobody has said, as it is with tasks of the release before. */
  settledUntil: Date | null;
  /** Of the calendar that the task names. */
  dates: CalendarDates | undefined;
  /** Tells one set of dates from another. */
  contentId: string | null;
  /** It tells of those that were excluded last, and nothing has come after them. */
  openRun: OpenRun | undefined;
}

/** A skipped run that grows. */
export type OpenRun = Omit<SkippedRun, "taskId">;

/** By the ids of their tasks: of those whose schedules exclude something. */
export type TaskExclusions = ReadonlyMap<string, TaskExclusion>;

/** Dates that were read, by their content's id; the one that was used last stands last. */
const keptDates = new Map<string, CalendarDates>();
const MAX_KEPT = 64;

function keepDates(contentId: string, dates: CalendarDates): void {
  keptDates.delete(contentId);
  keptDates.set(contentId, dates);
  if (keptDates.size > MAX_KEPT) keptDates.delete(keptDates.keys().next().value!);
}

/** Each calendar that is not known comes once, in the same look at the table. */
const LOAD = `
  WITH excluding AS MATERIALIZED (
    SELECT e.task_id, e.settled_until, e.open_run_id, e.open_run_at, c.namespace_id, c.name, c.content_id
    FROM task_exclusions e LEFT JOIN calendars c ON c.namespace_id = e.namespace_id AND c.name = e.calendar
    WHERE e.task_id = ANY($1::uuid[])
  )
  SELECT task_id, settled_until, open_run_id, open_run_at, content_id, NULL AS dates FROM excluding
  UNION ALL
  SELECT NULL, NULL, NULL, NULL, c.content_id, c.dates
  FROM (SELECT DISTINCT namespace_id, name FROM excluding WHERE content_id <> ALL($2::uuid[])) AS fresh
    JOIN calendars c ON c.namespace_id = fresh.namespace_id AND c.name = fresh.name`;

interface LoadedRow {
  task_id: string | null;
  settled_until: Date | null;
  open_run_id: string | null;
  open_run_at: Date | null;
  content_id: string | null;
  dates: string[] | null;
}

/** As the calendars stand right now. */
export async function loadExclusions(
  { pool }: QueryScope,
  tasks: readonly { id: string; schedule: Schedule }[],
): Promise<TaskExclusions> {
  const ids = tasks.flatMap(({ id, schedule }) => (excludesInstants(schedule) ? [id] : []));
  if (ids.length === 0) return new Map();
  const known = new Map(keptDates);
  const { rows } = await pool.query<LoadedRow>({
    name: "load-exclusions",
    text: LOAD,
    values: [ids, [...known.keys()]],
  });
  for (const { task_id, content_id, dates } of rows)
    if (task_id === null) known.set(content_id!, new Set(dates));
  const exclusions = rows.flatMap(
    ({ task_id, settled_until: settledUntil, content_id: contentId, ...open }) => {
      if (task_id === null) return [];
      const openRun = open.open_run_id === null ? undefined : { id: open.open_run_id, at: open.open_run_at! };
      return [[task_id, { settledUntil, contentId, dates: datesOf(known, contentId), openRun }] as const];
    },
  );
  for (const { contentId, dates } of new Map(exclusions).values())
    if (contentId !== null && dates) keepDates(contentId, dates);
  return new Map(exclusions);
}

const datesOf = (known: ReadonlyMap<string, CalendarDates>, contentId: string | null) =>
  contentId === null ? undefined : known.get(contentId);

/** Throws where no instant can be found: also where the calendar is not there. */
export function createFindNext(
  schedule: Schedule,
  anchorAt: Date,
  exclusion: TaskExclusion | undefined,
): FindNext {
  const name = calendarNameOf(schedule);
  if (name === undefined) return (after) => nextOccurrence(schedule, anchorAt, after);
  const dates = exclusion?.dates;
  return (after) => {
    if (!dates) throw new Error(`there is no calendar ${JSON.stringify(name)}`);
    return nextOccurrence(schedule, anchorAt, after, dates);
  };
}

/** What the schedule excludes after what is settled, up to `until`, itself included. */
export function findExcludedUntil(
  schedule: Schedule,
  anchorAt: Date,
  exclusion: TaskExclusion | undefined,
  until: Date,
): SkippedInstants | undefined {
  if (!exclusion?.settledUntil) return undefined;
  const { settledUntil, dates = NO_DATES } = exclusion;
  const before = new Date(until.getTime() + 1);
  try {
    const found = findExcluded(schedule, anchorAt, settledUntil, before, dates, MAX_COUNTED);
    if (!found) return undefined;
    const { count, firstAt, lastAt } = found;
    return { reason: "excluded", count, firstAt: firstAt.toISOString(), lastAt: lastAt.toISOString() };
  } catch {
    // What cannot be found is no instant of the schedule either.
    return undefined;
  }
}

/** The row of a task that gets this schedule at `now`, or none. */
export async function beginExclusion(
  { pool }: QueryScope,
  taskId: string,
  schedule: Schedule,
  now: Date,
): Promise<void> {
  await pool.query(
    `INSERT INTO task_exclusions (task_id, namespace_id, calendar, settled_until)
     SELECT id, namespace_id, $2, $3 FROM tasks WHERE id = $1
     ON CONFLICT (task_id) DO UPDATE SET calendar = excluded.calendar, settled_until = excluded.settled_until,
       open_run_id = NULL, open_run_at = NULL, look_at = excluded.look_at`,
    [taskId, calendarNameOf(schedule) ?? null, now],
  );
}

export async function endExclusion({ pool }: Transaction, taskId: string): Promise<void> {
  await pool.query("DELETE FROM task_exclusions WHERE task_id = $1", [taskId]);
}

/** What is settled stays so. */
const settleText = (lookAt: string) => `
  INSERT INTO task_exclusions AS e
    (task_id, namespace_id, calendar, settled_until, open_run_id, open_run_at, look_at)
  SELECT t.id, t.namespace_id, t.schedule #>> '{exclude,calendar}', s.until, s.run_id, s.run_at,
    coalesce(s.look_at, '-infinity')
  FROM json_to_recordset($1::json) AS s(id uuid, until timestamptz, run_id uuid, run_at timestamptz,
    look_at timestamptz) JOIN tasks t ON t.id = s.id
  ON CONFLICT (task_id) DO UPDATE SET settled_until = greatest(e.settled_until, excluded.settled_until),
    open_run_id = excluded.open_run_id, open_run_at = excluded.open_run_at, look_at = ${lookAt}`;

/** A look that stands comes early enough; a task that nobody looks at any more fires again. */
const SETTLE_STAGED = settleText("CASE WHEN e.look_at = 'infinity' THEN excluded.look_at ELSE e.look_at END");
const SETTLE = settleText("excluded.look_at");

/** By a pass that staged what comes after it, or told of it: nothing grows any more. */
export async function settleStaged(
  { pool }: QueryScope,
  settled: readonly { id: string; until: Date }[],
): Promise<void> {
  if (settled.length > 0) await pool.query(SETTLE_STAGED, [toJsonText(settled)]);
}

/** What was staged after `until` has been taken back: it is not settled any more. */
export async function unsettleAfter(
  { pool }: Transaction,
  tasks: readonly { id: string; until: Date }[],
): Promise<void> {
  if (tasks.length === 0) return;
  await pool.query(
    `UPDATE task_exclusions e SET settled_until = least(e.settled_until, s.until)
     FROM json_to_recordset($1::json) AS s(id uuid, until timestamptz) WHERE e.task_id = s.id`,
    [toJsonText(tasks)],
  );
}

/**
 * Until when the instants of a task are settled once somebody has looked at it: before the one that is due and not staged
 * yet, else until now.
 */
export function findSettled(
  cursor: Date | null,
  nominalNow: Date,
  exclusion: TaskExclusion | undefined,
): Date {
  const until = cursor && cursor <= nominalNow ? new Date(cursor.getTime() - 1) : nominalNow;
  const settledUntil = exclusion?.settledUntil;
  return settledUntil && settledUntil > until ? settledUntil : until;
}

/** A locked task, with what was loaded of it. */
export interface ExcludingTask {
  id: string;
  schedule: Schedule;
  anchorAt: Date;
  exclusion: TaskExclusion | undefined;
  /** Instants that are not excluded have passed since: what follows is told of by another row. */
  isInterrupted?: boolean;
  /** When the job is to look again; null: not before somebody says so; left out: as soon as it can. */
  lookAt?: Date | null;
}

/** Tells of what the tasks exclude up to `until` of each, and settles it. Answers what it told. */
export async function recordExcluded(
  tx: Transaction,
  tasks: readonly (ExcludingTask & { until: Date })[],
): Promise<SkippedInstants[]> {
  const excluding = tasks.filter(({ schedule }) => excludesInstants(schedule));
  if (excluding.length === 0) return [];
  const told = excluding.flatMap(({ id: taskId, schedule, anchorAt, exclusion, until }) => {
    const skipped = findExcludedUntil(schedule, anchorAt, exclusion, until);
    return skipped ? [{ taskId, skipped, openRun: exclusion?.openRun }] : [];
  });
  const written = await tellExcluded(tx, told);
  const settled = excluding.map(({ id, until, exclusion, isInterrupted, lookAt }) => {
    const run = isInterrupted ? undefined : (written.get(id) ?? exclusion?.openRun);
    return { id, until, run_id: run?.id, run_at: run?.at, look_at: lookAt === null ? "infinity" : lookAt };
  });
  await tx.pool.query(SETTLE, [toJsonText(settled)]);
  return told.map(({ skipped }) => skipped);
}

/** Each in the row of those before it, where it may grow; else in one of its own. Answers the rows, by their tasks. */
export async function tellExcluded(
  scope: QueryScope,
  told: readonly { taskId: string; skipped: SkippedInstants; openRun: OpenRun | undefined }[],
): Promise<ReadonlyMap<string, OpenRun>> {
  const growing = told.flatMap((one) => (one.openRun ? [{ ...one, run: one.openRun }] : []));
  const grown = await growSkipped(scope, growing);
  const others = told.filter(({ openRun }) => !openRun || !grown.has(openRun.id));
  const made = others.length > 0 ? await recordSkipped(scope, others) : [];
  return new Map<string, OpenRun>([
    ...growing.flatMap(({ taskId, run }) => (grown.has(run.id) ? [[taskId, run] as const] : [])),
    ...made.map(({ taskId, ...run }) => [taskId, run] as const),
  ]);
}
