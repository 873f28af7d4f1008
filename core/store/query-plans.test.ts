/** The statements that run all the time find their rows by an index, however much is stored beside them. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { Kysely, PostgresDialect } from "kysely";
import type pg from "pg";
import { createTestDatabase } from "../../test/support/database.ts";
import { LIST_ORDERS } from "../contracts/common.ts";
import type { RunFilter } from "../contracts/run-filter.ts";
import { DEFAULT_POLICY } from "../contracts/task-policy.ts";
import { beforeXid } from "../domain/event-position.ts";
import { functionKey, queueKey } from "../domain/limit-keys.ts";
import type { Overlap } from "../domain/overlap.ts";
import { foldActivity } from "./activity/fold-activity.ts";
import { sampleActivity } from "./activity/sample-activity.ts";
import { type Db, openStore, type Store } from "./database.ts";
import { readDemand, readLoad } from "./demand.ts";
import { foldErrors } from "./errors/fold-errors.ts";
import { readEvents } from "./events/read.ts";
import { removeExpiredEvents } from "./events/record.ts";
import { removeExpiredExpectations } from "./expectations/expire.ts";
import { findUnfired } from "./expectations/unfired.ts";
import { watchExpectations } from "./expectations/watch.ts";
import { readFigures } from "./functions/figures.ts";
import { removeFunction } from "./functions/remove.ts";
import { removeExpiredKeys } from "./idempotency.ts";
import { firstIdOf, newId } from "./ids.ts";
import { keepAnswer, takeKeyOrAnswer } from "./kept-answers.ts";
import { admitRuns } from "./limits/admit-runs.ts";
import { adoptWaiting } from "./limits/adopt-waiting.ts";
import { noteKeys, noteLimits } from "./limits/far-limits.ts";
import { findGrantableKeys } from "./limits/find-grantable.ts";
import { syncFunctionLimits } from "./limits/function-limits.ts";
import { grantPermits } from "./limits/grant-permits.ts";
import { lineUpRuns } from "./limits/line-up.ts";
import { noteClaim } from "./limits/met-limits.ts";
import { recountLocked, recountPermits } from "./limits/recount-permits.ts";
import { listFunctionLogs, listRunLogs, readFollowedLogs, readFunctionLogsAfter } from "./logs.ts";
import { lookAround } from "./look-around.ts";
import { cancelRuns, discardDeadLetter } from "./runs/cancel.ts";
import { type ClaimedRun, claimDueRuns, claimRuns, claimShortRuns } from "./runs/claim.ts";
import { CLAIMABLE, isDue, OLDEST_FIRST } from "./runs/claimable.ts";
import { redriveDeadLetters } from "./runs/dead-letters.ts";
import { DEFER } from "./runs/defer.ts";
import { type FinishedDirectRun, recordDirectRuns, removeExpiredFences } from "./runs/direct.ts";
import { enqueueReplay, type ReplayRequest } from "./runs/enqueue.ts";
import { expireRuns } from "./runs/expire.ts";
import {
  findEarlyRuns,
  findOverdueRuns,
  hasOverdueRuns,
  lookWhileIdle,
  msUntilNextQueued,
} from "./runs/find-claimable.ts";
import { findReplayable } from "./runs/find-replayable.ts";
import { finishAttempts, releaseRuns } from "./runs/finish.ts";
import {
  KEEP_OPEN,
  KEEP_OPEN_CALLING,
  MOVE_CALLING,
  MOVE_EXPIRED,
  MOVE_FAR,
  MOVE_LIMITED,
  MOVE_TERMINAL,
} from "./runs/finish-statements.ts";
import { endLostCall } from "./runs/lost-call.ts";
import { findNextInstants } from "./runs/next-instants.ts";
import { listOwnedRuns } from "./runs/owned.ts";
import { queueDueRetries } from "./runs/queue-retries.ts";
import { estimateRuns, findOpenRuns, findRun, listRuns } from "./runs/read.ts";
import { rescueLostRuns } from "./runs/rescue.ts";
import { findFloor, noteFloor, noteFullSearch } from "./runs/search-floor.ts";
import { settleHeldRuns } from "./runs/settle-held.ts";
import type { Database } from "./schema.ts";
import { readStats } from "./stats.ts";
import { countDueTasks } from "./tasks/count-due.ts";
import { createTask } from "./tasks/create.ts";
import { removeExpiredTasks } from "./tasks/expire.ts";
import { pauseTask } from "./tasks/pause-resume.ts";
import { listTasks } from "./tasks/read.ts";
import { listUpcoming } from "./tasks/upcoming.ts";
import { ANY_TIME, deployFunction, finished, httpTask, line, retryAfter } from "./testing/samples.ts";
import { stageDueTasks } from "./testing/stage-runs.ts";
import { openTestStore } from "./testing/test-store.ts";
import { inTransaction } from "./transaction.ts";

const { store, url, newNamespace } = await openTestStore(createTestDatabase);
const GROWING = /^(tasks|task_runs|task_logs|events|expectations|idempotency_keys|run_fences)/;

const replayOf = (of: ReplayRequest["of"]): ReplayRequest => ({
  ...{ runId: newId(), namespaceId: newId(), replayOf: newId(), of, trigger: "invoke", input: null },
  ...{ target: undefined, traceparent: undefined },
});

interface Statement {
  text: string;
  values: unknown[];
  /** Its plan is made once, for any values, and kept. */
  isPlanned: boolean;
}

const FILLS = [
  `INSERT INTO tasks (id, namespace_id, state, type, spec, schedule, anchor_at, next_run_at, retry, timeout_ms, dead_letter, labels)
   SELECT gen_random_uuid(), $1, CASE WHEN n % 4 = 0 THEN 'active' ELSE 'completed' END, 'http', '{}', '{"kind":"now"}',
     now(), CASE WHEN n % 4 = 0 THEN now() + n * interval '1 second' END, '{}', 1000, true, '{}'
   FROM generate_series(1, 4 * $2::int) n`,
  `INSERT INTO task_runs (id, finished_at, namespace_id, task_id, type, trigger, state, scheduled_for, available_at,
     started_at, worker_id, dead_at)
   SELECT gen_random_uuid(), CASE WHEN state = 'succeeded' THEN now() ELSE 'infinity' END, $1, gen_random_uuid(), 'http',
     'schedule', state, now(), now() + interval '1 hour' + n * interval '1 second', now(), gen_random_uuid(),
     CASE WHEN state = 'dead' THEN now() END
   FROM (VALUES ('succeeded', 4.0), ('queued', 1.0), ('scheduled', 0.6), ('running', 0.1), ('dead', 0.1)) AS s(state, share),
     generate_series(1, ceil(share * $2::int)::int) n`,
  `INSERT INTO task_logs (at, namespace_id, run_id, attempt, function_id, level, message)
   SELECT now(), $1, gen_random_uuid(), 1, gen_random_uuid(), 'info', 'x' FROM generate_series(1, 4 * $2::int)`,
  `INSERT INTO events (namespace_id, type, task_id, data)
   SELECT $1, 'task.created', gen_random_uuid(), '{}' FROM generate_series(1, 4 * $2::int)`,
  `INSERT INTO expectations (namespace_id, task_id, run_id, scheduled_for, due_at, look_at, missed_at)
   SELECT $1, gen_random_uuid(), gen_random_uuid(), now(), now(), CASE WHEN n % 4 = 0 THEN now() + n * interval '1 hour' END,
     CASE WHEN n % 4 > 0 THEN now() END
   FROM generate_series(1, 4 * $2::int) n`,
  `INSERT INTO run_fences (run_id, writer) SELECT gen_random_uuid(), $1 FROM generate_series(1, 4 * $2::int)`,
  `INSERT INTO idempotency_keys (namespace_id, operation, key, request_hash, made_id)
   SELECT $1, 'tasks', n, sha256(''), gen_random_uuid() FROM generate_series(1, $2::int) n`,
];

/** `count` queued runs for later, four times as many tasks, finished runs and lines, and some of the other states. */
async function fill(count: number): Promise<void> {
  const namespaceId = await newNamespace();
  for (const statement of FILLS) await store.pool.query(statement, [namespaceId, count]);
  await store.pool.query("VACUUM");
}

/** What autovacuum analyzes so early: not tables that wait for 25,000 rows. */
async function analyzeSmall(): Promise<void> {
  const { rows } = await store.pool.query<{ tables: string }>(`
    SELECT string_agg(oid::regclass::text, ', ') AS tables FROM pg_class
    WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'tasks'::regclass)
      AND NOT coalesce('autovacuum_analyze_threshold=25000' = ANY(reloptions), false)`);
  await store.pool.query(`ANALYZE ${rows[0]!.tables}`);
}

type Query = string | pg.QueryConfig;

/** What `use` says to the database, through the pools or a connection of them. */
async function record(use: (store: Store) => Promise<unknown>): Promise<Statement[]> {
  const statements: Statement[] = [];
  const recorded = <T extends pg.Pool | pg.PoolClient>(target: T, isPlanned: boolean): T => {
    const query = (given: Query, values?: unknown[]) => {
      const { text, values: own } = typeof given === "string" ? { text: given, values } : given;
      statements.push({ text, values: own ?? values ?? [], isPlanned });
      return (target as pg.Pool).query(given as pg.QueryConfig, values);
    };
    return Object.create(target, { query: { value: query } });
  };
  const recordedPool = (target: pg.Pool, isPlanned: boolean): pg.Pool =>
    Object.create(recorded(target, isPlanned), {
      connect: { value: async () => recorded(await target.connect(), isPlanned) },
    });
  const pool = recordedPool(store.pool, false);
  const plannedPool = recordedPool(store.plannedPool, true);
  const db: Db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  await use({ ...store, db, pool, plannedPool, leasePool: pool });
  return statements.filter(({ text }) => /^\s*(WITH|SELECT|INSERT|UPDATE|DELETE)/i.test(text));
}

interface ExplainedRow {
  "QUERY PLAN": [{ Plan: PlanNode }];
}

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  /** By what rows are found in the index. */
  "Index Cond"?: string;
  /** What is checked row by row, the index knowing nothing of it. */
  Filter?: string;
  /** Of a scan of what a WITH names. */
  "CTE Name"?: string;
  Plans?: PlanNode[];
}

/** The nodes of the plan that the statement has now, with these values or for any. */
async function explain({ text, values, isPlanned }: Statement): Promise<PlanNode[]> {
  const { rows } = await (isPlanned
    ? store.plannedPool.query<ExplainedRow>(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`)
    : store.pool.query<ExplainedRow>(`EXPLAIN (FORMAT JSON) ${text}`, values));
  const flatten = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flatten)];
  return flatten(rows[0]!["QUERY PLAN"][0].Plan);
}

/** A plan that is kept while a table grows finds each row of it by what names the row, or the first ones in their order. */
function assertKeepable(plan: PlanNode[]): void {
  for (const node of plan) {
    const { "Relation Name": table, "Index Cond": by = "" } = node;
    if (table === undefined || !GROWING.test(table) || node["Node Type"] === "ModifyTable") continue;
    assert.match(by, /\bid = |available_at <=|namespace_id <=? /, `${node["Node Type"]} of ${table}`);
  }
}

const id = newId();
const limitedFunctionId = await deployFunction(store.db, await newNamespace(), "limited", { concurrency: 1 });
const limitedKey = functionKey(limitedFunctionId);
const callingNamespaceId = await newNamespace();
await createTask(store, {
  namespaceId: callingNamespaceId,
  input: httpTask(
    { kind: "every", everyMs: 3_600_000 },
    { spec: { type: "function", function: "called", input: null } },
  ),
  functionId: await deployFunction(store.db, callingNamespaceId, "called"),
  now: new Date(),
});
const idempotent = {
  ...{ namespaceId: callingNamespaceId, operation: "tasks", requestHash: Buffer.alloc(32) },
};
const run: ClaimedRun = {
  id,
  claimNo: 1,
  namespaceId: id,
  taskId: id,
  spec: { type: "function", function: "f", input: null },
  attempt: 1,
  attemptOffset: 0,
  policy: DEFAULT_POLICY,
  limitsFrom: null,
  scheduledFor: new Date(),
  startedAt: new Date(),
  functionId: null,
  revisionId: null,
  trigger: "schedule",

  holdsPermits: false,
  hasCallbacks: false,
  traceparent: null,
};
const directRun: FinishedDirectRun = {
  ...finished(run, id, { state: "failed", error: { code: "worker_lost", message: "gone" } }),
  ...{
    functionId: id,
    trigger: "invoke",
    input: null,
    timeoutMs: 1,
    durationMs: 1,
    hasOwnClock: true as const,
  },
};
const now = new Date();
const TODAY = `task_runs_${now.toISOString().slice(0, 10).replaceAll("-", "")}`;
/** A moment ago, and before every transaction. */
const LATELY = beforeXid(0n, Math.floor(Date.now() / 1_000));
const soon = new Date(Date.now() + 1_000);

/** Two occurrences of a task of its own: the second while the first is open. */
async function stageTwice(s: Store, overlap: Overlap): Promise<void> {
  const [madeAt, firstAt] = [new Date(now.getTime() - 2_000), new Date(now.getTime() - 1_000)];
  const input = httpTask({ kind: "every", everyMs: 1_000 }, { overlap });
  await createTask(store, { namespaceId: callingNamespaceId, input, now: madeAt });
  await stageDueTasks(store, firstAt, firstAt, 100);
  await stageDueTasks(s, now, now, 100);
}

/** A task of its own that should have fired an hour ago, and one whose run is late. */
async function makeLate(): Promise<void> {
  const late = {
    expect: { withinMs: 1 },
    on: { late: [{ type: "http" as const, url: "https://example.com" }] },
  };
  const madeAt = new Date(now.getTime() - 7_200_000);
  const namespaceId = callingNamespaceId;
  const input = httpTask({ kind: "delay", delayMs: 3_600_000 }, late);
  await createTask(store, { namespaceId, input, now: madeAt });
  await createTask(store, { namespaceId, input: httpTask({ kind: "now" }, late), now: madeAt });
}

/** Claims as a store makes them that has just met runs with limits. */
const watchful = (claim: (store: Store) => Promise<unknown>) => async (s: Store) => {
  noteClaim(s, true);
  await claim(s);
};

/** And found plenty of permits left. */
const farsighted = (use: (store: Store) => Promise<unknown>) =>
  watchful(async (s) => {
    noteLimits(s, true);
    await use(s);
  });

/** And met several limits in one claim. */
const ofSeveral = (use: (store: Store) => Promise<unknown>) =>
  farsighted(async (s) => {
    noteKeys(s, true);
    await use(s);
  });

const FLOOR = {
  ...{ instant: "2020-01-01T00:00:00Z", untilMs: Number.POSITIVE_INFINITY, shortUntilMs: 0 },
  ...{ raiseAtMs: Number.POSITIVE_INFINITY, wasSlow: true },
};

/** While dead rows are many. */
const fromFloor = (use: (store: Store) => Promise<unknown>) => async (s: Store) => {
  noteFloor(s, FLOOR);
  await use(s);
};

/** Of all that is queued, due or not: more is there than one. */
const claimShares = (s: Store) => claimDueRuns(s, id, 1, -86_400_000);

const CASES: Record<string, { use(store: Store): Promise<unknown>; index?: string }> = {
  "claim what is due": { use: (s) => claimDueRuns(s, id, 10, 0), index: "task_runs_open_queued" },
  "claim of what is due in shares": {
    use: claimShares,
    index: "task_runs_open_shared",
  },
  "claim what is due, from a floor": {
    use: fromFloor((s) => claimDueRuns(s, id, 10, 0)),
    index: "task_runs_open_queued",
  },
  "claim of what is due in shares, from a floor": {
    use: fromFloor(claimShares),
    index: "task_runs_open_shared",
  },
  "where searches begin": {
    async use(s) {
      noteFullSearch(s, true);
      await findFloor(s, 0, () => 0);
    },
    index: "task_runs_open_queued",
  },
  "where searches begin, from a floor": {
    async use(s) {
      noteFloor(s, { ...FLOOR, raiseAtMs: 0 });
      await findFloor(s, 0, () => 0);
    },
    index: "task_runs_open_queued",
  },
  "claim by id": { use: (s) => claimRuns(s, id, [id]), index: "task_runs_open_pkey" },
  "claim of short runs by id": {
    use: (s) => claimShortRuns(s, id, [id], 60_000),
    index: "task_runs_open_pkey",
  },
  "claim what is due, with permits": {
    use: watchful((s) => claimDueRuns(s, id, 10, 0)),
    index: "task_runs_open_queued",
  },
  "claim of what is due in shares, with permits": {
    use: watchful(claimShares),
    index: "task_runs_open_shared",
  },
  "claim what is due, of limits far off": {
    use: ofSeveral((s) => claimDueRuns(s, id, 10, 0)),
    index: "task_runs_open_queued",
  },
  "claim of what is due in shares, of limits far off": {
    use: ofSeveral(claimShares),
    index: "task_runs_open_shared",
  },
  "claim by id, of limits far off": {
    use: ofSeveral((s) => claimRuns(s, id, [id])),
    index: "task_runs_open_pkey",
  },
  "claim what is due, of one key, far off": {
    use: farsighted((s) => claimDueRuns(s, id, 10, 0)),
    index: "task_runs_open_queued",
  },
  "claim of what is due in shares, of one key, far off": {
    use: farsighted(claimShares),
    index: "task_runs_open_shared",
  },
  "claim by id, of one key, far off": {
    use: farsighted((s) => claimRuns(s, id, [id])),
    index: "task_runs_open_pkey",
  },
  "runs that come into a line before permits are granted": {
    use: (s) => lineUpRuns(s, id, queueKey(id, "mail")),
    index: "task_runs_open_shared",
  },
  "claim by id, with permits": {
    use: watchful((s) => claimRuns(s, id, [id])),
    index: "task_runs_open_pkey",
  },
  "runs beyond their ttl": { use: (s) => expireRuns(s, 5_000), index: "task_runs_open_pkey" },
  "early runs": { use: (s) => findEarlyRuns(s, [id]), index: "task_runs_open_pkey" },
  "next queued": { use: (s) => msUntilNextQueued(s), index: "task_runs_open_queued" },
  demand: { use: (s) => readDemand(s, 60_000), index: "task_runs_open_queued" },
  "demand and workers": { use: (s) => readLoad(s, 60_000), index: "task_runs_open_queued" },
  figures: { use: readStats, index: "task_runs_open_queued" },
  "overdue runs": { use: (s) => findOverdueRuns(s, 1_000, 100), index: "task_runs_open_queued" },
  "what an idle worker looks for": { use: (s) => lookWhileIdle(s, id), index: "task_runs_open_running" },
  "whether any run is overdue": { use: hasOverdueRuns, index: "task_runs_open_queued" },
  "due tasks in shares": {
    async use(s) {
      await stageDueTasks(s, now, soon, 1);
      await stageDueTasks(s, now, soon, 1);
    },
    index: "tasks_upcoming",
  },
  "due tasks": { use: (s) => stageDueTasks(s, now, soon, 100), index: "tasks_due" },
  "due retries": { use: (s) => queueDueRetries(s, soon, 100), index: "task_runs_open_scheduled" },
  "due retries in shares": {
    async use(s) {
      const tomorrow = new Date(Date.now() + 86_400_000);
      for (let pass = 0; pass < 2; pass += 1) await queueDueRetries(s, tomorrow, 1);
    },
    index: "task_runs_open_retries",
  },
  "next instant": { use: (s) => findNextInstants(s), index: "tasks_due" },
  "what fires soon": { use: (s) => listUpcoming(s, id, soon, undefined, 50), index: "tasks_upcoming" },
  "what fires soon, a later page": {
    use: (s) => listUpcoming(s, id, soon, { atMs: now.getTime(), taskId: id }, 50),
    index: "tasks_upcoming",
  },
  "next held run": { use: (s) => findNextInstants(s), index: "task_runs_open_waiting" },
  "held runs": { use: (s) => settleHeldRuns(s, soon, 100), index: "task_runs_open_waiting" },
  "an earlier run of a due task": {
    use: (s) => stageTwice(s, "skip"),
    index: "task_runs_open_task_id_id_idx",
  },
  "a held run that takes the place of another": {
    async use(s) {
      await stageTwice(store, "cancel-previous");
      await settleHeldRuns(s, soon, 100);
    },
    index: "task_runs_open_task_id_id_idx",
  },
  "runs that are late": {
    async use(s) {
      await makeLate();
      // The run counts from the database's clock, so it is late by what the clock says by now.
      const afterDue = new Date(Date.now() + 1_000);
      assert.ok((await watchExpectations(s, afterDue, 100)).called.length > 0);
    },
    index: "expectations_watched",
  },
  "tasks that nobody has staged": {
    async use(s) {
      await makeLate();
      assert.ok((await findUnfired(s, now, 100)).unfired > 0);
    },
    index: "tasks_due",
  },
  "what is expected of a run that is staged": {
    async use(s) {
      await makeLate();
      await stageDueTasks(s, now, now, 100);
    },
  },
  "expectations that are old": {
    use: (s) => removeExpiredExpectations(s, now, 100),
    index: "expectations_missed",
  },
  "runs of a worker": { use: (s) => listOwnedRuns(s, id, 1_000), index: "task_runs_open_running" },
  "lost runs": { use: (s) => rescueLostRuns(s, now, ANY_TIME, 100), index: "task_runs_open_running" },
  "finish for good": {
    use: (s) => finishAttempts(s, id, [finished(run, id, { state: "succeeded", result: 1 })]),
    index: "task_runs_open_pkey",
  },
  "finish for good, with lines": {
    use: (s) =>
      finishAttempts(s, id, [
        finished(run, id, { state: "succeeded", result: 1 }, [line("one"), line("two")]),
      ]),
    index: "task_runs_open_pkey",
  },
  "finish for good, of runs with limits": {
    use: (s) =>
      finishAttempts(s, id, [
        { ...finished(run, id, { state: "succeeded", result: 1 }), holdsPermits: true },
      ]),
    index: "task_runs_open_pkey",
  },
  "finish for good, of runs whose limits are far off": {
    use: farsighted((s) =>
      finishAttempts(s, id, [
        { ...finished(run, id, { state: "succeeded", result: 1 }), holdsPermits: true },
      ]),
    ),
    index: "task_runs_open_pkey",
  },
  "finish for good, of runs that call somebody": {
    use: (s) =>
      finishAttempts(s, id, [
        { ...finished(run, id, { state: "succeeded", result: 1 }), hasCallbacks: true, holdsPermits: true },
      ]),
    index: "task_runs_open_pkey",
  },
  "finish for a retry": {
    use: (s) => finishAttempts(s, id, [finished(run, id, retryAfter(1_000))]),
    index: "task_runs_open_pkey",
  },
  "admit runs with a limit": {
    use: (s) => admitRuns(s, { workerId: id, longestMs: 1 }, [{ id, keys: [limitedKey] }]),
    index: "task_runs_open_line",
  },
  "grant permits": { use: (s) => grantPermits(s, [limitedKey]), index: "task_runs_open_line" },
  "keys whose permits can be granted": {
    use: (s) => findGrantableKeys(s, 100),
    index: "task_runs_open_line",
  },
  "waiting runs of the release before": {
    use: (s) => adoptWaiting(s, 100),
    index: "task_runs_open_waiting_unnamed",
  },
  "find wrong counts of permits": { use: (s) => recountPermits(s), index: "task_runs_open_running" },
  "count permits": { use: (s) => recountLocked(s.db, [limitedKey]), index: "task_runs_open_running" },
  "limits of functions": { use: (s) => syncFunctionLimits(s) },
  "give back": { use: (s) => releaseRuns(s, id, [run]) },
  "cancel a run": { use: (s) => cancelRuns(s, id, { runId: id }), index: "task_runs_open_pkey" },
  "cancel several runs": {
    use: (s) => cancelRuns(s, id, { runIds: [id, newId()] }),
    index: "task_runs_open_pkey",
  },
  "cancel a task's runs": { use: (s) => cancelRuns(s, id, { taskId: id }) },
  "cancel the runs of several tasks": { use: (s) => cancelRuns(s, id, { taskIds: [id, newId()] }) },
  "redrive one": { use: (s) => redriveDeadLetters(s, id, { runId: id }) },
  "redrive several": { use: (s) => redriveDeadLetters(s, id, { runIds: [id, newId()] }) },
  "redrive all": { use: (s) => redriveDeadLetters(s, id, {}), index: "task_runs_open_dead" },
  discard: { use: (s) => discardDeadLetter(s, id, id) },
  "lock a task": { use: (s) => pauseTask(s, id, id, now).catch(() => {}) },
  "runs that have not ended": { use: (s) => findOpenRuns(s, [id, newId()]), index: "task_runs_open_pkey" },
  "find a run": { use: (s) => findRun(s, id, id) },
  "find a run to replay": { use: (s) => findReplayable(s, id, id) },
  "replay a task's run": { use: (s) => enqueueReplay(s, replayOf({ taskId: id })) },
  "replay a call": {
    use: (s) =>
      enqueueReplay(
        s,
        replayOf({
          functionId: id,
          timeoutMs: 1,
          maxAttempts: null,
          queue: null,
          limitKeys: null,
          priority: 50,
        }),
      ),
  },
  "list runs": { use: (s) => listRuns(s, id, {}, { limit: 50 }) },
  "list runs, next page": { use: (s) => listRuns(s, id, {}, { limit: 50, afterId: id }) },
  "list a task's runs": { use: (s) => listRuns(s, id, { taskId: id }, { limit: 50 }) },
  "list dead letters": {
    use: (s) => listRuns(s, id, { state: ["dead"] }, { limit: 50 }),
    index: "task_runs_open_dead",
  },
  "list running runs": {
    use: (s) => listRuns(s, id, { state: ["running"] }, { limit: 50 }),
    index: "task_runs_open_running",
  },
  "list runs that wait": {
    use: (s) => listRuns(s, id, { state: ["queued", "scheduled"] }, { limit: 50 }),
    index: "task_runs_open_namespace_id_id_idx",
  },
  ...Object.fromEntries(
    Object.entries({
      "failed runs": [{ state: ["failed"] }, "namespace_id_state_id"],
      "runs of an error": [{ errorCode: "timeout" }, "namespace_id_expr_id"],
      "runs of a function": [{ function: "called" }, "function_id_id"],
      "runs now": [{ trigger: "manual" }, "namespace_id_trigger_id"],
      "runs of a worker": [{ worker: id }, "namespace_id_id"],
      "runs that are late": [{ expectation: "missed" }, "namespace_id_id"],
      "runs that succeeded": [{ state: ["succeeded"] }, "namespace_id_id"],
      "runs of a time": [{ from: now, to: soon }, "namespace_id_id"],
    } satisfies Record<string, [RunFilter, string]>).flatMap(([what, [filter, index]]) =>
      LIST_ORDERS.map((order) => [
        `list ${what}, ${order}`,
        {
          use: (s: Store) => listRuns(s, callingNamespaceId, filter, { limit: 50, order }),
          index: `${TODAY}_${index}_idx`,
        },
      ]),
    ),
  ),
  "count runs": { use: (s) => estimateRuns(s, id, { errorCode: "timeout", function: "called" }) },
  "list tasks by name": {
    use: (s) => listTasks(s, id, { name: "report" }, { limit: 50 }),
    index: "tasks_by_name",
  },
  "list paused tasks": {
    use: (s) => listTasks(s, id, { state: ["paused"] }, { limit: 50 }),
    index: "tasks_by_state",
  },
  "list a function's tasks": {
    use: (s) => listTasks(s, callingNamespaceId, { function: "called" }, { limit: 50 }),
    index: "tasks_by_function",
  },
  "list tasks by what no index knows": {
    use: (s) => listTasks(s, id, { label: ["app=billing"], q: "rep", nextBefore: soon }, { limit: 50 }),
    index: "tasks_by_namespace",
  },
  "list tasks": { use: (s) => listTasks(s, id, {}, { limit: 50 }), index: "tasks_by_namespace" },
  "list tasks, with their open runs": {
    use: (s) => listTasks(s, id, {}, { limit: 50 }),
    index: "task_runs_open_task_id_id_idx",
  },
  "tasks that are over": { use: (s) => removeExpiredTasks(s, soon, 100) },
  "tasks that call a function": {
    use: (s) => assert.rejects(removeFunction(s.db, callingNamespaceId, "called"), /calls this function/),
    index: "tasks_by_function",
  },
  "tasks that are due soon": { use: (s) => countDueTasks(s, soon, 1_000), index: "tasks_due" },
  "a page of events, and a look of who follows them": {
    use: (s) => readEvents(s, id, LATELY, 50),
    index: `${TODAY}_namespace_id_recorded_xid_idx`,
  },
  "events of runs that took long": {
    use: (s) => readEvents(s, id, LATELY, 50),
    index: `${TODAY}_namespace_id_started_xid_idx`,
  },
  "events of open runs": {
    use: (s) => readEvents(s, id, LATELY, 50),
    index: "task_runs_open_namespace_id_id_idx",
  },
  "events of tasks": { use: (s) => readEvents(s, id, LATELY, 50), index: "events_by_namespace" },
  "a page of a run's events": { use: (s) => readEvents(s, id, LATELY, 50, { runId: id }) },
  "a page of a task's events": { use: (s) => readEvents(s, id, LATELY, 50, { taskId: id }) },
  "events that are old": { use: (s) => removeExpiredEvents(s, now, 100), index: "events_pkey" },
  "failures to be counted": {
    use: (s) => foldErrors(s, 100),
    index: `${TODAY}_recorded_xid_idx`,
  },
  "deaths to be counted": { use: (s) => foldErrors(s, 100), index: "events_dead" },
  "ends to be counted by the minute": { use: (s) => foldActivity(s, new Date()) },
  "what waits, sampled": { use: (s) => sampleActivity(s), index: "task_runs_open_shared" },
  "whether there is anything to do": { use: lookAround },
  "an idempotency key": {
    use: (s) =>
      inTransaction(s.pool, async (tx) => {
        const request = { ...idempotent, key: newId() };
        assert.equal(await takeKeyOrAnswer(tx, request), undefined);
        await keepAnswer(tx, request, { bytes: Buffer.of(1), isSealed: false });
        assert.ok(await takeKeyOrAnswer(tx, request));
      }),
    index: "idempotency_keys_pkey",
  },
  "a lost call": {
    use: (s) => endLostCall(s, id, directRun),
    index: "task_runs_open_pkey",
  },
  "a direct run that ended": {
    use: async (s) => {
      for (const logs of [[], [line("once")], []]) await recordDirectRuns(s, id, [{ ...directRun, logs }]);
    },
    index: "run_fences_pkey",
  },
  "run fences that are old": { use: (s) => removeExpiredFences(s, 100), index: "run_fences_pkey" },
  "idempotency keys that ran out": {
    use: (s) => removeExpiredKeys(s.db, 100),
    index: "idempotency_keys_by_age",
  },
  "a run's lines": { use: (s) => listRunLogs(s.db, id, 50, undefined) },
  "a function's lines": { use: (s) => listFunctionLogs(s.db, id, 50, undefined) },
  "a function's lines of one run": {
    use: (s) => listFunctionLogs(s.db, id, 50, undefined, { runId: id, level: "warn", since: now }),
  },
  "what a function's last runs took": {
    use: (s) => readFigures(s, newId()),
    index: `${TODAY}_function_id_id_idx`,
  },
  "what the last runs of a function took that was made long ago": {
    use: (s) => readFigures(s, firstIdOf(new Date(now.getTime() - 90 * 86_400_000))),
    index: `${TODAY}_function_id_id_idx`,
  },
  "a function's next lines": {
    use: (s) => readFunctionLogsAfter(s.db, id, { position: "1:1", snapshot: "1:1:" }, 50),
  },
  "the next lines of several functions": {
    use: (s) =>
      readFollowedLogs(
        s.db,
        Array.from({ length: 20 }, () => ({ functionId: newId(), position: "1:1", withSearched: true })),
        500,
      ),
  },
};

interface Stage {
  count: number;
  isAnalyzed: boolean;
  /** What makes it of the one before. */
  prepare?: () => Promise<void>;
}

const STAGES: Stage[] = [
  // Before anything is stored, nobody has analyzed anything either.
  { count: 0, isAnalyzed: false },
  { count: 1, isAnalyzed: false, prepare: () => fill(1).then(analyzeSmall) },
  { count: 5_000, isAnalyzed: false, prepare: () => fill(5_000).then(analyzeSmall) },
  { count: 5_000, isAnalyzed: true, prepare: async () => void (await store.pool.query("ANALYZE")) },
];

for (const { count, isAnalyzed, prepare } of STAGES) {
  describe(`plans with ${count} queued runs${isAnalyzed ? ", all tables analyzed" : ""}`, () => {
    if (prepare) before(prepare);
    for (const [name, { use, index }] of Object.entries(CASES)) {
      test(`${name}: by an index, no scan of a table that grows`, async () => {
        const statements = await record(use);
        assert.ok(statements.length > 0);
        const plans = await Promise.all(statements.map(explain));
        const nodes = plans.flat();
        const scanned = nodes
          .filter((node) => node["Node Type"] === "Seq Scan")
          .map((node) => node["Relation Name"] ?? "");
        assert.deepEqual(
          scanned.filter((table) => GROWING.test(table)),
          [],
        );
        const used = nodes.flatMap((node) => node["Index Name"] ?? []);
        assert.ok(used.length > 0);
        for (const [at, plan] of plans.entries()) if (statements[at]!.isPlanned) assertKeepable(plan);
        if (index && count > 1) assert.ok(used.includes(index), `${index}; it uses ${used.join(", ")}`);
      });
    }
  });
}

test("a list of runs plans for no day that is yet to come", async () => {
  const inThreeDays = new Date(now.getTime() + 3 * 86_400_000).toISOString().slice(0, 10).replaceAll("-", "");
  for (const filter of [{}, { taskId: id }, { state: ["failed"] }, { trigger: "manual" }] as RunFilter[]) {
    const statements = await record((s) => listRuns(s, callingNamespaceId, filter, { limit: 50 }));
    const tables = (await Promise.all(statements.map(explain)))
      .flat()
      .flatMap((node) => node["Relation Name"] ?? []);
    assert.ok(tables.includes(TODAY), `${JSON.stringify(filter)}: ${tables.join(", ")}`);
    assert.ok(!tables.includes(`task_runs_${inThreeDays}`), JSON.stringify(filter));
  }
});

test("lines find their attempts by a hash, however few of both are expected", async () => {
  const isLines = (node: PlanNode): boolean =>
    node["CTE Name"] === "lines" || (node["Node Type"] === "Hash" && (node.Plans ?? []).some(isLines));
  const recording = [
    ...[MOVE_TERMINAL, MOVE_CALLING, MOVE_LIMITED, MOVE_FAR, MOVE_EXPIRED],
    ...[KEEP_OPEN, KEEP_OPEN_CALLING, DEFER],
  ];
  for (const { name, text } of recording) {
    const nodes = await explain({ text, values: [], isPlanned: true });
    const joins = nodes.filter(({ Plans = [] }) => Plans.some(isLines) && Plans.length > 1);
    assert.deepEqual(
      joins.map((node) => node["Node Type"]),
      ["Hash Join"],
      name,
    );
  }
});

test("the index of claimable runs holds those and no others, in the order of claims", async () => {
  const text = `SELECT id FROM task_runs_open WHERE ${CLAIMABLE} AND ${isDue("$1::int")} ORDER BY ${OLDEST_FIRST} LIMIT 10`;
  const nodes = await explain({ text, values: [0], isPlanned: false });
  assert.deepEqual(
    nodes.map((node) => [node["Node Type"], node["Index Name"], node.Filter]),
    [
      ["Limit", undefined, undefined],
      // The index is the one of the release before, which has said the same of these rows by `room`.
      ["Index Scan", "task_runs_open_queued", "(waiting_for IS NULL)"],
    ],
    "not sorted, and filtered by nothing else",
  );
});

test("no plan is kept from before a table grew, but those that every size has", async () => {
  const single = openStore({
    databaseUrl: url,
    applicationName: "bellhop-test",
    maxConnections: 1,
    onError: () => {},
  });
  try {
    for (let round = 0; round < 10; round += 1) {
      await claimRuns(single, id, [id]);
      await claimDueRuns(single, id, 10, 0);
      await claimShares(single);
      await finishAttempts(single, id, [finished(run, id, { state: "cancelled" })]);
      await findRun(single, id, id);
    }
    const readNames = async (pool: pg.Pool, isKept: boolean) =>
      (
        await pool.query<{ name: string }>(
          "SELECT name FROM pg_prepared_statements WHERE (generic_plans > 0) = $1 ORDER BY name",
          [isKept],
        )
      ).rows.map(({ name }) => name);
    assert.deepEqual(await readNames(single.pool, false), ["find-run"]);
    assert.deepEqual(await readNames(single.pool, true), []);
    assert.deepEqual(await readNames(single.plannedPool, true), [
      "claim-all-due",
      "claim-by-id",
      "claim-shares",
      "finish-terminal",
    ]);
  } finally {
    await single.close();
  }
});
