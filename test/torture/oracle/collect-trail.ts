/** Writes what stands in the database into the folder of the records, so that it can be judged, and judged again, by itself. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";

const epochMs = (column: string) => `extract(epoch FROM ${column})::float8 * 1000`;

/** By file: what evidence.ts calls by these names. */
const COLLECTED = {
  "changes.jsonl": `SELECT id::float8, ${epochMs("at")} AS at, xid, op, run_id AS "runId", task_id AS "taskId", trigger,
      state, claim_no AS "claimNo", worker_id AS "workerId", attempt, ${epochMs("scheduled_for")} AS "scheduledFor",
      ${epochMs("available_at")} AS "availableAt", limit_keys AS "limitKeys", error_code AS "errorCode"
    FROM torture.run_changes ORDER BY id`,
  "rows.jsonl": `SELECT id, task_id AS "taskId", trigger, state, claim_no AS "claimNo", attempt,
      ${epochMs("scheduled_for")} AS "scheduledFor", ${epochMs("started_at")} AS "startedAt", skipped, attempts,
      callback_of AS "callbackOf", replay_of AS "replayOf", function_id AS "functionId"
    FROM task_runs`,
  // As the last change of each has it.
  "tasks.jsonl": `SELECT DISTINCT ON (task_id) task_id AS id, name, type, state, schedule,
      count(*) OVER same < count(*) OVER whole AS "wasRescheduled",
      ${epochMs("anchor_at")} AS "anchorAt", ${epochMs("created_at")} AS "createdAt"
    FROM torture.task_changes
    WINDOW whole AS (PARTITION BY task_id), same AS (PARTITION BY task_id, schedule, anchor_at)
    ORDER BY task_id, task_changes.id DESC`,
  "logs.jsonl": `SELECT run_id AS "runId", attempt, message FROM task_logs
    WHERE message ~ '^(begun|called) ' ORDER BY id`,
};

export async function collectTrail(databaseUrl: string, folder: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const [file, statement] of Object.entries(COLLECTED)) {
      const { rows } = await client.query(statement);
      await writeFile(join(folder, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    }
  } finally {
    await client.end();
  }
}
