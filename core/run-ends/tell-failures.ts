/** Runs that failed for good, each in one line of the log of whoever ended it. A discard is somebody's own act. */
import type { EndCause, EndedRun } from "../store/runs/end.ts";
import { describeFailedRun } from "../telemetry/failed-run.ts";
import type { Logger } from "../telemetry/log.ts";
import type { EndConsumer } from "./run-ends.ts";

const TOLD: Record<EndCause, boolean> = {
  ...{ worker: true, completion: true, rescue: true, lost_call: true },
  ...{ cancel: false, discard: false, expiry: false },
};

/** @param traceOf what else the line says: the trace of the attempt */
export function tellFailures(
  log: Pick<Logger, "warn">,
  traceOf: (run: EndedRun) => object = () => ({}),
): EndConsumer {
  const tell = (runs: EndedRun[]) => {
    for (const run of runs) {
      if (run.state !== "failed" && run.state !== "dead") continue;
      if (run.error === null || !TOLD[run.cause]) continue;
      const { fields, message } = describeFailedRun(toFailedRun(run, run.error.code));
      log.warn({ ...fields, ...traceOf(run) }, message);
    }
  };
  return { name: "tell failures", final: tell, dead: tell, scheduled: null, givenBack: null };
}

const toFailedRun = (
  { runId, taskId, type, functionName, trigger, attempt, state }: EndedRun,
  code: string,
) => ({
  ...{ runId, taskId, type, trigger, code, attempt },
  function: functionName ?? undefined,
  isDead: state === "dead",
});
