/** The tables as Kysely knows them. Truth is the migrations; this mirrors them. */
import type { ColumnType, Generated } from "kysely";
import type { ActorKind } from "../contracts/audit.ts";
import type { CapturedMessage } from "../contracts/captured-email.ts";
import type { AttemptRecord } from "../contracts/run.ts";
import type { StoredPolicy } from "../contracts/stored-policy.ts";
import type { PauseReason, TaskState } from "../contracts/task-output.ts";
import type { Callbacks, CalledState, RunCallbacks } from "../domain/callbacks.ts";
import type { ErrorState } from "../domain/error-groups.ts";
import type { KeptEventType } from "../domain/events.ts";
import type { AskedLimits } from "../domain/function-limits.ts";
import type { HookVerification } from "../domain/hook.ts";
import type { KeyLimits } from "../domain/limit.ts";
import type { QueuePlace } from "../domain/limit-keys.ts";
import type { NamespaceEgress } from "../domain/namespace-egress.ts";
import type { NamespaceLimits } from "../domain/namespace-limits.ts";
import type { QueueLimits } from "../domain/queue.ts";
import type { RequestRate } from "../domain/request-rate.ts";
import type { RunError } from "../domain/run-errors.ts";
import type { StoredRunState } from "../domain/run-state.ts";
import type { RunTarget } from "../domain/run-target.ts";
import type { RunTrigger } from "../domain/run-trigger.ts";
import type { Schedule } from "../domain/schedule/schedule.ts";
import type { SkippedInstants } from "../domain/skipped.ts";
import type { TaskType } from "../domain/task-spec.ts";
import type { Traffic } from "../domain/traffic.ts";
import type { Json, JsonObject } from "../json.ts";
import type { StoredSpec } from "./tasks/spec-column.ts";

/** jsonb: read as a value, written as JSON text (see json-text.ts). */
type Jsonb<T> = ColumnType<T, string, string>;
/** jsonb with a default. */
type Filled<T> = ColumnType<T, string | undefined, string>;
/** Filled by the database's clock. */
type Stamp = ColumnType<Date, Date | undefined, Date>;

export interface Database {
  namespaces: {
    id: string;
    name: string;
    created_at: Stamp;
    /** Set: it is being deleted, and takes nothing new. */
    closed_at: ColumnType<Date | null, undefined, Date>;
    /** What an operator lets it have; null: it has no limits. */
    limits: ColumnType<NamespaceLimits | null, undefined, string | null>;
    /** Where its requests may go; null: where everybody may. */
    egress: ColumnType<NamespaceEgress | null, undefined, string | null>;
  };
  api_keys: {
    id: string;
    namespace_id: string;
    name: string;
    key_hash: Buffer;
    scopes: string[];
    created_at: Stamp;
    expires_at: Date | null;
    revoked_at: Date | null;
    /** The functions that it is for; null: it is not bound to any. */
    functions: ColumnType<string[] | null, string[] | null | undefined, never>;
    /** Within a minute or so. */
    last_used_at: ColumnType<Date | null, undefined, Date>;
    /** After a rotation: the secret before, and until when it is valid too. */
    previous_hash: ColumnType<Buffer | null, undefined, Buffer | null>;
    previous_until: ColumnType<Date | null, undefined, Date | null>;
    /** What its secret ends with, to know it by; null where the release before made it. */
    ending: ColumnType<string | null, string | undefined, string>;
  };
  /** Append-only: rows are added, and deleted by the retention and with their namespace. */
  audit_log: {
    id: string;
    namespace_id: string;
    /** An `operationId` of the API. */
    action: string;
    resource: string;
    status: number;
    actor_kind: ActorKind;
    actor_key_id: string;
    actor_name: string;
    address: string | null;
    before: Jsonb<JsonObject> | null;
    after: Jsonb<JsonObject> | null;
    /** About the installation, in the log of the namespace `default`. */
    for_operators: Generated<boolean>;
    /** In which transaction it was written (xid.ts); null: before entries were events. */
    recorded_xid: Generated<string | null>;
  };
  functions: {
    id: string;
    namespace_id: string;
    name: string;
    /** The revision that leads: it has the largest share of the traffic, or is the first one. */
    active_revision_id: string | null;
    traffic: Filled<Traffic>;
    /** What a rollback brings back. */
    previous_traffic: Filled<Traffic | null>;
    is_public: Generated<boolean>;
    /** As the release before reads it: that of the revision that leads. */
    env: Filled<Record<string, string>>;
    /** Null: it stands. */
    removed_at: ColumnType<Date | null, undefined, Date>;
    created_at: Stamp;
    updated_at: Stamp;
  };
  function_revisions: {
    id: string;
    function_id: string;
    number: number;
    content_hash: string;
    entry: string;
    files: Jsonb<Record<string, string>>;
    code: string;
    source_map: string;
    limits: Jsonb<AskedLimits>;
    reuse: boolean;
    /** Null where the release before deployed it: the function's. */
    env: Jsonb<Record<string, string> | null>;
    /** Of its first run that told; null: none has. */
    cold_start_ms: ColumnType<number | null, undefined, number>;
    created_at: Stamp;
  };
  function_tags: { function_id: string; tag: string; revision_id: string; updated_at: Stamp };
  function_hooks: {
    id: string;
    /** One of the two is there. */
    function_id: string | null;
    task_id: string | null;
    name: string | null;
    tag: string | null;
    max_attempts: Generated<number>;
    /** Null: the queue `default`, no key in it, and the default priority. */
    place: ColumnType<QueuePlace | null, string | null, string | null>;
    verify: ColumnType<HookVerification | null, string | null, string | null>;
    rate: ColumnType<RequestRate | null, string | null, string | null>;
    token_hash: Buffer;
    created_at: Stamp;
  };
  idempotency_keys: {
    namespace_id: string;
    operation: string;
    key: string;
    request_hash: Buffer;
    /** What the request made; of one whose answer is kept it says nothing. */
    made_id: string;
    /** As kept-answers.ts has it; null where the route finds what was made, or the answer was too large. */
    answer: Buffer | null;
    is_answer_sealed: boolean | null;
    created_at: Stamp;
  };
  tasks: {
    id: string;
    namespace_id: string;
    /** Of its caller's choosing; null: it has its id alone. See tasks/keys.ts. */
    key: ColumnType<string | null, string | null | undefined, string | null>;
    name: string | null;
    state: TaskState;
    type: TaskType;
    spec: Jsonb<StoredSpec>;
    function_id: string | null;
    schedule: Jsonb<Schedule>;
    /** Where the grid of `every` is counted from. */
    anchor_at: Date;
    /** When it is staged: see tasks/cursor.ts. */
    next_run_at: Date | null;
    /** By how much it fires later than its nominal instants; null: at them. */
    jitter_offset_ms: ColumnType<number | null, number | null | undefined, number | null>;
    /** Scheduled runs that it may still have, those that were skipped not counted; null: any number. */
    runs_left: ColumnType<number | null, number | null | undefined, number | null>;
    /** Set: its next instant could not be found, and is looked for from here on. */
    seek_from: ColumnType<Date | null, undefined, Date | null>;
    seek_error: ColumnType<string | null, undefined, string | null>;
    seek_tried_at: ColumnType<Date | null, undefined, Date | null>;
    /** Of the fields with columns of their own, the columns say what holds: see tasks/policy-columns.ts. */
    policy: Filled<StoredPolicy>;
    retry: Jsonb<NonNullable<StoredPolicy["retry"]>>;
    timeout_ms: number;
    dead_letter: boolean;
    labels: Jsonb<Record<string, string>>;
    /** What its policy says of queues, as its runs are born with it; null: `default`, and no key. See domain/limit-keys.ts. */
    queue: ColumnType<string | null, string | null | undefined, string | null>;
    limit_keys: ColumnType<string[] | null, string[] | null | undefined, string[] | null>;
    /** As its policy says; its runs have it from here. */
    priority: Generated<number>;
    /** Whom the ends of its runs call; null: whom the namespace's settings say. */
    on_end: ColumnType<Callbacks | null, string | null | undefined, string | null>;
    /** Of a paused task: since when, and why; null as well where the release before paused it. */
    paused_at: ColumnType<Date | null, undefined, Date | null>;
    paused_reason: ColumnType<PauseReason | null, undefined, PauseReason | null>;
    /** Its runs that failed count from here on towards a pause; null: all of them. */
    failures_since: ColumnType<Date | null, undefined, Date>;
    /** The request that made it (W3C); null: it was not traced. */
    traceparent: ColumnType<string | null, string | null | undefined, string | null>;
    /** The key it was made with; null where the release before made it. */
    created_by: ColumnType<string | null, string | null | undefined, never>;
    /** Set: nobody is shown it any more; it stays for the runs that were open. */
    removed_at: ColumnType<Date | null, undefined, Date>;
    created_at: Stamp;
    updated_at: Stamp;
  };
  calendars: {
    namespace_id: string;
    name: string;
    /** Sorted. */
    dates: string[];
    /** Other dates have another one. */
    content_id: string;
    created_at: Stamp;
    updated_at: Stamp;
  };
  /** Of tasks whose schedules exclude instants: see tasks/exclusions.ts. */
  task_exclusions: {
    task_id: string;
    namespace_id: string;
    calendar: string | null;
    settled_until: Date;
    /** When to look for what has passed: an instant, or ±infinity. */
    look_at: Generated<Date>;
    /** The skipped run that grows with the next that is excluded. */
    open_run_id: string | null;
    open_run_at: Date | null;
  };
  /** One row a key that has a limit, or that runs still wait for. */
  run_limits: {
    key: string;
    namespace_id: string;
    /** Runs at once, at most; null: as many as come. */
    concurrency: number | null;
    /** Permits that runs hold, and those in `returned_permits`; see limits/permits.ts. */
    permits_held: Generated<number>;
    /** The limit is new: its count is full until then, or until what was under way is counted; see limits/count-new-limit.ts. */
    uncounted_until: Date | null;
    /** Runs may wait for a permit: who is new does not pass them. */
    has_waiting: Generated<boolean>;
    /** Of a rate: as many runs as may start have been called up, and have not started. Nobody else is for now. */
    is_called_out: Generated<boolean>;
    /** From when on permits can be granted to those that wait, in milliseconds since 1970; null: nobody waits, or none is left. */
    due_ms: ColumnType<number | null, never, never>;
    /** Of the queue `default`, or of the namespace: it holds for runs that do not name it. */
    is_default: Generated<boolean>;
    /** Of a key of a queue: the queue's own. */
    parent_key: ColumnType<string | null, string | null | undefined, never>;
    /** Of a queue: what holds for each key that its runs name. */
    per_key: Jsonb<KeyLimits | null>;
    /** See domain/rate.ts: how often one may start, how many at once, and when the bucket is full again. */
    rate_interval_ms: ColumnType<number | null, number | null | undefined, number | null>;
    rate_burst: ColumnType<number | null, number | null | undefined, number | null>;
    rate_used_until_ms: Generated<number>;
    /** 'infinity' (read as Infinity): until it is resumed. */
    paused_until: ColumnType<Date | number | null, Date | number | null | undefined, Date | number | null>;
  };
  /** Their limits are in force by `run_limits`. */
  queues: {
    namespace_id: string;
    name: string;
    limits: Jsonb<QueueLimits>;
    /** As `run_limits` has it. */
    paused_until: ColumnType<Date | number | null, Date | number | null | undefined, Date | number | null>;
    created_at: Stamp;
    updated_at: Stamp;
  };
  /** Permits that runs have given back and that `permits_held` still counts. */
  returned_permits: { key: string; count: number };
  /** Queued runs that further calls may join; see joins/. */
  joinable_runs: {
    namespace_id: string;
    scope: string;
    key: string;
    run_id: string;
    opened_at: Date;
    due_at: Date;
    count: number;
    bytes: number;
  };
  /** The task that a later one of its type with the same key takes the place of, while it has not fired; see tasks/debounce.ts. */
  debounced_tasks: { namespace_id: string; type: TaskType; key: string; task_id: string; opened_at: Date };
  namespace_settings: { namespace_id: string; on_end: Jsonb<Callbacks | null>; updated_at: Stamp };
  /** Ends that call somebody, until the runs of their callbacks are made; see callbacks/. */
  run_callbacks: {
    id: Generated<string>;
    run_id: string;
    namespace_id: string;
    task_id: string | null;
    state: CalledState;
    error: Jsonb<RunError | null>;
    on_end: Jsonb<RunCallbacks>;
    ended_at: Stamp;
  };
  /** Occurrences that are watched, and those that did not succeed in time: see expectations/. */
  expectations: {
    id: Generated<string>;
    namespace_id: string;
    task_id: string;
    /** Null: it has not fired. */
    run_id: string | null;
    scheduled_for: Date;
    due_at: Date;
    /** The instant that its run must not outlast; null: none, or it has been judged. */
    next_at: Date | null;
    /** When it is looked at next; null: never. */
    look_at: Date | null;
    /** Set: it did not succeed by `due_at`, and that has been told. */
    missed_at: Date | null;
  };
  /** Tasks whose last run that ended, or is under way, outlasted its cadence: told at the first of them. */
  overrunning_tasks: { task_id: string; run_id: string; since: Stamp };
  task_runs: TaskRunsTable;
  task_runs_open: TaskRunsTable;
  task_logs: {
    id: Generated<string>;
    recorded_xid: Generated<string>;
    at: Date;
    namespace_id: string;
    run_id: string;
    attempt: number;
    function_id: string | null;
    revision_id: string | null;
    level: string;
    message: string;
    fields: Jsonb<JsonObject | null>;
  };
  /** What becomes of tasks, and of runs what no row of theirs says any more: see events/. */
  events: {
    id: Generated<string>;
    recorded_xid: Generated<string>;
    namespace_id: string;
    at: Stamp;
    type: KeptEventType;
    task_id: string | null;
    run_id: string | null;
    function_id: string | null;
    /** Of the claim that a dead letter's last attempt was made under. */
    claim_no: number | null;
    /** What its error's group goes by; not shown. */
    stack: string | null;
    data: Jsonb<JsonObject>;
  };
  /** What went on in a minute, of namespaces in which anything did: see activity/fold-activity.ts. */
  activity_minutes: {
    namespace_id: string;
    minute: Date;
    succeeded: Generated<number>;
    failed: Generated<number>;
    other: Generated<number>;
    started: Generated<number>;
    late_ms: Generated<string>;
    latest_ms: Generated<string>;
    waiting: Generated<number>;
    running: Generated<number>;
  };
  /** One row. */
  activity_folds: { is_only: Generated<boolean>; below_xid: string; reached_at: Date };
  worker_minutes: { minute: Date; workers: number; slots: number; busy: number };
  /** What failures have in common, and how far they are counted: see errors/. */
  error_groups: {
    namespace_id: string;
    fingerprint: string;
    code: string;
    message: string;
    count: string;
    first_seen_at: Date;
    last_seen_at: Date;
    sample_run_ids: string[];
    function_ids: string[];
    task_ids: string[];
    /** Hours since 1970 → runs that failed so, of the last `GROUP_HOURS`. */
    hours: Filled<Record<string, number>>;
    state: Generated<ErrorState>;
    /** Of one that is resolved: runs that failed before do not open it. */
    resolved_at: Date | null;
  };
  error_folds: { is_only: Generated<boolean>; below_xid: string; reached_at: Date };
  captured_emails: {
    id: string;
    namespace_id: string;
    run_id: string;
    captured_at: Stamp;
    bytes: number;
    message: Jsonb<CapturedMessage>;
  };
  /** Ids of direct runs: whoever inserts one may write the run. */
  run_fences: { run_id: string; writer: string | null };
  workers: {
    id: string;
    host: string;
    pid: number;
    slots: number;
    busy: Generated<number>;
    receive: Generated<string>;
    started_at: Stamp;
    /** How long its lease is; null: of a version that did not say. */
    lease_ms: Generated<number | null>;
    lease_until: Date;
    draining: Generated<boolean>;
    address: string | null;
    call_token: string | null;
  };
  daily_runs: { namespace_id: string; day: string; runs: number; last_taken: number };
  /** How much namespaces with a limit of it store; of the day `infinity`: what belongs to none. */
  stored_bytes: {
    namespace_id: string;
    day: string;
    bytes: string;
    measured_at: Stamp;
    removed_on: string;
    total: string | null;
    next_at: Stamp;
  };
  open_streams: { id: string; namespace_id: string; counted_until: Date };
  /** Callers that an API holds until a worker takes their calls; counted until `told_until`. */
  waiting_callers: { api_id: string; callers: number; told_until: Date };
  /** Codes that sign in to the console, each once. */
  sign_in_codes: { code_hash: Buffer; expires_at: Date };
  /** Who came with tokens of an OpenID provider: histories know them by the id. */
  token_subjects: { id: string; issuer: string; subject: string; last_seen_at: Stamp };
}

export interface TaskRunsTable {
  id: string;
  /** 'infinity' (read as Infinity) while the run is open. */
  finished_at: ColumnType<Date | number, Date | undefined, Date>;
  namespace_id: string;
  task_id: string | null;
  function_id: string | null;
  revision_id: string | null;
  type: TaskType;
  trigger: RunTrigger;
  /** For calls: a revision by its tag or id, in place of the function's traffic. */
  target: Filled<RunTarget | null>;
  state: StoredRunState;
  attempt: Generated<number>;
  /** Attempts spent before the last redrive: a redriven run has its whole allowance again. */
  attempt_offset: Generated<number>;
  /** From when `ttl` and `deadline` count, where it is not `scheduled_for`: the last redrive, or when a backfill made the run. */
  redriven_at: ColumnType<Date | null, undefined, Date>;
  claim_no: Generated<number>;
  /** Null: `default`, and it names no key there. */
  queue: ColumnType<string | null, string | null | undefined, string | null>;
  /** The limits that may hold for the run; null: none, or written by the release before. See limits/permits.ts. */
  limit_keys: string[] | null;
  /** 0 to 100, higher first. */
  priority: Generated<number>;
  /** The keys of the permits it holds: while it runs, and where it was granted them before it starts. */
  permits: string[] | null;
  /** Why a queued run may not be claimed; null: it may. See limits/permits.ts and runs/held.ts. */
  waiting_for: "concurrency" | "instant" | "overlap" | null;
  /** The key in whose line a queued run stands: it waits, or was granted its permits. */
  waiting_key: string | null;
  /** Of a run in the line of a limit: its place there, and with whom it shares its turns; see limits/turns.ts. */
  turn: string | null;
  turn_key: string | null;
  /** What `waiting_for` says, for the release before. */
  room: "awaited" | "offered" | null;
  scheduled_for: Date;
  available_at: Date;
  queued_at: Date | null;
  started_at: Date | null;
  dead_at: Date | null;
  /** Of a deferred run: when it counts as failed. */
  complete_by: ColumnType<Date | null, undefined, Date | null>;
  worker_id: string | null;
  cancel_requested_at: Date | null;
  /** Somebody waits for the end: it is announced. */
  awaited: Generated<boolean>;
  /** For invocations; a task's run takes its task's. */
  timeout_ms: number | null;
  /** Of a call, how often it is tried at most; null: once. A task's run goes by its task's policy. */
  max_attempts: ColumnType<number | null, number | null | undefined, number | null>;
  /** What made the run (W3C); null: it was not traced. */
  traceparent: ColumnType<string | null, string | null | undefined, string | null>;
  /** Of a call what it was given, once it has ended what is shown of that; of a task's run what it was given besides. */
  input: Jsonb<Json>;
  /** Of a call that did not succeed what it was given, where `input` is something else; null as well where it is too long. */
  original_input: Filled<Json>;
  /** The run that it replays. */
  replay_of: string | null;
  /** Of a callback the run whose end it tells of. */
  callback_of: string | null;
  /** Whom its end calls; null: nobody. */
  on_end: Filled<RunCallbacks | null>;
  result: Jsonb<Json>;
  error: Jsonb<RunError | null>;
  attempts: Jsonb<AttemptRecord[]>;
  /** Of a skipped run: why, and for which instants. */
  skipped: Filled<SkippedInstants | null>;
  /** In which transaction it was queued first, first began, and its row was written (xid.ts); null: before there were events. */
  queued_xid: Generated<string | null>;
  started_xid: Generated<string | null>;
  recorded_xid: Generated<string | null>;
}
