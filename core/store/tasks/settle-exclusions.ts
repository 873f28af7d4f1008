/**
 * What schedules exclude is told of as it passes, where nothing else looks at the task. `look_at` says when: not after the
 * next instant that is excluded, and by an index, so that nobody walks over tasks of which none is. It may come early;
 * then there is nothing to tell, and it is set anew. `-infinity`: as soon as possible; `infinity`: not before somebody
 * stages the task, changes it or resumes it.
 */
import { sql } from "kysely";
import { NO_DATES } from "../../domain/schedule/exclusions.ts";
import { findExcluded } from "../../domain/schedule/occurrences.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import type { Store } from "../database.ts";
import { inTransaction } from "../transaction.ts";
import { toColumn, toNominal } from "./cursor.ts";
import { findSettled, loadExclusions, recordExcluded, type TaskExclusion } from "./exclusions.ts";

const DAY_MS = 86_400_000;
/** Of a task, at least: a schedule may exclude each second of a night. */
export const LOOK_EVERY_MS = 60_000;
/** How far ahead it is looked for what comes. */
const SEARCH_MS = DAY_MS;
/** Of a task that is over: nothing else comes. */
const LAST_SEARCH_MS = 400 * DAY_MS;
/** Slow rules: those that come too late are the next pass's. */
const SETTLE_MS = 1_000;

interface LookedTask {
  id: string;
  schedule: Schedule;
  anchor_at: Date;
  next_run_at: Date | null;
  jitter_offset_ms: number | null;
  state: "active" | "paused" | "completed" | "cancelled";
  runs_left: number | null;
  removed_at: Date | null;
}

/** Up to `limit` tasks. Answers how many it looked at, and what it told of. */
export async function settleExclusions(
  store: Store,
  now: Date,
  limit: number,
): Promise<{ looked: number; told: SkippedInstants[] }> {
  return await inTransaction(store.pool, async (tx) => {
    // Whoever stages or changes a task looks at what it excludes, and takes the same lock.
    const { rows } = await sql<LookedTask>`
      SELECT t.id, t.schedule, t.anchor_at, t.next_run_at, t.jitter_offset_ms, t.state, t.runs_left, t.removed_at
      FROM task_exclusions e JOIN tasks t ON t.id = e.task_id
      WHERE e.look_at <= ${now} ORDER BY e.look_at LIMIT ${limit} FOR UPDATE OF t SKIP LOCKED`.execute(tx.db);
    const exclusions = await loadExclusions(tx, rows);
    const untilMs = performance.now() + SETTLE_MS;
    const settled = [];
    for (const task of rows) {
      settled.push(settle(task, exclusions.get(task.id), now));
      if (performance.now() > untilMs) break;
    }
    const told = await recordExcluded(tx, settled);
    return { looked: settled.length, told };
  });
}

function settle(task: LookedTask, exclusion: TaskExclusion | undefined, now: Date) {
  const { id, schedule, anchor_at: anchorAt, next_run_at, jitter_offset_ms: offsetMs } = task;
  const nominalNow = toNominal(now, offsetMs)!;
  const given = { id, schedule, anchorAt, exclusion };
  if (isQuiet(task, now)) {
    const until = exclusion?.settledUntil ?? nominalNow;
    return { ...given, until, lookAt: null };
  }
  const until = findSettled(toNominal(next_run_at, offsetMs), nominalNow, exclusion);
  const next = toColumn(findNext(task, exclusion, until), offsetMs);
  const earliest = new Date(now.getTime() + LOOK_EVERY_MS);
  return { ...given, until, lookAt: next && (next > earliest ? next : earliest) };
}

/** Whoever makes it fire again, or changes it, says so. */
function isQuiet({ state, runs_left, removed_at, next_run_at }: LookedTask, now: Date): boolean {
  const isOver = removed_at !== null || state === "cancelled" || (state === "completed" && runs_left === 0);
  // What passes from here on is told of when it is resumed, with what it slept through.
  return isOver || (state === "paused" && next_run_at !== null && next_run_at <= now);
}

/** The next that is excluded after `until`, or how far that was looked for; null: there is none any more. */
function findNext(
  { schedule, anchor_at, state }: LookedTask,
  exclusion: TaskExclusion | undefined,
  until: Date,
): Date | null {
  const isLast = state === "completed";
  const before = new Date(until.getTime() + (isLast ? LAST_SEARCH_MS : SEARCH_MS));
  try {
    const found = findExcluded(schedule, anchor_at, until, before, exclusion?.dates ?? NO_DATES, 1);
    return found?.firstAt ?? (isLast ? null : before);
  } catch {
    return before;
  }
}
