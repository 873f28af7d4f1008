/** What is told of an expectation that was not met: an event, and the callbacks `late` of its task as it stands. */
import { toWireRun } from "../../contracts/run.ts";
import { type RunFacts, type Telling, tellRun, tellUnfired } from "../../domain/callback-message.ts";
import type { Callback } from "../../domain/callbacks.ts";
import type { JsonObject } from "../../json.ts";
import { byIndex } from "../by-index.ts";
import { type Call, insertCalls } from "../callbacks/insert-calls.ts";
import { toJsonText } from "../json-text.ts";
import { CALLBACKS_OF_TASK } from "../runs/insert.ts";
import { findRun } from "../runs/read.ts";
import type { StagedRun } from "../runs/staged-run.ts";
import type { Transaction } from "../transaction.ts";
import { CURRENT_XID } from "../xid.ts";

/** As events of it have it. */
export interface ToldRun {
  id: string;
  namespaceId: string;
  taskId: string;
  functionId: string | null;
  /** Of the transaction of the last event that it has. */
  xid: string;
  data: JsonObject;
}

export interface LateRun {
  run: ToldRun;
  event: "late" | "overran";
  /** What is told besides: `dueAt`, or `waitMs` and `runMs`. */
  more: { dueAt: Date } | { waitMs: number; runMs: number | null };
}

/** An instant that should have fired, and succeeded, by now. */
export interface UnfiredInstant {
  taskId: string;
  taskName: string | null;
  namespaceId: string;
  scheduledFor: Date;
  dueAt: Date;
}

const TELL_RUNS = {
  name: "tell-late-runs",
  text: `INSERT INTO events (recorded_xid, namespace_id, type, task_id, run_id, function_id, data)
    SELECT greatest(${CURRENT_XID}, e.xid), e.namespace_id, e.type, e.task_id, e.run_id, e.function_id, e.data
    FROM json_to_recordset($1::json) AS e(xid bigint, namespace_id uuid, type text, task_id uuid, run_id uuid,
      function_id uuid, data jsonb)`,
};

const TELL_TASKS = {
  name: "tell-late-tasks",
  text: `INSERT INTO events (namespace_id, type, task_id, function_id, data)
    SELECT t.namespace_id, 'task.late', t.id, t.function_id, jsonb_build_object('name', t.name, 'type', t.type,
      'state', t.state, 'pausedReason', NULL, 'nextRunAt', t.next_run_at, 'scheduledFor', e.scheduled_for, 'dueAt', e.due_at)
    FROM json_to_recordset($1::json) AS e(task_id uuid, scheduled_for timestamptz, due_at timestamptz)
      JOIN tasks t ON ${byIndex("t.id", "e.task_id")}`,
};

/** In the transaction that says that they are late. Answers the runs of callbacks. */
export async function tellLateRuns(
  tx: Transaction,
  late: readonly LateRun[],
  now: Date,
): Promise<StagedRun[]> {
  if (late.length === 0) return [];
  const events = late.map(({ run, event, more }) => ({
    ...{ xid: run.xid, namespace_id: run.namespaceId, type: `run.${event}`, task_id: run.taskId },
    ...{ run_id: run.id, function_id: run.functionId, data: { ...run.data, ...more } },
  }));
  await tx.pool.query({ ...TELL_RUNS, values: [toJsonText(events)] });
  const called = await findCalled(
    tx,
    late.map(({ run }) => run.taskId),
  );
  const calls: Call[] = [];
  for (const one of late) {
    const { callbacks, name } = called.get(one.run.taskId) ?? NOBODY;
    if (callbacks.length === 0) continue;
    const { id: runId, namespaceId } = one.run;
    const telling = await findTelling(tx, one, name, now);
    calls.push(...callbacks.map((callback) => ({ callback, namespaceId, runId, depth: 1, telling })));
  }
  return calls.length > 0 ? await insertCalls(tx, calls) : [];
}

/** The same of instants without a run. */
export async function tellUnfiredInstants(
  tx: Transaction,
  unfired: readonly UnfiredInstant[],
  now: Date,
): Promise<StagedRun[]> {
  if (unfired.length === 0) return [];
  const events = unfired.map(({ taskId, scheduledFor, dueAt }) => ({
    ...{ task_id: taskId, scheduled_for: scheduledFor, due_at: dueAt },
  }));
  await tx.pool.query({ ...TELL_TASKS, values: [toJsonText(events)] });
  const called = await findCalled(
    tx,
    unfired.map(({ taskId }) => taskId),
  );
  const calls = unfired.flatMap((instant): Call[] => {
    const { callbacks } = called.get(instant.taskId) ?? NOBODY;
    const telling = tellUnfired({ ...instant, at: now });
    const of = { namespaceId: instant.namespaceId, runId: null, depth: 1, telling };
    return callbacks.map((callback) => ({ callback, ...of }));
  });
  return calls.length > 0 ? await insertCalls(tx, calls) : [];
}

interface Called {
  callbacks: readonly Callback[];
  name: string | null;
}
const NOBODY: Called = { callbacks: [], name: null };

const FIND_CALLED = {
  name: "find-late-callbacks",
  text: `SELECT t.id, t.name, ${CALLBACKS_OF_TASK} -> 'late' AS callbacks FROM tasks t
    WHERE t.id = ANY($1::uuid[])`,
};

/** By the ids of the tasks. */
async function findCalled({ pool }: Transaction, taskIds: string[]): Promise<Map<string, Called>> {
  const { rows } = await pool.query<{ id: string; name: string | null; callbacks: Callback[] | null }>({
    ...FIND_CALLED,
    values: [taskIds],
  });
  return new Map(rows.map(({ id, name, callbacks }) => [id, { name, callbacks: callbacks ?? [] }]));
}

/** The run as it is shown now, and what is told besides. */
async function findTelling(
  tx: Transaction,
  { run: { id, namespaceId }, event, more }: LateRun,
  taskName: string | null,
  at: Date,
): Promise<Telling | undefined> {
  const run = await findRun(tx, namespaceId, id);
  if (!run) return undefined;
  const shown = { ...toWireRun(run), ...("dueAt" in more ? { dueAt: more.dueAt.toISOString() } : more) };
  return tellRun({ event, at, taskName, run: shown as unknown as RunFacts["run"] });
}
