/** Callbacks become runs: who told somebody something inserts them in the same transaction. */
import { type Telling, toEmail, toRequest } from "../../domain/callback-message.ts";
import type { Callback } from "../../domain/callbacks.ts";
import type { TaskType } from "../../domain/task-spec.ts";
import { newId } from "../ids.ts";
import { toJsonText } from "../json-text.ts";
import { INSERT_TASK_CALLBACKS, insertCallbacks, TASK_FACTS } from "../runs/insert.ts";
import { IS_QUEUE_THERE } from "../runs/queue-there.ts";
import { STAGED, type StagedRun } from "../runs/staged-run.ts";
import { resolveTaskId } from "../tasks/keys.ts";
import { toSpecColumn } from "../tasks/spec-column.ts";
import type { Transaction } from "../transaction.ts";

/** Somebody who is told something. */
export interface Call {
  callback: Callback;
  namespaceId: string;
  /** The run that it tells of; null: of none. */
  runId: string | null;
  /** How many callbacks led to it, itself included. */
  depth: number;
  /** Undefined: what it would tell of is past the retention, and only tasks are run. */
  telling: Telling | undefined;
}

/** A task that was cancelled or removed does not run, nor one that is over and whose queue was deleted since. */
const MAKE = `
  WITH gone AS (DELETE FROM run_callbacks WHERE id = ANY($1::bigint[])),
  asked AS MATERIALIZED (SELECT t.state, ${IS_QUEUE_THERE("t")} AS has_queue, ${TASK_FACTS} FROM tasks t
    WHERE t.id IN (SELECT task_id FROM json_to_recordset($3::json) AS c(task_id uuid)) AND t.removed_at IS NULL
    ORDER BY t.id FOR SHARE),
  task AS (SELECT * FROM asked WHERE state <> 'cancelled' AND has_queue),
  sent AS (${insertCallbacks("$2")} RETURNING id, available_at, traceparent),
  run AS (${INSERT_TASK_CALLBACKS} RETURNING id, available_at, traceparent)
  SELECT ${STAGED} FROM (SELECT * FROM sent UNION ALL SELECT * FROM run) AS r`;

/** @param noteIds rows of `run_callbacks` that are thereby dealt with */
export async function insertCalls(
  tx: Transaction,
  calls: readonly Call[],
  noteIds: readonly string[] = [],
): Promise<StagedRun[]> {
  const sent: SentRow[] = [];
  const tasks: TaskRow[] = [];
  for (const call of calls) {
    const { callback, namespaceId, telling } = call;
    const base = { id: newId(), namespace_id: namespaceId, callback_of: call.runId };
    if ("task" in callback) {
      const taskId = await resolveTaskId(tx, namespaceId, callback.task);
      if (taskId) tasks.push({ ...base, task_id: taskId, depth: call.depth });
    } else if (telling) {
      const row = await toSent(tx, callback, telling, namespaceId);
      if (row) sent.push({ ...base, ...row });
    }
  }
  const { rows } = await tx.pool.query<StagedRun>({
    name: "make-callbacks",
    text: MAKE,
    values: [noteIds, `[${sent.map(toText).join(",")}]`, toJsonText(tasks)],
  });
  return rows;
}

interface TaskRow {
  id: string;
  namespace_id: string;
  callback_of: string | null;
  task_id: string;
  depth: number;
}

interface Sent {
  type: TaskType;
  function_id: string | null;
  /** JSON text. */
  input: string;
}
type SentRow = Sent & { id: string; namespace_id: string; callback_of: string | null };

const toText = ({ input, ...row }: SentRow) => `${toJsonText(row).slice(0, -1)},"input":${input}}`;

async function toSent(
  tx: Transaction,
  callback: Exclude<Callback, { task: string }>,
  telling: Telling,
  namespaceId: string,
): Promise<Sent | undefined> {
  if (callback.type === "http")
    return { type: "http", function_id: null, input: toSpecColumn(toRequest(callback.url, telling)) };
  if (callback.type === "email")
    return { type: "email", function_id: null, input: toSpecColumn(toEmail(callback.to, telling)) };
  const functionId = await findFunction(tx, namespaceId, callback.function);
  return functionId === undefined
    ? undefined
    : { type: "function", function_id: functionId, input: toJsonText(telling.message) };
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
