/** Reads the evidence from the database and from the folder of the records. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import type {
  Completion,
  Evidence,
  Facts,
  LogLine,
  RecordedAnswer,
  RecordedFault,
  RunChange,
  RunRow,
  Sample,
  TakenMail,
  TargetRequest,
  TaskRecord,
  ToldEnd,
} from "./evidence.ts";

const EPOCH_MS = (column: string) => `extract(epoch FROM ${column})::float8 * 1000`;

const CHANGES = `SELECT id::float8, ${EPOCH_MS("at")} AS at, xid, op, run_id AS "runId", task_id AS "taskId", trigger,
    state, claim_no AS "claimNo", worker_id AS "workerId", attempt, ${EPOCH_MS("scheduled_for")} AS "scheduledFor",
    ${EPOCH_MS("available_at")} AS "availableAt", limit_keys AS "limitKeys", error_code AS "errorCode"
  FROM torture.run_changes ORDER BY id`;
const ROWS = `SELECT id, task_id AS "taskId", trigger, state, claim_no AS "claimNo", attempt,
    ${EPOCH_MS("scheduled_for")} AS "scheduledFor", ${EPOCH_MS("started_at")} AS "startedAt", skipped, attempts,
    callback_of AS "callbackOf", function_id AS "functionId"
  FROM task_runs`;
/** As the last change of each has it. */
const TASKS = `SELECT DISTINCT ON (task_id) task_id AS id, name, type, state, schedule,
    count(*) FILTER (WHERE op <> 'D') OVER schedules < count(*) FILTER (WHERE op <> 'D') OVER whole AS "wasRescheduled",
    ${EPOCH_MS("anchor_at")} AS "anchorAt", ${EPOCH_MS("created_at")} AS "createdAt"
  FROM torture.task_changes
  WINDOW whole AS (PARTITION BY task_id), schedules AS (PARTITION BY task_id, schedule, anchor_at)
  ORDER BY task_id, task_changes.id DESC`;
const LOGS = `SELECT run_id AS "runId", attempt, message FROM task_logs WHERE message ~ '^(begun|called) ' ORDER BY id`;

export async function readEvidence(databaseUrl: string, folder: string): Promise<Evidence> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const changes = (await client.query<RunChange>(CHANGES)).rows;
    const rows = (await client.query<RunRow>(ROWS)).rows;
    const tasks = (await client.query<TaskRecord>(TASKS)).rows;
    const logs = (await client.query<LogLine>(LOGS)).rows;
    const lines = await readLines(join(folder, "requests.jsonl"));
    const ofEvent = <T>(event: string) => lines.filter((line) => line["event"] === event) as unknown as T[];
    return {
      facts: JSON.parse(await readFile(join(folder, "facts.json"), "utf8")) as Facts,
      changes: Map.groupBy(changes, ({ runId }) => runId),
      rows: Map.groupBy(rows, ({ id }) => id),
      tasks: new Map(tasks.map((task) => [task.id, task])),
      requests: toRequests(lines),
      mails: ofEvent<TakenMail>("mail"),
      told: ofEvent<ToldEnd>("called"),
      completions: ofEvent<Completion>("completed"),
      logs: Map.groupBy(logs, ({ runId }) => runId),
      answers: await readLines<RecordedAnswer>(join(folder, "answers.jsonl")),
      faults: await readLines<RecordedFault>(join(folder, "faults.jsonl")),
      samples: await readLines<Sample>(join(folder, "samples.jsonl")),
    };
  } finally {
    await client.end();
  }
}

type Line = Record<string, unknown>;

async function readLines<T = Line>(path: string): Promise<T[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
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
