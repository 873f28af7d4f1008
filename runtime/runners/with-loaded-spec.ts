/** Loads what the claim did not bring, before a runner begins: its worker has made room for it. */
import type { Clock } from "../../core/clock.ts";
import { type AttemptOutcome, failed } from "../../core/domain/attempt.ts";
import type { TaskSpec } from "../../core/domain/task-spec.ts";
import { BellhopError } from "../../core/errors.ts";
import type { ClaimedRun } from "../../core/store/runs/claim.ts";
import { loadInTime } from "./load-in-time.ts";
import type { AttemptContext, TaskRunner } from "./task-runner.ts";

/** @param load undefined: the run is somebody else's by now */
export function withLoadedSpec(
  runner: TaskRunner,
  load: (run: ClaimedRun) => Promise<TaskSpec | undefined>,
  clock: Clock,
): TaskRunner {
  const runLoaded: TaskRunner = async (run, context) => {
    // It was stopped while it waited for room.
    if (context.signal.aborted) return { kind: "cancelled" };
    const loaded = await loadOrFail(() => load(run), context, clock);
    if (!loaded || "kind" in loaded) return loaded ?? { kind: "cancelled" };
    return await runner({ ...run, spec: loaded }, context);
  };
  return (run, context) => (run.unloadedBytes === undefined ? runner(run, context) : runLoaded(run, context));
}

/** Undefined: whatever is recorded of the run now is dropped, its row is not this claim's. */
async function loadOrFail(
  load: () => Promise<TaskSpec | undefined>,
  context: AttemptContext,
  clock: Clock,
): Promise<TaskSpec | AttemptOutcome | undefined> {
  try {
    return await loadInTime(load, context, clock);
  } catch (error) {
    if (!(error instanceof BellhopError) || error.code !== "database_unavailable") throw error;
    return failed("database_unavailable", "The database did not answer in time for the run's input.", {
      retryable: true,
    });
  }
}
