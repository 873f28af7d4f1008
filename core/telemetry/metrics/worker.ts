/** What a worker counts. */
import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { RunVerdict } from "../../domain/retry.ts";
import { TASK_TYPES, type TaskType } from "../../domain/task-spec.ts";
import { createBoundedLabel } from "./bounded-label.ts";
import { DURATION_SECONDS, LATENESS_SECONDS, STEP_SECONDS } from "./buckets.ts";
import { createKnownCounter, listAll, seriesOf } from "./known-counter.ts";
import { createRunEndMetrics } from "./run-ends.ts";

/** Functions with series of their own, in each worker; the rest are `other`. */
const FUNCTIONS = 50;
/** Few: each function has them all. */
const FUNCTION_SECONDS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

/** How attempts of each type come. */
const WAYS: Record<TaskType, readonly ("queue" | "direct")[]> = {
  http: ["queue"],
  email: ["queue"],
  function: ["queue", "direct"],
};
const ENDS = listAll<Exclude<RunVerdict["state"], "expired">>({
  ...{ succeeded: true, scheduled: true, dead: true, failed: true, cancelled: true },
});
const CALL_ENDS = [
  "succeeded",
  "failed",
  "cancelled",
  "busy",
  "draining",
  "no_permit",
  "share",
  "lost",
  "error",
] as const;
const EVENT_OUTCOMES = [
  ...(["recorded", "not_waiting", "later", "long_run"] as const),
  ...(["full", "draining", "given_back", "failed", "refused"] as const),
];
export type DirectCallEnd = (typeof CALL_ENDS)[number];

/** What is looked at when somebody asks. */
export interface WorkerLoad {
  slots: number;
  busySlots: number;
  /** Ended, and on their way to their rows. */
  recording: number;
}

export function createWorkerMetrics(registry: Registry) {
  const registers = [registry];
  let readLoad = (): WorkerLoad => ({ slots: 0, busySlots: 0, recording: 0 });
  const functionLabel = createBoundedLabel(FUNCTIONS);
  createLoadGauges(registry, () => readLoad());
  return {
    ...createCounters(registers),
    ...createHistograms(registers),
    ...createRunEndMetrics(registry),
    /** The label of a function: its name, or `other`. */
    functionLabel,
    watch(read: () => WorkerLoad): void {
      readLoad = read;
    },
  };
}

function createCounters(registers: Registry[]) {
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Counter<T>({ name, help, labelNames, registers });
  return {
    attempts: createKnownCounter(
      {
        name: "bellhop_attempts_total",
        help: "Attempts by type, by how they came, and by what became of the run. Rescued ones are not among them.",
        registers,
      },
      TASK_TYPES.flatMap((type) => WAYS[type].flatMap((way) => ENDS.map((state) => ({ type, way, state })))),
    ),
    functionAttempts: counter(
      "bellhop_function_attempts_total",
      "Attempts of functions by name, the first 50 of a worker, and by what became of the run.",
      ["function", "state"],
    ),
    dropped: counter("bellhop_results_dropped_total", "Late results of runs that were rescued meanwhile."),
    claimed: createKnownCounter(
      {
        name: "bellhop_runs_claimed_total",
        help: "Runs claimed: by their bells, or found in the table.",
        registers,
      },
      seriesOf("source", ["bells", "table"]),
    ),
    claimErrors: counter("bellhop_claim_errors_total", "Claims that failed."),
    recordingErrors: counter(
      "bellhop_recording_errors_total",
      "Batches of results that were not recorded and are tried again.",
    ),
    heartbeatErrors: counter(
      "bellhop_heartbeat_errors_total",
      "Heartbeats and sweeps that failed and are tried again soon.",
    ),
    givenBack: counter("bellhop_runs_given_back_total", "Runs given back to be started by another worker."),
    events: createKnownCounter(
      {
        name: "bellhop_events_total",
        help: "CloudEvents by what was answered; refused: never to be taken.",
        registers,
      },
      seriesOf("outcome", EVENT_OUTCOMES),
    ),
    directCalls: createKnownCounter(
      {
        name: "bellhop_direct_calls_total",
        help: "Calls handed over by the API: how they ended, or why they were refused.",
        registers,
      },
      seriesOf("outcome", CALL_ENDS),
    ),
  };
}

function createHistograms(registers: Registry[]) {
  return {
    lateness: new Histogram({
      name: "bellhop_run_lateness_seconds",
      help: "From the scheduled instant to the start of the first attempt. Direct calls are not among them.",
      buckets: LATENESS_SECONDS,
      registers,
    }),
    duration: new Histogram({
      name: "bellhop_attempt_duration_seconds",
      help: "Duration of an attempt.",
      labelNames: ["type"] as const,
      buckets: DURATION_SECONDS,
      registers,
    }),
    functionDuration: new Histogram({
      name: "bellhop_function_duration_seconds",
      help: "Duration of an attempt of a function, by name, the first 50 of a worker.",
      labelNames: ["function"] as const,
      buckets: FUNCTION_SECONDS,
      registers,
    }),
    claimSeconds: new Histogram({
      name: "bellhop_claim_duration_seconds",
      help: "Duration of a claim, of however many runs.",
      buckets: STEP_SECONDS,
      registers,
    }),
    recordingSeconds: new Histogram({
      name: "bellhop_recording_duration_seconds",
      help: "Duration of the statement that records a batch of results.",
      buckets: STEP_SECONDS,
      registers,
    }),
  };
}

function createLoadGauges(registry: Registry, read: () => WorkerLoad): void {
  const gauge = (name: string, help: string, pick: (load: WorkerLoad) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(pick(read()));
      },
    });
  gauge("bellhop_worker_slots", "Runs this worker may work on at once.", ({ slots }) => slots);
  gauge("bellhop_worker_slots_busy", "Slots of this worker that are taken.", ({ busySlots }) => busySlots);
  gauge("bellhop_runs_recording", "Runs that ended and are not recorded yet.", ({ recording }) => recording);
}

export type WorkerMetrics = ReturnType<typeof createWorkerMetrics>;
