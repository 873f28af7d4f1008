/** Reading runs. An id contains its run's creation time, so older partitions need not be searched. */
import { sql } from "kysely";
import type { AttemptRecord, Run } from "../../contracts/run.ts";
import type { RunFilter } from "../../contracts/run-filter.ts";
import { DEFAULT_QUEUE, keysInQueue } from "../../domain/limit-keys.ts";
import type { Json } from "../../json.ts";
import type { QueryScope } from "../database.ts";
import { earliestTraceOf } from "../ids.ts";
import { LIMIT_OF_WAITING, WAITING_REASON } from "../limits/waiting-reason.ts";
import { estimateCount, type Found, type PageOptions, type Reading, readWalks } from "../walk.ts";
import { planRunWalks } from "./filter.ts";

/** As it is shown: a run that waits to be completed is under way. */
export const SHOWN_STATE = "CASE r.state WHEN 'deferred' THEN 'running' ELSE r.state END";

const COLUMNS = `r.id, r.namespace_id AS "namespaceId", r.task_id AS "taskId", r.type, r.trigger, f.name AS "functionName",
  r.revision_id AS "revisionId", r.replay_of AS "replayOf", r.callback_of AS "callbackOf", ${SHOWN_STATE} AS state,
  coalesce(r.queue, '${DEFAULT_QUEUE}') AS queue, r.limit_keys AS "limitKeys", r.priority, ${WAITING_REASON} AS "waitingFor",
  r.complete_by AS "completeBy", r.attempt, r.scheduled_for AS "scheduledFor", r.queued_at AS "queuedAt",
  r.started_at AS "startedAt", coalesce(r.dead_at, nullif(r.finished_at, 'infinity')) AS "finishedAt",
  r.available_at AS "availableAt", r.worker_id AS "workerId", r.result, r.error, r.attempts, r.skipped,
  (SELECT 'missed' FROM expectations e WHERE e.namespace_id = r.namespace_id AND e.run_id = r.id
    AND e.missed_at IS NOT NULL) AS expectation,
  substr(r.traceparent, 4, 32) AS "traceId"`;

const JOINS = `LEFT JOIN functions f ON f.id = r.function_id LEFT JOIN run_limits l ON l.key = ${LIMIT_OF_WAITING}`;

/** The database writes the instants of a record in its own way. */
const toIsoInstant = (instant: string) => new Date(instant).toISOString();

const toAttempt = (record: AttemptRecord): AttemptRecord => ({
  ...record,
  startedAt: record.startedAt && toIsoInstant(record.startedAt),
  finishedAt: toIsoInstant(record.finishedAt),
});

type RunRow = Omit<Run, "concurrencyKey" | "rateKey"> & { limitKeys: string[] | null };

const toRun = ({ limitKeys, ...row }: RunRow): Run => ({
  ...row,
  ...keysInQueue(limitKeys ?? []),
  attempts: row.attempts.map(toAttempt),
});

const DAY_MS = 86_400_000;

/** When the run may have ended: bounds of the days to look in. */
export const endedWithin = (runId: string): [from: Date, before: Date] => [
  earliestTraceOf(runId),
  new Date(Date.now() + DAY_MS),
];

const FIND = `
  SELECT ${COLUMNS} FROM task_runs_open r ${JOINS}
  WHERE r.id = $1 AND r.namespace_id = $2
  UNION ALL
  SELECT ${COLUMNS} FROM task_runs r ${JOINS}
  WHERE r.id = $1 AND r.namespace_id = $2 AND r.finished_at >= $3 AND r.finished_at < $4`;

/**
 * Callers who wait for runs ask often: both bounds of the days are parameters, so that only the partitions between them
 * are planned for.
 */
export async function findRun(
  scope: QueryScope,
  namespaceId: string,
  runId: string,
): Promise<Run | undefined> {
  const values = [runId, namespaceId, ...endedWithin(runId)];
  const { rows } = await scope.pool.query<RunRow>({ name: "find-run", text: FIND, values });
  return rows[0] && toRun(rows[0]);
}

const FIRST_OF_TASK = `SELECT id FROM task_runs WHERE task_id = $1 AND finished_at >= $2 ORDER BY id LIMIT 1`;

/** The run that the task was made with, or its first one; undefined where none is kept. */
export async function findFirstRunId({ pool }: QueryScope, taskId: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ id: string }>(FIRST_OF_TASK, [taskId, earliestTraceOf(taskId)]);
  return rows[0]?.id;
}

const FIND_INPUT = `
  SELECT input FROM task_runs_open WHERE id = $1
  UNION ALL
  SELECT input FROM task_runs WHERE id = $1 AND finished_at >= $2 AND finished_at < $3`;

/** The input of a run that is there, as its row has it: by itself, for few who read a run look at it. */
export async function findRunInput(scope: QueryScope, runId: string): Promise<Json> {
  const values = [runId, ...endedWithin(runId)];
  const { rows } = await scope.pool.query<{ input: Json }>({
    name: "find-run-input",
    text: FIND_INPUT,
    values,
  });
  return rows[0]?.input ?? null;
}

/** Those of the runs that have not ended. */
export async function findOpenRuns({ pool }: QueryScope, runIds: readonly string[]): Promise<Set<string>> {
  const text = "SELECT id FROM task_runs_open WHERE id = ANY($1::uuid[]) AND state <> 'dead'";
  const { rows } = await pool.query<{ id: string }>({ name: "find-open-runs", text, values: [runIds] });
  return new Set(rows.map(({ id }) => id));
}

/** In the order of their ids, the newest first unless it is said otherwise. */
export async function listRuns(
  { db }: QueryScope,
  namespaceId: string,
  filter: RunFilter,
  page: PageOptions,
): Promise<Found<Run>> {
  const walks = await planRunWalks(db, namespaceId, filter, page);
  const { rows, nextId } = await readWalks(db, walks, READING, page);
  return { rows: rows.map(toRun), nextId };
}

const READING: Reading<RunRow> = {
  select: (found) => sql<RunRow>`SELECT ${sql.raw(COLUMNS)} FROM (${found}) r ${sql.raw(JOINS)}`,
  largeColumns: ["result", "error", "attempts"],
};

/** About how many runs match. */
export async function estimateRuns(
  { db }: QueryScope,
  namespaceId: string,
  filter: RunFilter,
): Promise<number> {
  return await estimateCount(db, await planRunWalks(db, namespaceId, filter));
}
