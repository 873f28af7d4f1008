/**
 * Callbacks of a run that has ended. Its end writes down whom it calls (`callBack` in runs/end.ts); then their runs are made,
 * by whoever comes first, in the transaction that takes the note away: none is lost, none is made twice.
 */
import { toWireRun } from "../../contracts/run.ts";
import { type EndedFacts, toEmail, toMessage, toRequest } from "../../domain/callback-message.ts";
import {
  type Callback,
  type CalledState,
  chooseCallbacks,
  type RunCallbacks,
} from "../../domain/callbacks.ts";
import type { RunError } from "../../domain/run-errors.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import type { Store } from "../database.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { INSERT_TASK_CALLBACKS, insertCallbacks, TASK_FACTS } from "../runs/insert.ts";
import { findRun } from "../runs/read.ts";
import { STAGED, type StagedRun } from "../runs/staged-run.ts";
import { resolveTaskId } from "../tasks/keys.ts";
import { toSpecColumn } from "../tasks/spec-column.ts";
import { inTransaction, type Transaction } from "../transaction.ts";

/** Ends that one call deals with; the caller repeats while there are as many. */
export const CALLBACK_BATCH = 100;

interface NotedEnd {
  id: string;
  runId: string;
  namespaceId: string;
  taskName: string | null;
  state: CalledState;
  error: RunError | null;
  callbacks: RunCallbacks;
  endedAt: Date;
}

const TAKE = {
  name: "take-callbacks",
  text: `SELECT c.id, c.run_id AS "runId", c.namespace_id AS "namespaceId", t.name AS "taskName", c.state, c.error,
      c.on_end AS callbacks, c.ended_at AS "endedAt"
    FROM run_callbacks c LEFT JOIN tasks t ON t.id = c.task_id
    ORDER BY c.id LIMIT $1 FOR UPDATE OF c SKIP LOCKED`,
};

/** A task that was cancelled or removed does not run. */
const MAKE = `
  WITH gone AS (DELETE FROM run_callbacks WHERE id = ANY($1::bigint[])),
  asked AS MATERIALIZED (SELECT t.state, ${TASK_FACTS} FROM tasks t
    WHERE t.id IN (SELECT task_id FROM json_to_recordset($3::json) AS c(task_id uuid)) AND t.removed_at IS NULL
    ORDER BY t.id FOR SHARE),
  task AS (SELECT * FROM asked WHERE state <> 'cancelled'),
  sent AS (${insertCallbacks("$2")} RETURNING id, available_at, traceparent),
  run AS (${INSERT_TASK_CALLBACKS} RETURNING id, available_at, traceparent)
  SELECT ${STAGED} FROM (SELECT * FROM sent UNION ALL SELECT * FROM run) AS r`;

export interface MadeCallbacks {
  /** Queued: to be rung. */
  runs: StagedRun[];
  /** Ends that were dealt with. */
  ends: number;
  /** Runs whose ends were to run tasks that do not run, because a chain of callbacks is as long as it may be. */
  bounded: string[];
}

/** Makes the runs of callbacks of the ends that were noted first. */
export async function makeCallbacks(store: Store): Promise<MadeCallbacks> {
  return await inTransaction(store.pool, async (tx) => {
    const { rows: ends } = await tx.pool.query<NotedEnd>({ ...TAKE, values: [CALLBACK_BATCH] });
    if (ends.length === 0) return { runs: [], ends: 0, bounded: [] };
    const sent: SentRow[] = [];
    const tasks: TaskRow[] = [];
    const bounded: string[] = [];
    for (const end of ends) {
      const { called, isBounded } = chooseCallbacks(end.callbacks, end.state);
      if (isBounded) bounded.push(end.runId);
      const facts = await findFacts(tx, end);
      for (const callback of called) {
        const base = { id: newId(), namespace_id: end.namespaceId, callback_of: end.runId };
        if ("task" in callback) {
          const taskId = await resolveTaskId(tx, end.namespaceId, callback.task);
          if (taskId) tasks.push({ ...base, task_id: taskId, depth: (end.callbacks.depth ?? 0) + 1 });
        } else if (facts) {
          const row = await toSent(tx, callback, facts, end);
          if (row) sent.push({ ...base, ...row });
        }
      }
    }
    const { rows: runs } = await tx.pool.query<StagedRun>({
      name: "make-callbacks",
      text: MAKE,
      values: [ends.map(({ id }) => id), `[${sent.map(toText).join(",")}]`, toJsonText(tasks)],
    });
    return { runs, ends: ends.length, bounded };
  });
}

interface TaskRow {
  id: string;
  namespace_id: string;
  callback_of: string;
  task_id: string;
  depth: number;
}

interface Sent {
  type: TaskType;
  function_id: string | null;
  /** JSON text. */
  input: string;
}
type SentRow = Sent & { id: string; namespace_id: string; callback_of: string };

const toText = ({ input, ...row }: SentRow) => `${toJsonText(row).slice(0, -1)},"input":${input}}`;

/** The run at its end, also where it was redriven since; undefined where it is past the retention by now. */
async function findFacts(tx: Transaction, end: NotedEnd): Promise<EndedFacts | undefined> {
  const run = await findRun(tx, end.namespaceId, end.runId);
  if (!run) return undefined;
  const { state, error, endedAt, taskName } = end;
  const shown = toWireRun({ ...run, state, error, finishedAt: endedAt });
  return { state, endedAt, taskName, run: shown as unknown as EndedFacts["run"] };
}

async function toSent(
  tx: Transaction,
  callback: Exclude<Callback, { task: string }>,
  facts: EndedFacts,
  { namespaceId }: NotedEnd,
): Promise<Sent | undefined> {
  if (callback.type === "http")
    return { type: "http", function_id: null, input: toSpecColumn(toRequest(callback.url, facts)) };
  if (callback.type === "email")
    return { type: "email", function_id: null, input: toSpecColumn(toEmail(callback.to, facts)) };
  const functionId = await findFunction(tx, namespaceId, callback.function);
  return functionId === undefined
    ? undefined
    : { type: "function", function_id: functionId, input: toJsonText(toMessage(facts)) };
}

/** Also one that was removed: its run says so. */
async function findFunction(
  { pool }: Transaction,
  namespaceId: string,
  name: string,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ id: string }>({
    name: "find-callback-function",
    text: `SELECT id FROM functions WHERE namespace_id = $1 AND name = $2
      ORDER BY removed_at DESC NULLS FIRST LIMIT 1`,
    values: [namespaceId, name],
  });
  return rows[0]?.id;
}
