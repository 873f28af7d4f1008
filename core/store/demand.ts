/** How much work there is for workers, now and soon: what every autoscaler goes by. */
import { DEFAULT_QUEUE } from "../domain/limit-keys.ts";
import type { QueryScope } from "./database.ts";
import { CLAIMABLE, isDue } from "./runs/claimable.ts";
import { nextInstant } from "./tasks/next-instant.ts";
import { listServingWorkers, SERVING, type ServingWorker } from "./workers.ts";

/** Of runs and tasks by this name: no pause holds them at that instant (SQL), so that a worker could start them. */
const isUnpaused = (
  row: string,
  at: string,
) => `(${row}.namespace_id, coalesce(${row}.queue, '${DEFAULT_QUEUE}'))
          NOT IN (SELECT q.namespace_id, q.name FROM queues q WHERE q.paused_until > ${at})`;

const NOW = "statement_timestamp()";
const SOON = `${NOW} + $1::int * interval '1 millisecond'`;

/** Without draining workers: the last word of one may tell of a run that ended before it, and nobody tells otherwise. */
const BUSY_SLOTS = `SELECT coalesce(sum(busy), 0)::int FROM workers WHERE NOT draining AND lease_until > ${NOW}`;

/** Each count stops at `DEMAND_BOUND`: a backlog of millions is told as that many, at the same cost. */
export interface Demand {
  /** Queued and due, without those that wait for a permit of a limit or the end of a pause: workers would not help them. */
  dueRuns: number;
  /** Running, by their rows: also in draining workers, which may give them back. */
  runningRuns: number;
  /** Slots that are taken in workers whose lease stands and that don't drain: also by direct calls, which are rows only when they last. */
  busySlots: number;
  /** Those of them in workers for long runs, the only ones that a scaler of those workers is to see. */
  busyLongSlots: number;
  /** Callers that APIs hold until a worker takes their calls, of a function no more than may run at once: no runs yet. */
  waitingCallers: number;
  /** Due within the time that was asked for: staged runs, waiting retries, and one occurrence of each task. */
  upcomingRuns: number;
}

export const DEMAND_BOUND = 100_000;

const NO_DEMAND: Demand = {
  ...{ dueRuns: 0, runningRuns: 0, busySlots: 0, busyLongSlots: 0, waitingCallers: 0, upcomingRuns: 0 },
};

/** What an autoscaler at rest goes by. */
export interface DemandGlance {
  /** By the database's clock. */
  at: Date;
  /** Whether any of the demand may be more than 0: pauses are not looked at. */
  isAny: boolean;
  /** Whether workers stand that take work from the queue. */
  hasServing: boolean;
  /** When the next of what is planned is due, as far as is known; null also where nobody rests until then. */
  nextAt: Date | null;
}

/** Without a parameter the statement is planned once per connection, and most looks of an autoscaler end here. */
export async function glanceAtDemand({ pool }: QueryScope, aheadMs: number): Promise<DemandGlance> {
  const soon = `${NOW} + ${Math.ceil(aheadMs)} * interval '1 millisecond'`;
  const wanted = [
    `task_runs_open WHERE ${CLAIMABLE} AND available_at <= ${soon}`,
    "task_runs_open WHERE state = 'running'",
    `task_runs_open WHERE state = 'scheduled' AND available_at <= ${soon}`,
    `(${nextInstant(soon)}) AS next (instant) WHERE instant IS NOT NULL`,
    `workers WHERE busy > 0 AND NOT draining AND lease_until > ${NOW}`,
    `waiting_callers WHERE told_until > ${NOW}`,
  ];
  const { rows } = await pool.query<DemandGlance>({
    name: `demand-glance-${Math.ceil(aheadMs)}`,
    text: `SELECT glance.*, CASE WHEN NOT "isAny" AND NOT "hasServing" THEN
        least((SELECT min(available_at) FROM task_runs_open WHERE ${CLAIMABLE}),
          (SELECT min(available_at) FROM task_runs_open WHERE state = 'scheduled'),
          (${nextInstant()})) END AS "nextAt"
      FROM (SELECT ${NOW} AS at, ${wanted.map((each) => `EXISTS (SELECT FROM ${each})`).join(" OR ")} AS "isAny",
        EXISTS (SELECT FROM workers WHERE ${SERVING}) AS "hasServing" OFFSET 0) AS glance`,
  });
  return rows[0]!;
}

/** By the database's clock. `aheadMs`: how far `upcomingRuns` looks. */
export async function readDemand(scope: QueryScope, aheadMs: number): Promise<Demand> {
  const { isAny } = await glanceAtDemand(scope, aheadMs);
  return isAny ? await countDemand(scope, aheadMs) : NO_DEMAND;
}

/** The demand, with the workers that it meets. */
export interface Load {
  demand: Demand;
  /** Of everybody, oldest first, as their rows tell. */
  workers: ServingWorker[];
  /** For how long nothing will be wanted, by what is planned; left out: something is, or workers stand. */
  restMs?: number;
}

/** `at`: by the database's clock. */
export async function readLoad(scope: QueryScope, aheadMs: number): Promise<Load & { at: Date }> {
  const { at, isAny, hasServing, nextAt } = await glanceAtDemand(scope, aheadMs);
  if (!isAny && !hasServing) {
    const restMs = nextAt ? nextAt.getTime() - aheadMs - at.getTime() : Number.POSITIVE_INFINITY;
    return { demand: NO_DEMAND, workers: [], restMs, at };
  }
  const [demand, workers] = await Promise.all([
    isAny ? countDemand(scope, aheadMs) : NO_DEMAND,
    hasServing ? listServingWorkers(scope) : [],
  ]);
  return { demand, workers, at };
}

async function countDemand({ pool }: QueryScope, aheadMs: number): Promise<Demand> {
  const { rows } = await pool.query<Demand>({
    name: "demand",
    text: `SELECT
        (SELECT count(*)::int FROM (SELECT FROM task_runs_open r WHERE ${CLAIMABLE} AND ${isDue()}
          AND ${isUnpaused("r", NOW)} LIMIT $2) AS due) AS "dueRuns",
        (SELECT count(*)::int FROM (SELECT FROM task_runs_open WHERE state = 'running' LIMIT $2) AS running)
          AS "runningRuns",
        (${BUSY_SLOTS}) AS "busySlots",
        (${BUSY_SLOTS} AND receive = 'long-runs') AS "busyLongSlots",
        (SELECT coalesce(sum(callers), 0)::int FROM waiting_callers WHERE told_until > statement_timestamp())
          AS "waitingCallers",
        (SELECT count(*)::int FROM (
          (SELECT FROM task_runs_open r WHERE ${CLAIMABLE} AND available_at > ${NOW} AND available_at <= ${SOON}
            AND ${isUnpaused("r", SOON)} LIMIT $2)
          UNION ALL
          (SELECT FROM task_runs_open r WHERE state = 'scheduled' AND available_at <= ${SOON}
            AND ${isUnpaused("r", SOON)} LIMIT $2)
          UNION ALL
          (SELECT FROM tasks t WHERE state = 'active' AND next_run_at <= ${SOON} AND ${isUnpaused("t", SOON)} LIMIT $2)
          LIMIT $2) AS soon) AS "upcomingRuns"`,
    values: [aheadMs, DEMAND_BOUND],
  });
  return rows[0]!;
}

/** The one figure that other autoscalers go by: runs and callers that want a slot. */
export function totalDemand(demand: Demand): number {
  const { dueRuns, runningRuns, busySlots, waitingCallers, upcomingRuns } = demand;
  return dueRuns + Math.max(runningRuns, busySlots) + waitingCallers + upcomingRuns;
}
