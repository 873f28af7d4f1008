/** What every role counts that ends runs. */
import type { Registry } from "prom-client";
import { TASK_TYPES, type TaskType } from "../../domain/task-spec.ts";
import { createKnownCounter, type KnownCounter, listAll } from "./known-counter.ts";

export type FinalState = "succeeded" | "failed" | "cancelled" | "expired";

const FINAL_STATES = listAll<FinalState>({
  ...{ succeeded: true, failed: true, cancelled: true, expired: true },
});

export interface RunEndMetrics {
  runsEnded: KnownCounter<{ type: TaskType; state: FinalState }>;
}

export const createRunEndMetrics = (registry: Registry): RunEndMetrics => ({
  runsEnded: createKnownCounter(
    {
      name: "bellhop_runs_ended_total",
      help: "Runs that ended for good, each once, told by the role that ended it. A dead letter has not: its discard counts.",
      registers: [registry],
    },
    TASK_TYPES.flatMap((type) => FINAL_STATES.map((state) => ({ type, state }))),
  ),
});
