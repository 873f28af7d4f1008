/** Loads the spec of a run whose claim brought only its type, once there is room for it. */
import type { TaskSpec } from "../../domain/task-spec.ts";
import type { QueryScope } from "../database.ts";
import { unindexed } from "../unindexed.ts";
import { type ClaimedRun, type SpecColumns, specOf } from "./claimed-run.ts";

const LOAD = {
  name: "load-spec",
  text: `
  SELECT r.input, t.spec, r.function_id, f.name AS function_name, r.trigger
  FROM task_runs_open r LEFT JOIN tasks t ON t.id = r.task_id LEFT JOIN functions f ON f.id = r.function_id
  WHERE r.id = $1 AND r.claim_no = $2 AND ${unindexed("r.state")} = 'running'`,
};

/** Undefined: the run is not running by this claim any more. */
export async function loadSpec(
  { pool }: QueryScope,
  { id, claimNo }: Pick<ClaimedRun, "id" | "claimNo">,
): Promise<TaskSpec | undefined> {
  const { rows } = await pool.query<SpecColumns>({ ...LOAD, values: [id, claimNo] });
  return rows[0] && specOf(rows[0], rows[0].spec);
}
