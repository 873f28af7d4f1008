/** What a worker tells of its executors and the isolates in them. */
import { Gauge, Histogram, type Registry } from "prom-client";
import { STEP_SECONDS } from "./buckets.ts";
import { createKnownCounter, seriesOf } from "./known-counter.ts";

/** Why an executor ended; `unexpected`: by itself. */
export const EXECUTOR_ENDS = [
  "idle",
  "replaced",
  "shutdown",
  "start_timeout",
  "misbehaved",
  "memory",
  "overdue",
  "unexpected",
] as const;
export type ExecutorEnd = (typeof EXECUTOR_ENDS)[number];

/** Why a warm isolate was ended: others needed its memory, or nobody used it. */
export const EVICTION_CAUSES = ["memory", "idle"] as const;

/** What is looked at when somebody asks. */
export interface SandboxStats {
  executors: Record<"starting" | "spare" | "serving" | "draining", number>;
  /** Isolates that stand for their revision's next run, those at work counted, and what they hold. */
  warm: { isolates: number; bytes: number };
  /** Isolates at work, each with a batch of runs. */
  busyIsolates: number;
  /** Runs that were given to an executor and have not ended. */
  runs: number;
  /** Runs that wait for an executor with room. */
  waiting: number;
}

const NO_STATS: SandboxStats = {
  executors: { starting: 0, spare: 0, serving: 0, draining: 0 },
  ...{ warm: { isolates: 0, bytes: 0 }, busyIsolates: 0, runs: 0, waiting: 0 },
};

export function createSandboxMetrics(registry: Registry) {
  const registers = [registry];
  let readStats = () => NO_STATS;
  createStatsGauges(registry, () => readStats());
  const exits = createKnownCounter(
    {
      name: "bellhop_executor_exits_total",
      help: "Executors that ended, by why.",
      registers,
    },
    seriesOf("cause", EXECUTOR_ENDS),
  );
  const isolateRuns = createKnownCounter(
    {
      name: "bellhop_isolate_runs_total",
      help: "Runs of functions by the isolate they had: warm, from an earlier run, or cold, loaded for them.",
      registers,
    },
    seriesOf("isolate", ["warm", "cold"]),
  );
  const evictions = createKnownCounter(
    {
      name: "bellhop_isolate_evictions_total",
      help: "Warm isolates that were ended, because others needed their memory or nobody used them.",
      registers,
    },
    seriesOf("cause", EVICTION_CAUSES),
  );
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: STEP_SECONDS, registers });
  return {
    exits,
    isolateRuns,
    evictions,
    bootSeconds: histogram(
      "bellhop_executor_boot_duration_seconds",
      "From the start of an executor's process until it takes runs.",
    ),
    revisionSeconds: histogram(
      "bellhop_revision_fetch_duration_seconds",
      "Duration of fetching a revision's code for an executor that does not have it.",
    ),
    coldStartSeconds: histogram(
      "bellhop_cold_start_duration_seconds",
      "What a cold run waited for its isolate: its boot, where none stood ready, and the loading of the revision.",
    ),
    watch(read: () => SandboxStats): void {
      readStats = read;
    },
  };
}

function createStatsGauges(registry: Registry, read: () => SandboxStats): void {
  const registers = [registry];
  new Gauge({
    name: "bellhop_executors",
    help: "Executor processes: starting, spare for a namespace to come, serving one, or draining.",
    labelNames: ["state"] as const,
    registers,
    collect() {
      for (const [state, count] of Object.entries(read().executors)) this.set({ state }, count);
    },
  });
  const gauge = (name: string, help: string, pick: (stats: SandboxStats) => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(pick(read()));
      },
    });
  gauge(
    "bellhop_isolates_warm",
    "Isolates that stand for their revision's next run, those at work counted.",
    ({ warm }) => warm.isolates,
  );
  gauge(
    "bellhop_isolates_warm_bytes",
    "Memory that isolates hold which stand for their revision's next run.",
    ({ warm }) => warm.bytes,
  );
  gauge("bellhop_isolates_busy", "Isolates at work.", ({ busyIsolates }) => busyIsolates);
  gauge("bellhop_executor_runs", "Runs that executors have.", ({ runs }) => runs);
  gauge(
    "bellhop_executor_waiting_runs",
    "Runs that wait for an executor with room.",
    ({ waiting }) => waiting,
  );
}

export type SandboxMetrics = ReturnType<typeof createSandboxMetrics>;
