/** Which overruns are told of: a task that goes on overrunning is told of once (`chooseToldOverruns`). */
import { chooseToldOverruns, type JudgedCadence } from "../../domain/expectation.ts";
import type { Transaction } from "../transaction.ts";

/** Those that were none before. Who comes at once waits for the first, and finds its row. */
const BEGIN = {
  name: "begin-overruns",
  text: `INSERT INTO overrunning_tasks (task_id, run_id)
    SELECT task_id, run_id FROM unnest($1::uuid[], $2::uuid[]) AS o(task_id, run_id) ORDER BY task_id
    ON CONFLICT (task_id) DO NOTHING RETURNING task_id AS "taskId"`,
};

const END = { name: "end-overruns", text: "DELETE FROM overrunning_tasks WHERE task_id = ANY($1::uuid[])" };

/** The runs that are to be told of. */
export async function takeFirstOverruns(
  { pool }: Transaction,
  judged: readonly JudgedCadence[],
): Promise<Set<string>> {
  if (judged.length === 0) return new Set();
  const overran = new Map(
    judged.flatMap(({ taskId, runId, cadence }) => (cadence === "overran" ? [[taskId, runId]] : [])),
  );
  const begun = new Set<string>();
  if (overran.size > 0) {
    const values = [[...overran.keys()], [...overran.values()]];
    const { rows } = await pool.query<{ taskId: string }>({ ...BEGIN, values });
    for (const { taskId } of rows) begun.add(taskId);
  }
  const stood = new Set([...overran.keys()].filter((taskId) => !begun.has(taskId)));
  const { told, overrunning } = chooseToldOverruns(judged, stood);
  const ended = new Set(judged.map(({ taskId }) => taskId).filter((taskId) => !overrunning.has(taskId)));
  if (ended.size > 0) await pool.query({ ...END, values: [[...ended].sort()] });
  return told;
}
