/**
 * How a run is born: every INSERT of one stands here, as the last part of its caller's single statement. What a run
 * takes from where it comes from is said once for each origin: a column that runs of tasks are born with is a line in
 * `OF_TASK`, one that all are born with is a line in each of the three.
 */
import { DEFAULT_POLICY } from "../../contracts/task-policy.ts";
import { functionKeys } from "../limits/permits.ts";
import type { TaskRunsTable } from "../schema.ts";
import { CURRENT_XID } from "../xid.ts";
import { LINE_KEY } from "./held.ts";
import { recordInRowTime } from "./row-time.ts";

/** SQL expressions by the columns they fill; what is left out has its default. */
type RunColumns = Partial<Record<keyof TaskRunsTable, string>>;

function insertRuns(into: "task_runs_open" | "task_runs", columns: RunColumns, source: string): string {
  return `INSERT INTO ${into} (${Object.keys(columns).join(", ")})
    SELECT ${Object.values(columns).join(", ")} FROM ${source}`;
}

/** The columns of a task `t` that `OF_TASK` reads: for a CTE that hands tasks on. */
export const TASK_FACTS =
  "t.id, t.namespace_id, t.function_id, t.type, t.on_end, t.queue, t.limit_keys, t.priority";

/** Whom the ends of runs of a task `t` call, a `Callbacks` that is not empty; null: nobody. */
export const CALLBACKS_OF_TASK = `nullif(coalesce(t.on_end, (
    SELECT n.on_end FROM namespace_settings n WHERE n.namespace_id = t.namespace_id)), '{}'::jsonb)`;

/** The keys of a run in its queue with its function's; null where it has none but those that follow from the two. */
export const ofQueue = (functionId: string, keys: string) =>
  `CASE WHEN ${keys}::text[] IS NOT NULL THEN ${functionKeys(functionId)} || ${keys}::text[] END`;

/** As the runs of a task `t` have them. */
export const LIMIT_KEYS_OF_TASK = ofQueue("t.function_id", "t.limit_keys");

/** From the run's task `t`. */
const OF_TASK = {
  task_id: "t.id",
  namespace_id: "t.namespace_id",
  function_id: "t.function_id",
  type: "t.type",
  queue: "t.queue",
  limit_keys: LIMIT_KEYS_OF_TASK,
  priority: "t.priority",
  on_end: CALLBACKS_OF_TASK,
} satisfies RunColumns;

/** From the function `f` that is called. */
const OF_FUNCTION = {
  namespace_id: "f.namespace_id",
  function_id: "f.id",
  type: "'function'",
} satisfies RunColumns;

/** There is no claim before a direct run. */
export const DIRECT_CLAIM_NO = 1;

/** The runs $2 of direct calls. */
export const DIRECT_RUNS = `json_to_recordset($2::json) AS d(id uuid, made_at timestamptz, namespace_id uuid,
    function_id uuid, revision_id uuid, trigger text, target jsonb, state text, timeout_ms int, age_ms float8,
    traceparent text, input jsonb, input_at int, original_input jsonb, result jsonb, error jsonb, record jsonb, took_ms float8, lines json)`;

const BEGAN = "statement_timestamp() - d.age_ms * interval '1 millisecond'";

/** From a call `d` that was handed to the worker $1: it has begun, and nobody claims it. */
const OF_CALL = {
  id: "d.id",
  namespace_id: "d.namespace_id",
  function_id: "d.function_id",
  revision_id: "d.revision_id",
  type: "'function'",
  trigger: "d.trigger",
  target: "d.target",
  state: "d.state",
  claim_no: `${DIRECT_CLAIM_NO}`,
  worker_id: "$1",
  scheduled_for: BEGAN,
  available_at: BEGAN,
  queued_at: BEGAN,
  started_at: BEGAN,
  started_xid: CURRENT_XID,
  timeout_ms: "d.timeout_ms",
  traceparent: "d.traceparent",
  input: "d.input",
} satisfies RunColumns;

/** By the database's clock: claims compare with it. */
const QUEUED_NOW = {
  state: "'queued'",
  scheduled_for: "statement_timestamp()",
  available_at: "statement_timestamp()",
  queued_at: "statement_timestamp()",
} satisfies RunColumns;

/** At an instant to come, until when calls may join. */
const queuedFor = (instant: `$${number}`) =>
  ({
    ...QUEUED_NOW,
    scheduled_for: `${instant}::timestamptz`,
    available_at: `${instant}::timestamptz`,
  }) satisfies RunColumns;

/** The occurrences of a CTE `staged` (run_id, task_id, due_at, ring_at, traceparent), whose tasks a CTE `advanced` hands on. */
const STAGED_COLUMNS = {
  id: "s.run_id",
  ...OF_TASK,
  trigger: "'schedule'",
  state: "'queued'",
  scheduled_for: "s.due_at",
  available_at: "coalesce(s.ring_at, s.due_at)",
  queued_at: "clock_timestamp()",
  traceparent: "s.traceparent",
} satisfies RunColumns;
const STAGED_SOURCE = "staged s JOIN advanced t ON t.id = s.task_id";

export const INSERT_STAGED = insertRuns("task_runs_open", STAGED_COLUMNS, STAGED_SOURCE);

const ifHeld = (value: string) => `CASE WHEN h.waiting_for IS NOT NULL THEN ${value} END`;

/**
 * The same with a `hold` of each (held.ts): `turn`, it waits for its turn; `open`, for its instant, if an earlier run of
 * its task is open; null, for neither. Looked up by one value, which is never made a join through all that is open.
 */
const insertHeld = (more: RunColumns) =>
  insertRuns(
    "task_runs_open",
    {
      ...STAGED_COLUMNS,
      waiting_for: "h.waiting_for",
      waiting_key: ifHeld(LINE_KEY),
      room: ifHeld("'awaited'"),
      ...more,
    },
    `${STAGED_SOURCE} CROSS JOIN LATERAL (SELECT CASE s.hold WHEN 'turn' THEN 'overlap' WHEN 'open' THEN (
    SELECT 'instant' FROM task_runs_open o
    WHERE o.task_id = t.id AND o.trigger = 'schedule' AND o.state IN ('queued', 'running', 'deferred', 'scheduled') LIMIT 1
  ) END AS waiting_for) AS h`,
  );

export const INSERT_STAGED_HELD = insertHeld({});
/** The same with limits that count from when it is rung: by a clock for tests its instant is none of the true one. */
export const INSERT_STAGED_READY = insertHeld({ redriven_at: "s.ring_at" });

/** Instants $3 of a task in a CTE `task` that passed once, made now: traceparent $4. Their limits count from now. */
export const INSERT_BACKFILLED = insertRuns(
  "task_runs_open",
  {
    id: "i.run_id",
    ...OF_TASK,
    trigger: "'backfill'",
    ...QUEUED_NOW,
    scheduled_for: "i.at",
    redriven_at: "statement_timestamp()",
    traceparent: "$4",
  },
  "task t CROSS JOIN json_to_recordset($3::json) AS i(run_id uuid, at timestamptz)",
);

/** Runs of a CTE `waiting` that were taken out of the table, as they were. */
export const INSERT_RENEWED = "INSERT INTO task_runs_open SELECT * FROM waiting";

/** A run at once of each task in a CTE `task`. */
export const insertTaskRun = (
  trigger: "schedule" | "manual",
  runId: string,
  traceparent: string,
  more: Pick<RunColumns, "input"> = {},
  queued: RunColumns = QUEUED_NOW,
): string =>
  insertRuns(
    "task_runs_open",
    { id: runId, ...OF_TASK, trigger: `'${trigger}'`, ...queued, traceparent, ...more },
    "task t",
  );

/** The same at the instant $6: $3 the run's id, $4 traceparent, $5 input. */
export const INSERT_JOINABLE_TASK_RUN = insertTaskRun("manual", "$3", "$4", { input: "$5" }, queuedFor("$6"));

/**
 * A call of a function that is there: $1 the run's id, $2 namespace, $3 the function's name, $4 timeout_ms, $5 awaited,
 * $6 input, $7 target, $8 trigger, $9 traceparent, $10 max_attempts, $11 queue, $12 its keys there, $13 priority.
 */
const insertInvocation = (queued: RunColumns) =>
  insertRuns(
    "task_runs_open",
    {
      id: "$1",
      ...OF_FUNCTION,
      trigger: "$8",
      ...queued,
      timeout_ms: "$4",
      awaited: "$5",
      input: "$6",
      target: "$7",
      traceparent: "$9",
      max_attempts: "$10",
      queue: "$11",
      limit_keys: ofQueue("f.id", "$12"),
      priority: "$13",
    },
    "functions f WHERE f.namespace_id = $2 AND f.name = $3 AND f.removed_at IS NULL",
  );
export const INSERT_INVOCATION = insertInvocation(QUEUED_NOW);
/** The same at the instant $14. */
export const INSERT_JOINABLE_INVOCATION = insertInvocation(queuedFor("$14"));

/** Those direct runs, as running, whose ids a CTE `fence` has taken. */
export const INSERT_SHOWN = insertRuns(
  "task_runs_open",
  OF_CALL,
  `${DIRECT_RUNS} JOIN fence n ON n.run_id = d.id`,
);

/** The same with the permits of a CTE `admitted`. */
export const INSERT_RESERVED = insertRuns(
  "task_runs_open",
  { ...OF_CALL, permits: "a.permits" },
  `${DIRECT_RUNS} JOIN fence n ON n.run_id = d.id CROSS JOIN admitted a`,
);

/** Those of a CTE `ended` of direct runs, as ended, whose ids a CTE `fence` has taken; long inputs stand apart, in $4. */
export const INSERT_ENDED = insertRuns(
  "task_runs",
  {
    ...OF_CALL,
    finished_at: "statement_timestamp()",
    input: "coalesce(d.input, ($4::text[])[d.input_at]::jsonb)",
    original_input: "d.original_input",
    result: "d.result",
    error: "d.error",
    attempts: `jsonb_build_array(${recordInRowTime("d.record", BEGAN, "d.took_ms")})`,
  },
  "ended d JOIN fence n ON n.run_id = d.id",
);

/**
 * A run of a task in a CTE `task` once more: $3 the new run's id, $4 traceparent, $5 trigger, $6 input, $7 target, $8 the
 * run that it replays.
 */
export const INSERT_TASK_REPLAY = insertRuns(
  "task_runs_open",
  {
    id: "$3",
    ...OF_TASK,
    trigger: "$5",
    ...QUEUED_NOW,
    input: "$6",
    target: "$7",
    traceparent: "$4",
    replay_of: "$8",
  },
  "task t",
);

/**
 * A call of a function that is there once more: $1 the function's id, $2 namespace, $3 the new run's id, $4 traceparent,
 * $5 trigger, $6 input, $7 target, $8 the run that it replays, $9 timeout_ms, $10 max_attempts, $11 queue, $12 its keys
 * there, $13 priority.
 */
export const INSERT_CALL_REPLAY = insertRuns(
  "task_runs_open",
  {
    id: "$3",
    ...OF_FUNCTION,
    trigger: "$5",
    ...QUEUED_NOW,
    timeout_ms: "$9",
    max_attempts: "$10",
    input: "$6",
    target: "$7",
    traceparent: "$4",
    replay_of: "$8",
    queue: "$11",
    limit_keys: ofQueue("f.id", "$12"),
    priority: "$13",
  },
  "functions f WHERE f.id = $1 AND f.namespace_id = $2 AND f.removed_at IS NULL",
);

/** Callbacks `records` that are runs of no task: what they send, or what their function is given, is their input. */
export const insertCallbacks = (records: `$${number}`): string =>
  insertRuns(
    "task_runs_open",
    {
      id: "c.id",
      namespace_id: "c.namespace_id",
      function_id: "c.function_id",
      type: "c.type",
      trigger: "'callback'",
      ...QUEUED_NOW,
      timeout_ms: `${DEFAULT_POLICY.timeoutMs}`,
      input: "c.input",
      callback_of: "c.callback_of",
      replay_of: "c.replay_of",
    },
    `json_to_recordset(${records}::json) AS c(id uuid, namespace_id uuid, type text, function_id uuid, input jsonb,
    callback_of uuid, replay_of uuid)`,
  );

/** Callbacks $3 that run a task of a CTE `task`; their own ends call no more than a chain of callbacks may. */
export const INSERT_TASK_CALLBACKS = insertRuns(
  "task_runs_open",
  {
    id: "c.id",
    ...OF_TASK,
    on_end: `jsonb_set(${CALLBACKS_OF_TASK}, '{depth}', to_jsonb(c.depth))`,
    trigger: "'callback'",
    ...QUEUED_NOW,
    callback_of: "c.callback_of",
  },
  `json_to_recordset($3::json) AS c(id uuid, namespace_id uuid, task_id uuid, callback_of uuid, depth int)
    JOIN task t ON t.id = c.task_id AND t.namespace_id = c.namespace_id`,
);

/** Instants $1 that do not fire: of which task, the first of them, why, and for which instants. */
export const INSERT_SKIPPED = insertRuns(
  "task_runs",
  {
    id: "s.run_id",
    ...OF_TASK,
    trigger: "'schedule'",
    state: "'skipped'",
    scheduled_for: "s.first_at",
    available_at: "s.first_at",
    finished_at: "clock_timestamp()",
    skipped: "s.skipped",
  },
  `json_to_recordset($1::json) AS s(run_id uuid, task_id uuid, first_at timestamptz, skipped jsonb)
    JOIN tasks t ON t.id = s.task_id`,
);
