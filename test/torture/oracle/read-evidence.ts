/** Reads the evidence from the database and from the folder of the records. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import type {
  Evidence,
  Facts,
  RecordedAnswer,
  RunChange,
  RunRow,
  TargetRequest,
  TaskRow,
} from "./evidence.ts";

const EPOCH_MS = (column: string) => `extract(epoch FROM ${column})::float8 * 1000`;

const CHANGES = `SELECT id::float8, ${EPOCH_MS("at")} AS at, xid, op, run_id AS "runId", task_id AS "taskId", trigger,
    state, claim_no AS "claimNo", worker_id AS "workerId", attempt, ${EPOCH_MS("scheduled_for")} AS "scheduledFor",
    ${EPOCH_MS("available_at")} AS "availableAt", limit_keys AS "limitKeys", error_code AS "errorCode"
  FROM torture.run_changes ORDER BY id`;
const ROWS = `SELECT id, task_id AS "taskId", trigger, state, claim_no AS "claimNo", attempt,
    ${EPOCH_MS("scheduled_for")} AS "scheduledFor", ${EPOCH_MS("started_at")} AS "startedAt", skipped, attempts
  FROM task_runs`;
const TASKS = `SELECT id, state, type, schedule, ${EPOCH_MS("anchor_at")} AS "anchorAt",
    ${EPOCH_MS("created_at")} AS "createdAt"
  FROM tasks`;

export async function readEvidence(databaseUrl: string, folder: string): Promise<Evidence> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const changes = (await client.query<RunChange>(CHANGES)).rows;
    const rows = (await client.query<RunRow>(ROWS)).rows;
    const tasks = (await client.query<TaskRow>(TASKS)).rows;
    return {
      facts: JSON.parse(await readFile(join(folder, "facts.json"), "utf8")) as Facts,
      changes: Map.groupBy(changes, ({ runId }) => runId),
      rows: Map.groupBy(rows, ({ id }) => id),
      tasks: new Map(tasks.map((task) => [task.id, task])),
      requests: toRequests(await readLines(join(folder, "requests.jsonl"))),
      answers: (await readLines(join(folder, "answers.jsonl"))) as unknown as RecordedAnswer[],
    };
  } finally {
    await client.end();
  }
}

type Line = Record<string, unknown>;

async function readLines(path: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

/** Those that tell of no run are nobody's. */
function toRequests(lines: Line[]): Map<string, TargetRequest[]> {
  const ends = new Map(lines.filter(({ event }) => event === "end").map((line) => [line["seq"], line]));
  const requests = lines
    .filter(({ event, runId }) => event === "begin" && runId)
    .map((line): TargetRequest => {
      const end = ends.get(line["seq"]);
      return {
        ...{ beganAt: line["at"] as number, endedAt: (end?.["at"] as number | undefined) ?? Infinity },
        ...{ how: (end?.["how"] as string | undefined) ?? null, runId: line["runId"] as string },
        ...{ attempt: line["attempt"] as number, path: line["path"] as string },
      };
    });
  return Map.groupBy(requests, ({ runId }) => runId);
}
