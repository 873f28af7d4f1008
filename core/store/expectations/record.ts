/**
 * What is expected of occurrences, written down when their runs are made. States of a row: watched (`look_at`) → gone
 * (it succeeded in time, or nobody expects it any more) or missed (`missed_at`), which may be watched on for its cadence.
 * An instant that has not fired is missed from its beginning (unfired.ts), and is given its run when that is there.
 */
import { dueOf, type Expectation, lookAtOf } from "../../domain/expectation.ts";
import type { Schedule } from "../../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../../domain/skipped.ts";
import { byIndex } from "../by-index.ts";
import type { QueryScope } from "../database.ts";
import { toJsonText } from "../json-text.ts";

export interface ExpectedRun {
  taskId: string;
  runId: string;
  scheduledFor: Date;
  dueAt: Date;
  /** When the next occurrence fires, which the run must not outlast; null: there is none. */
  nextAt: Date | null;
}

const RECORD = {
  name: "record-expectations",
  text: `INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, next_at, look_at)
    SELECT t.namespace_id, t.id, e.run_id, e.scheduled_for, e.due_at, e.next_at, e.look_at
    FROM json_to_recordset($1::json) AS e(task_id uuid, run_id uuid, scheduled_for timestamptz, due_at timestamptz,
      next_at timestamptz, look_at timestamptz) JOIN tasks t ON ${byIndex("t.id", "e.task_id")}`,
};

/** In the transaction that makes the runs. */
export async function recordExpectations(
  { pool }: QueryScope,
  expected: readonly ExpectedRun[],
): Promise<void> {
  if (expected.length === 0) return;
  const rows = expected.map(({ taskId, runId, scheduledFor, dueAt, nextAt }) => ({
    ...{ task_id: taskId, run_id: runId, scheduled_for: scheduledFor },
    ...{ due_at: dueAt, next_at: nextAt, look_at: lookAtOf({ dueAt, nextAt }) },
  }));
  await pool.query({ ...RECORD, values: [toJsonText(rows)] });
}

/** By when the first of instants that were missed had to succeed; undefined: nobody expected them. */
export function dueOfSkipped(
  { reason, firstAt }: SkippedInstants,
  expect: Expectation | null,
  schedule: Schedule,
): Date | undefined {
  return expect && reason === "missed" ? dueOf(expect, schedule, new Date(firstAt)) : undefined;
}

/** The part of a statement that writes it down of a run at once of a CTE `run`: $n as `toExpectationText` has it. */
export const recordAtBirth = (expectation: `$${number}`) => `
  INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, look_at)
  SELECT r.namespace_id, r.task_id, r.id, r.scheduled_for, e.due_at, e.due_at FROM run r CROSS JOIN LATERAL (
    SELECT coalesce((${expectation}::jsonb ->> 'dueAt')::timestamptz,
      r.scheduled_for + (${expectation}::jsonb ->> 'withinMs')::float8 * interval '1 millisecond') AS due_at) AS e`;

/** A time of day is found by our clock, a duration counts from the run's own instant, which is the database's. */
export const toExpectationText = (expect: Expectation, schedule: Schedule, now: Date): string =>
  toJsonText("withinMs" in expect ? expect : { dueAt: dueOf(expect, schedule, now) });
