/** Once all is healed everything ends. */
import type { Invariant } from "../evidence.ts";

export const nothingStuck: Invariant = {
  name: "nothing-stuck",
  holds: "After healing every run ends, but for dead letters, and nothing is left to be done.",
  *find({ facts }) {
    for (const { what, id } of facts.unquiet) yield `${what} is still under way: ${id}`;
  },
};

/** On a machine that has just started everything anew. */
const SETTLE_MS = 5_000;
const WINDOW_MS = 10_000;

export const onTimeAfterwards: Invariant = {
  name: "on-time-afterwards",
  holds: `What falls due ${SETTLE_MS / 1_000} s after healing or later starts within ${WINDOW_MS / 1_000} s.`,
  *find({ facts, rows, tasks }) {
    for (const [runId, [row]] of rows) {
      const { scheduledFor, startedAt, trigger, taskId } = row!;
      const isHeld = tasks.get(taskId ?? "")?.schedule["kind"] !== "at" && trigger === "schedule";
      if (isHeld || scheduledFor < facts.healedAt + SETTLE_MS || startedAt === null) continue;
      if (startedAt - scheduledFor > WINDOW_MS)
        yield `run ${runId} of ${new Date(scheduledFor).toISOString()} started ${startedAt - scheduledFor} ms late`;
    }
  },
};
