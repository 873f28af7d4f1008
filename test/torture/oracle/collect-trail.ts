/** Writes what stands in the database into the folder of the records, so that it can be judged, and judged again, by itself. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";

const epochMs = (column: string) => `extract(epoch FROM ${column})::float8 * 1000`;

/** By file: what evidence.ts calls by these names. */
const COLLECTED = {
  "changes.jsonl": `SELECT id::float8, ${epochMs("at")} AS at, ${epochMs("began_at")} AS "beganAt", xid, op, run_id AS "runId", task_id AS "taskId", trigger,
      state, claim_no AS "claimNo", worker_id AS "workerId", attempt, ${epochMs("scheduled_for")} AS "scheduledFor",
      ${epochMs("available_at")} AS "availableAt", limit_keys AS "limitKeys", error_code AS "errorCode"
    FROM torture.run_changes ORDER BY id`,
  "rows.jsonl": `SELECT id, task_id AS "taskId", trigger, state, claim_no AS "claimNo", attempt,
      ${epochMs("scheduled_for")} AS "scheduledFor", ${epochMs("started_at")} AS "startedAt", skipped, attempts,
      callback_of AS "callbackOf", replay_of AS "replayOf", function_id AS "functionId"
    FROM task_runs`,
  // As the last change of each has it.
  "tasks.jsonl": `SELECT DISTINCT ON (task_id) task_id AS id, name, type, state, schedule,
      ${epochMs("created_at")} AS "createdAt"
    FROM torture.task_changes ORDER BY task_id, id DESC`,
  "schedules.jsonl": `SELECT "taskId", schedule, ${epochMs("anchor_at")} AS "anchorAt",
      ${epochMs("began_at")} AS "beganAt", ${epochMs("at")} AS at
    FROM (SELECT task_id AS "taskId", schedule, anchor_at, began_at, at, id, op,
        (schedule, anchor_at) IS NOT DISTINCT FROM (lag(schedule) OVER ofTask, lag(anchor_at) OVER ofTask) AS "isSame"
      FROM torture.task_changes WINDOW ofTask AS (PARTITION BY task_id ORDER BY id)) AS c
    WHERE NOT "isSame" ORDER BY id`,
  "bulks.jsonl": `SELECT id, action, state, done, failed, backfill ->> 'taskId' AS "taskId", cardinality(instants) AS instants FROM bulk_actions`,
  "leases.jsonl": `SELECT ${epochMs("at")} AS at, op, worker_id AS "workerId", ${epochMs("lease_until")} AS "leaseUntil"
    FROM torture.leases ORDER BY id`,
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
