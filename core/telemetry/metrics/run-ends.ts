/** What every role counts that ends runs. */
import { Counter, type Registry } from "prom-client";
import { TASK_TYPES, type TaskType } from "../../domain/task-spec.ts";
import { createKnownCounter, type KnownCounter, listAll } from "./known-counter.ts";

export type FinalState = "succeeded" | "failed" | "cancelled" | "expired";

const FINAL_STATES = listAll<FinalState>({
  ...{ succeeded: true, failed: true, cancelled: true, expired: true },
});

export interface RunEndMetrics {
  runsEnded: KnownCounter<{ type: TaskType; state: FinalState }>;
  tasksPaused: Counter;
}

export const createRunEndMetrics = (registry: Registry): RunEndMetrics => ({
  tasksPaused: new Counter({
    name: "bellhop_tasks_paused_total",
    help: "Tasks that were paused because their runs failed one after the other.",
    registers: [registry],
  }),
  runsEnded: createKnownCounter(
    {
      name: "bellhop_runs_ended_total",
      help: "Runs that ended for good, each once, told by the role that ended it. A dead letter has not: its discard counts.",
      registers: [registry],
    },
    TASK_TYPES.flatMap((type) => FINAL_STATES.map((state) => ({ type, state }))),
  ),
});
