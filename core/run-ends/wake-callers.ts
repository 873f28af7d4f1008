/** Callers that wait for a run, in whatever API process. Until its last attempt they go on waiting. */
import type { Notifier } from "../store/notify.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

export function wakeCallers(notifier: Notifier): EndConsumer {
  const wake = (runs: EndedRun[]) => {
    const runIds = runs.filter(({ awaited }) => awaited).map(({ runId }) => runId);
    if (runIds.length > 0) notifier.notify("bellhop_finished", runIds);
  };
  return { name: "wake callers", final: wake, dead: wake, scheduled: null, givenBack: null };
}
