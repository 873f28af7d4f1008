/** What only the database knows of the whole system: for metrics, and bounded, whatever waits. */
import { OPEN_STATES } from "../domain/run-state.ts";
import { TASK_TYPES, type TaskType } from "../domain/task-spec.ts";
import type { Store } from "./database.ts";
import { DEMAND_BOUND } from "./demand.ts";
import { CLAIMABLE } from "./runs/claimable.ts";
import { isHeld } from "./runs/held.ts";
import { nextInstant } from "./tasks/next-instant.ts";
import { unindexed } from "./unindexed.ts";
import { DEAD_OPEN_ROWS, HORIZON_AGES, type HorizonAges } from "./vacuum-horizon.ts";

export type OpenState = (typeof OPEN_STATES)[number];

export interface SystemStats {
  /** Those there are. Of each state the first 100,000 are counted. */
  openRuns: { type: TaskType; state: OpenState; count: number }[];
  /** Queued runs that wait for a permit of a limit. */
  waitingForPermit: number;
  /** Running runs that no worker has: whoever was sent their requests is to complete them. */
  deferredRuns: number;
  /** How long the oldest run has been due that a worker could take; 0 where there is none. */
  oldestDueSeconds: number;
  /** How long ago the oldest task should have been staged; 0 while schedulers keep up. */
  oldestUnstagedSeconds: number;
  /** Active tasks whose next instant could not be found. */
  tasksWithoutInstant: number;
  /** `lost`: the lease ran out and nobody has removed the row. */
  workers: { live: number; draining: number; lost: number };
  slots: number;
  busySlots: number;
  /** How long the oldest transaction of this database has been open, prepared ones too; 0 where there is none that the role may see. */
  oldestTransactionSeconds: number;
  horizonAges: HorizonAges;
  deadOpenRows: number;
  /** Until finished runs and logs have no partition to go to. */
  partitionsLeftSeconds: number;
}

export async function readStats(store: Store): Promise<SystemStats> {
  // One after the other, by one connection: a second one would have to be opened where nothing else goes on.
  const parts = await readOpenRuns(store);
  const rest = await readRest(store);
  return {
    openRuns: OPEN_STATES.flatMap((state) =>
      TASK_TYPES.map((type) => ({ type, state, count: countOf(parts, type, state) })),
    ).filter(({ count }) => count > 0),
    waitingForPermit: sumOf(parts, "waiting"),
    deferredRuns: sumOf(parts, "deferred"),
    ...rest,
  };
}

interface OpenPart {
  part: OpenState | "waiting" | "held" | "deferred";
  type: TaskType;
  count: number;
}

function countOf(parts: OpenPart[], type: TaskType, state: OpenState): number {
  return parts
    .filter((each) => each.type === type && stateOf(each) === state)
    .reduce((sum, { count }) => sum + count, 0);
}

function stateOf({ part }: OpenPart): OpenState {
  if (part === "waiting" || part === "held") return "queued";
  return part === "deferred" ? "running" : part;
}

const sumOf = (parts: OpenPart[], part: OpenPart["part"]) =>
  parts.filter((each) => each.part === part).reduce((sum, { count }) => sum + count, 0);

/** What waits for a limit, or for an earlier run of its task, stands in indexes of its own, apart from other queued ones. */
const PARTS: Record<OpenPart["part"], string> = {
  scheduled: "state = 'scheduled'",
  queued: CLAIMABLE,
  waiting: "state = 'queued' AND waiting_for = 'concurrency'",
  held: `state = 'queued' AND waiting_key IS NOT NULL AND ${isHeld("task_runs_open")}`,
  running: "state = 'running'",
  deferred: "state = 'deferred'",
  dead: "state = 'dead'",
};

async function readOpenRuns(store: Store): Promise<OpenPart[]> {
  const counts = Object.entries(PARTS).map(
    ([part, condition]) => `SELECT '${part}' AS part, type, count(*)::int AS count FROM
      (SELECT type FROM task_runs_open WHERE ${condition} LIMIT $1) AS bounded GROUP BY type`,
  );
  const { rows } = await store.pool.query<OpenPart>({
    name: "stats-open-runs",
    text: counts.join(" UNION ALL "),
    values: [DEMAND_BOUND],
  });
  return rows;
}

const secondsSince = (instant: string) =>
  `greatest(coalesce(extract(epoch FROM statement_timestamp() - (${instant})), 0), 0)::float8`;

/** Partitions are named by their UTC day. */
const END_OF_PARTITIONS = `SELECT min(newest) FROM (
  SELECT to_date(max(right(c.relname, 8)), 'YYYYMMDD') + 1 AS newest
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent IN ('task_runs'::regclass, 'task_logs'::regclass) AND c.relname ~ '_[0-9]{8}$'
  GROUP BY i.inhparent) AS ends`;

async function readRest(
  store: Store,
): Promise<Omit<SystemStats, "openRuns" | "waitingForPermit" | "deferredRuns">> {
  const { rows } = await store.pool.query({
    name: "stats",
    text: `SELECT
      ${secondsSince(`SELECT min(available_at) FROM task_runs_open WHERE ${CLAIMABLE}`)} AS "oldestDueSeconds",
      ${secondsSince(nextInstant())} AS "oldestUnstagedSeconds",
      (SELECT count(*)::int FROM tasks WHERE seek_from IS NOT NULL AND ${unindexed("state")} = 'active') AS "tasksWithoutInstant",
      json_build_object('live', w.live, 'draining', w.draining, 'lost', w.lost) AS workers,
      w.slots, w.busy AS "busySlots",
      ${secondsSince(`SELECT min(began) FROM (
        SELECT xact_start FROM pg_stat_activity WHERE datname = current_database()
          AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        UNION ALL SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS t(began)`)}
        AS "oldestTransactionSeconds",
      ${HORIZON_AGES} AS "horizonAges", ${DEAD_OPEN_ROWS} AS "deadOpenRows",
      extract(epoch FROM (${END_OF_PARTITIONS}) - statement_timestamp())::float8 AS "partitionsLeftSeconds"
    FROM (SELECT
      count(*) FILTER (WHERE lease_until > statement_timestamp() AND NOT draining)::int AS live,
      count(*) FILTER (WHERE lease_until > statement_timestamp() AND draining)::int AS draining,
      count(*) FILTER (WHERE lease_until <= statement_timestamp())::int AS lost,
      coalesce(sum(slots) FILTER (WHERE lease_until > statement_timestamp()), 0)::int AS slots,
      coalesce(sum(busy) FILTER (WHERE lease_until > statement_timestamp()), 0)::int AS busy
      FROM workers) AS w`,
  });
  return rows[0] as Omit<SystemStats, "openRuns" | "waitingForPermit" | "deferredRuns">;
}
