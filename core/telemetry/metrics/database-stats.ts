/**
 * What a scheduler read from the database: stats of the whole system, not of its process. Several schedulers tell the
 * same, so whoever asks takes the maximum. All of them are absent while they cannot be read.
 */
import { Gauge, type Registry } from "prom-client";
import { OPEN_STATES } from "../../domain/run-state.ts";
import { TASK_TYPES } from "../../domain/task-spec.ts";
import { type Demand, totalDemand } from "../../store/demand.ts";
import type { SystemStats } from "../../store/stats.ts";
import { HORIZON_HOLDERS } from "../../store/vacuum-horizon.ts";

/** Those that are one number each. Rows that run are told by `openRuns`, and slots of long runs to their scaler alone. */
type SimpleStat =
  | Exclude<keyof SystemStats, "openRuns" | "workers" | "horizonAges">
  | Exclude<keyof Demand, "runningRuns" | "busyLongSlots">
  | "demand";

export function createDatabaseStatsMetrics(registry: Registry) {
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const openRuns = gauge("bellhop_open_runs", "Runs that have not ended, 100,000 of each state at most.", [
    "type",
    "state",
  ]);
  const workers = gauge("bellhop_workers", "Workers by the state of their lease.", ["state"]);
  const horizonAges = gauge(
    "bellhop_vacuum_horizon_age_transactions",
    "How many transactions began since the oldest one whose rows are kept from removal, by what keeps them.",
    ["holder"],
  );
  const simple: Record<SimpleStat, Gauge> = {
    demand: gauge(
      "bellhop_demand_slots",
      "Slots that are wanted: due runs, running ones, those due soon, and callers that wait for a worker. What autoscalers go by.",
    ),
    dueRuns: gauge("bellhop_due_runs", "Runs that are due and could be taken by a worker."),
    waitingCallers: gauge(
      "bellhop_demand_waiting_callers",
      "Callers that APIs hold until a worker takes their calls.",
    ),
    upcomingRuns: gauge("bellhop_upcoming", "Runs that become due within WORKERS_AHEAD."),
    waitingForPermit: gauge(
      "bellhop_awaiting_room_runs",
      "Runs that wait for a limit of their function or queue, or because their queue is paused.",
    ),
    deferredRuns: gauge(
      "bellhop_deferred_runs",
      "Running runs that no worker has: who was sent their requests is to complete them.",
    ),
    oldestDueSeconds: gauge(
      "bellhop_oldest_due_run_age_seconds",
      "How long the oldest due run has been due.",
    ),
    oldestUnstagedSeconds: gauge(
      "bellhop_oldest_unstaged_task_age_seconds",
      "How long ago the oldest task should have been staged.",
    ),
    tasksWithoutInstant: gauge(
      "bellhop_tasks_without_instant",
      "Active tasks whose next instant could not be found: they do not fire.",
    ),
    slots: gauge("bellhop_leased_slots", "Slots of workers whose lease stands."),
    busySlots: gauge("bellhop_leased_slots_busy", "Those of them that are taken."),
    oldestTransactionSeconds: gauge(
      "bellhop_oldest_transaction_age_seconds",
      "How long the oldest transaction in the database has been open that the role may see.",
    ),
    deadOpenRows: gauge(
      "bellhop_open_runs_dead_rows",
      "Dead row versions among the runs that have not ended, as PostgreSQL estimates them.",
    ),
    partitionsLeftSeconds: gauge(
      "bellhop_partitions_left_seconds",
      "How long there are partitions for what ends.",
    ),
  };
  const clear = () => {
    for (const each of [openRuns, workers, horizonAges]) each.reset();
    // Reset, one without labels would say 0.
    for (const each of Object.values(simple)) each.remove();
  };
  clear();
  return {
    clear,
    set(stats: SystemStats, demand: Demand): void {
      const counts = new Map(stats.openRuns.map(({ type, state, count }) => [`${type} ${state}`, count]));
      for (const type of TASK_TYPES)
        for (const state of OPEN_STATES) openRuns.set({ type, state }, counts.get(`${type} ${state}`) ?? 0);
      for (const [state, count] of Object.entries(stats.workers)) workers.set({ state }, count);
      for (const holder of HORIZON_HOLDERS) horizonAges.set({ holder }, stats.horizonAges[holder]);
      const told = { ...stats, ...demand, demand: totalDemand(demand) };
      for (const name of Object.keys(simple) as SimpleStat[]) simple[name].set(told[name]);
    },
  };
}

export type DatabaseStatsMetrics = ReturnType<typeof createDatabaseStatsMetrics>;
