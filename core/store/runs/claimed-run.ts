/** What a claim returns, and the tail that the claiming statements share. */
import { CALL_POLICY, policyWithoutTask, type TaskPolicy } from "../../contracts/task-policy.ts";
import { type RunTarget, targetOf } from "../../domain/run-target.ts";
import type { RunTrigger } from "../../domain/run-trigger.ts";
import type { CronClock } from "../../domain/schedule/named-by.ts";
import type { TaskSpec } from "../../domain/task-spec.ts";
import { pickRevision, type Traffic } from "../../domain/traffic.ts";
import type { Json } from "../../json.ts";
import { byIndex } from "../by-index.ts";
import {
  fromJoinedPolicy,
  JOINED_POLICY,
  type JoinedPolicy,
  UNCOMMON_POLICY,
  type UncommonPolicy,
} from "../tasks/policy-columns.ts";
import { fromSpecColumn, type GivenInput, type StoredSpec, withGivenInput } from "../tasks/spec-column.ts";
import { MOST_COMPRESSED } from "../walk.ts";
import { atLeastAfter } from "../xid.ts";

/** A run that this worker owns until it finishes it or its lease ends, with all that is needed to try it. */
export interface ClaimedRun {
  id: string;
  /** Fences every finish: a later claim has a higher number. */
  claimNo: number;
  namespaceId: string;
  /** Null for a direct invocation of a function. */
  taskId: string | null;
  /** `http` and `hook`: the input is a stored request. */
  trigger: RunTrigger;
  spec: TaskSpec;
  /** Set where `spec` says no more than its type and function: so many bytes are loaded before it begins (load-spec.ts). */
  unloadedBytes?: number;
  attempt: number;
  /** Attempts spent before the last redrive. */
  attemptOffset: number;
  /** Its task's, or that of a call; the timeout is this attempt's. */
  policy: TaskPolicy;
  scheduledFor: Date;
  /** Of a function's task that goes by cron expressions. */
  cronClock?: CronClock;
  /** Of the last redrive: its deadline is counted from there. */
  limitsFrom: Date | null;
  startedAt: Date;
  /** For functions: the revision this attempt runs. */
  functionId: string | null;
  revisionId: string | null;
  /** It has permits of limits that its end gives back. */
  holdsPermits: boolean;
  /** Its end calls somebody. */
  hasCallbacks: boolean;
  /** What made the run, as a W3C traceparent; null: it was not traced. */
  traceparent: string | null;
}

/** The most the next attempt of a run `r` may take, in milliseconds: as `toClaimedRun` has it. */
export const TIMEOUT_MS = `coalesce(r.timeout_ms, (SELECT t.timeout_ms FROM tasks t WHERE t.id = r.task_id),
      ${CALL_POLICY.timeoutMs})`;

/** The traffic of a function `f`; null where it was removed: nothing reaches its revisions any more. */
export const TRAFFIC = "CASE WHEN f.removed_at IS NULL THEN f.traffic END";

/**
 * Takes the rows of a CTE `chosen` (id, function_name, traffic, permits) that are `is_free` for the
 * worker $1: a CTE `taken`. Who chose them has locked them.
 */
export const TAKEN = `
  taken AS (
    UPDATE task_runs_open r
    SET state = 'running', claim_no = claim_no + 1, worker_id = $1, started_at = clock_timestamp(),
      started_xid = coalesce(started_xid, ${atLeastAfter("queued_xid")}),
      permits = c.permits, waiting_for = NULL, waiting_key = NULL, room = NULL, turn = NULL
    FROM chosen c WHERE ${byIndex("r.id", "c.id")} AND c.is_free
    RETURNING r.id, r.claim_no, r.namespace_id, r.task_id, r.function_id, r.attempt, r.attempt_offset,
      r.scheduled_for, r.redriven_at, r.started_at, r.timeout_ms, r.max_attempts, r.input, c.function_name, c.traffic, c.permits IS NOT NULL AS holds_permits, r.target, r.trigger,
      r.traceparent, r.on_end IS NOT NULL AS has_callbacks
  )`;

/** What is larger, of a run's input or of its task's spec, does not come with the claim: a hundred of them would be 200 MB. */
export const MAX_CLAIMED_BYTES = 65_536;

/** Of what is compressed nothing cheap says how much it is. */
const MAX_COMPRESSED_BYTES = Math.floor(MAX_CLAIMED_BYTES / MOST_COMPRESSED);

const isLarge = (column: string) => `(pg_column_size(${column}) > ${MAX_COMPRESSED_BYTES}
  AND (pg_column_size(${column}) > ${MAX_CLAIMED_BYTES} OR pg_column_compression(${column}) IS NOT NULL))`;
const IS_LARGE = `(${isLarge("k.input")} OR ${isLarge("t.spec")})`;
const textBytes = (column: string) => `coalesce(octet_length(${column}::text), 0)`;

/** A callback has its spec as its input. */
const SPEC = "coalesce(t.spec, CASE WHEN k.trigger = 'callback' AND k.function_id IS NULL THEN k.input END)";
/** What says of a spec which runner and revision are its own. */
const HEAD = `CASE WHEN ${SPEC} IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
  ${["type", "function", "tag", "revision"].map((field) => `'${field}', ${SPEC} -> '${field}'`).join(", ")})) END`;

/** Of a row of `taken`, but for its input. */
const TAKEN_COLUMNS = `k.id, k.claim_no, k.namespace_id, k.task_id, k.function_id, k.attempt, k.attempt_offset,
    k.scheduled_for, k.redriven_at, k.started_at, k.timeout_ms, k.max_attempts, k.function_name, k.traffic, k.holds_permits,
    k.target, k.trigger, k.traceparent, k.has_callbacks`;

/** What says of a function's task by which expression it fired. */
const CRON_CLOCK = `CASE WHEN k.function_id IS NOT NULL AND t.schedule ->> 'kind' = 'cron' THEN jsonb_strip_nulls(
  jsonb_build_object(${["expression", "timezone", "gap", "repeat"].map((field) => `'${field}', t.schedule -> '${field}'`).join(", ")})) END`;

const TAG = "coalesce(k.target ->> 'tag', t.spec ->> 'tag')";

/** The policy and the spec of one of the tasks of `taken`, which most of the others may have too. */
export const COMMON = `
  common AS MATERIALIZED (
    SELECT t.policy, t.retry, CASE WHEN NOT ${isLarge("t.spec")} THEN t.spec END AS spec FROM taken k JOIN tasks t ON ${byIndex("t.id", "k.task_id")} LIMIT 1
  )`;

/** A spec that all have is told once: to write it, send it and read it takes both sides longer than to compare it. */
const UNCOMMON_SPEC = "CASE WHEN NOT (SELECT ROW(spec) FROM common) *= ROW(t.spec) THEN t.spec END";

/** A `ClaimRow` of each row `k` of a `source` of `taken` rows: with its task's definition and the revision of its tag. */
export const describe = (source: string) => describeWith(JOINED_POLICY, "t.spec", source, "");
/** The same with more `columns`, and without what `COMMON` has. */
export const describeBriefly = (source: string, columns: string) =>
  describeWith(UNCOMMON_POLICY, UNCOMMON_SPEC, source, columns);

const describeWith = (policy: string, spec: string, source: string, columns: string) => `
  SELECT ${TAKEN_COLUMNS}, ${policy}, ${CRON_CLOCK} AS cron_clock,
    CASE WHEN ${IS_LARGE} THEN NULL ELSE k.input END AS input,
    CASE WHEN ${IS_LARGE} THEN ${HEAD} ELSE ${spec} END AS spec,
    CASE WHEN ${IS_LARGE} THEN ${textBytes("k.input")} + ${textBytes("t.spec")} END AS "unloadedBytes", CASE WHEN k.function_id IS NOT NULL AND ${TAG} IS NOT NULL THEN (
      SELECT g.revision_id FROM function_tags g WHERE g.function_id = k.function_id AND g.tag = ${TAG}
    ) END AS tag_revision_id ${columns}
  FROM ${source} LEFT JOIN tasks t ON ${byIndex("t.id", "k.task_id")}`;

interface TakenRow {
  id: string;
  claim_no: number;
  namespace_id: string;
  task_id: string | null;
  function_id: string | null;
  attempt: number;
  attempt_offset: number;
  scheduled_for: Date;
  redriven_at: Date | null;
  started_at: Date;
  timeout_ms: number | null;
  max_attempts: number | null;
  input: Json;
  spec: StoredSpec | null;
  unloadedBytes: number | null;
  function_name: string | null;
  traffic: Traffic | null;
  has_callbacks: boolean;
  holds_permits: boolean;
  target: RunTarget | null;
  trigger: RunTrigger;
  traceparent: string | null;
  tag_revision_id: string | null;
  cron_clock: CronClock | null;
}

/** What a run's spec is made of. */
type GivenColumns = Pick<TakenRow, "input" | "function_id" | "function_name" | "trigger">;
export type SpecColumns = Pick<TakenRow, "spec"> & GivenColumns;

export type ClaimRow = TakenRow & JoinedPolicy;
/** Of `describeBriefly`. */
export type BriefClaimRow = TakenRow & UncommonPolicy;

/** @param stored what `spec` was made of, if it has a task */
export function toClaimedRun(
  row: Omit<TakenRow, "spec">,
  joined: JoinedPolicy,
  spec: TaskSpec,
  stored: StoredSpec | null,
): ClaimedRun {
  const policy = fromJoinedPolicy(joined) ?? policyWithoutTask(row.trigger, row.max_attempts);
  return {
    id: row.id,
    claimNo: row.claim_no,
    namespaceId: row.namespace_id,
    taskId: row.task_id,
    trigger: row.trigger,
    spec,
    ...(row.unloadedBytes === null ? {} : { unloadedBytes: row.unloadedBytes }),
    attempt: row.attempt,
    attemptOffset: row.attempt_offset,
    policy: row.timeout_ms === null ? policy : { ...policy, timeoutMs: row.timeout_ms },
    scheduledFor: row.scheduled_for,
    ...(row.cron_clock === null ? {} : { cronClock: row.cron_clock }),
    limitsFrom: row.redriven_at,
    startedAt: row.started_at,
    functionId: row.function_id,
    revisionId: chooseRevision(row, stored),
    holdsPermits: row.holds_permits,
    hasCallbacks: row.has_callbacks,
    traceparent: row.traceparent,
  };
}

export function specOf(
  { input, function_id, function_name, trigger }: GivenColumns,
  spec: StoredSpec | null,
): TaskSpec {
  if (spec) return fromSpecColumn(input === null ? spec : withGivenInput(spec, input as GivenInput));
  // A callback that sends: what it sends was written when it was made.
  if (trigger === "callback" && function_id === null) return fromSpecColumn(input as unknown as StoredSpec);
  return { type: "function", function: function_name ?? "", input };
}

/** The revision that was asked for, else the one the function's traffic gives this run; null where there is none. */
function chooseRevision(row: Omit<TakenRow, "spec">, spec: StoredSpec | null): string | null {
  const { id, function_id, tag_revision_id, traffic } = row;
  if (function_id === null || traffic === null) return null;
  const target = row.target ?? (spec ? targetOf(spec) : undefined);
  if (target) return "revision" in target ? target.revision : tag_revision_id;
  return pickRevision(traffic, function_id, id) ?? null;
}
