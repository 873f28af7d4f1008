/** queued → running: one batched statement that takes, counts and fences. */
import type { RetryPolicy } from "../../domain/retry.ts";
import type { TaskSpec } from "../../domain/task-spec.ts";
import type { Json } from "../../json.ts";
import type { Store } from "../database.ts";

/** A run that this worker owns until it finishes it or its lease ends, with all that is needed to try it. */
export interface ClaimedRun {
  id: string;
  /** Fences every finish: a later claim has a higher number. */
  claimNo: number;
  namespaceId: string;
  /** Null for a direct invocation of a function. */
  taskId: string | null;
  spec: TaskSpec;
  attempt: number;
  /** Attempts spent before the last redrive. */
  attemptOffset: number;
  retry: RetryPolicy;
  deadLetter: boolean;
  timeoutMs: number;
  scheduledFor: Date;
  startedAt: Date;
  /** For functions: the revision this attempt runs. */
  functionId: string | null;
  revisionId: string | null;
}

/** An invocation is tried once: its caller decides what to do about a failure. */
const INVOCATION_RETRY: RetryPolicy = {
  maxAttempts: 1,
  backoff: { initialMs: 1_000, factor: 2, maxMs: 1_000, jitter: false },
};

const FALLBACK_TIMEOUT_MS = 30_000;

const TAKE = `
  UPDATE task_runs_open r
  SET state = 'running', claim_no = claim_no + 1, worker_id = $1, started_at = clock_timestamp()
  FROM wanted WHERE r.id = wanted.id
  RETURNING r.id, r.claim_no, r.namespace_id, r.task_id, r.function_id, r.attempt, r.attempt_offset,
    r.scheduled_for, r.started_at, r.timeout_ms, r.input`;

const DESCRIBE = `
  SELECT c.*, t.spec, t.retry, t.dead_letter, t.timeout_ms AS task_timeout_ms, f.name AS function_name,
    f.active_revision_id
  FROM taken c LEFT JOIN tasks t ON t.id = c.task_id LEFT JOIN functions f ON f.id = c.function_id`;

// The predicate on state is hidden from the planner: it would pick the partial index and walk the whole backlog.
const CLAIM_BY_ID = `
  WITH wanted AS MATERIALIZED (
    SELECT id FROM task_runs_open
    WHERE id = ANY($2::uuid[]) AND state || '' = 'queued' AND available_at <= statement_timestamp()
    FOR UPDATE SKIP LOCKED
  ), taken AS (${TAKE}) ${DESCRIBE}`;

// statement_timestamp, not clock_timestamp: stable, so that it bounds the index; and never later than the clock.
const CLAIM_DUE = `
  WITH wanted AS MATERIALIZED (
    SELECT id FROM task_runs_open
    WHERE state = 'queued' AND available_at <= statement_timestamp() - $3::int * interval '1 millisecond'
    ORDER BY available_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ), taken AS (${TAKE}) ${DESCRIBE}`;

interface ClaimRow {
  id: string;
  claim_no: number;
  namespace_id: string;
  task_id: string | null;
  function_id: string | null;
  attempt: number;
  attempt_offset: number;
  scheduled_for: Date;
  started_at: Date;
  timeout_ms: number | null;
  input: Json;
  spec: TaskSpec | null;
  retry: RetryPolicy | null;
  dead_letter: boolean | null;
  task_timeout_ms: number | null;
  function_name: string | null;
  active_revision_id: string | null;
}

/** Takes those of `runIds` that are queued and due; the others are somebody else's, early or gone. */
export async function claimRuns(store: Store, workerId: string, runIds: string[]): Promise<ClaimedRun[]> {
  const { rows } = await store.pool.query<ClaimRow>({
    name: "claim-by-id",
    text: CLAIM_BY_ID,
    values: [workerId, runIds],
  });
  return rows.map(toClaimedRun);
}

/** Takes up to `limit` runs that have been due for `overdueMs`, oldest first. */
export async function claimDueRuns(
  store: Store,
  workerId: string,
  limit: number,
  overdueMs: number,
): Promise<ClaimedRun[]> {
  const { rows } = await store.pool.query<ClaimRow>({
    name: "claim-due",
    text: CLAIM_DUE,
    values: [workerId, limit, overdueMs],
  });
  return rows.map(toClaimedRun);
}

export interface EarlyRun {
  id: string;
  availableAt: Date;
  /** Until its instant, by the database's clock, which is the one claims obey. */
  waitMs: number;
}

/** Of `runIds`, those that still wait for their instant. */
export async function findEarlyRuns(store: Store, runIds: string[]): Promise<EarlyRun[]> {
  const { rows } = await store.pool.query<EarlyRun>({
    name: "early-runs",
    text: `SELECT id, available_at AS "availableAt",
        greatest(0, ceil(extract(epoch FROM available_at - clock_timestamp()) * 1000))::float8 AS "waitMs"
      FROM task_runs_open WHERE id = ANY($1::uuid[]) AND state || '' = 'queued'`,
    values: [runIds],
  });
  return rows;
}

/** Milliseconds until the next queued run becomes due, by the database's clock (0: now); null when none is queued. */
export async function msUntilNextQueued(store: Store): Promise<number | null> {
  const { rows } = await store.pool.query<{ ms: number | null }>({
    name: "next-queued",
    text: `SELECT ceil(extract(epoch FROM min(available_at) - clock_timestamp()) * 1000)::float8 AS ms
      FROM task_runs_open WHERE state = 'queued'`,
  });
  const ms = rows[0]?.ms ?? null;
  return ms === null ? null : Math.max(ms, 0);
}

function toClaimedRun(row: ClaimRow): ClaimedRun {
  const spec: TaskSpec = row.spec ?? {
    type: "function",
    function: row.function_name ?? "",
    input: row.input,
  };
  return {
    id: row.id,
    claimNo: row.claim_no,
    namespaceId: row.namespace_id,
    taskId: row.task_id,
    spec,
    attempt: row.attempt,
    attemptOffset: row.attempt_offset,
    retry: row.retry ?? INVOCATION_RETRY,
    deadLetter: row.dead_letter ?? false,
    timeoutMs: row.timeout_ms ?? row.task_timeout_ms ?? FALLBACK_TIMEOUT_MS,
    scheduledFor: row.scheduled_for,
    startedAt: row.started_at,
    functionId: row.function_id,
    revisionId: row.active_revision_id,
  };
}
