import { newId } from "../../store/ids.ts";
import type { EndedRun } from "../../store/runs/end.ts";

/** A run of an http task that its worker recorded as succeeded, with what the test says about it. */
export function endedRun(given: Partial<EndedRun> = {}): EndedRun {
  return {
    ...{ runId: newId(), claimNo: 1, namespaceId: newId(), taskId: newId(), type: "http" },
    ...{ trigger: "schedule", functionId: null, functionName: null },
    ...{ attempt: 1, cause: "worker", state: "succeeded", error: null, awaited: false, wantedKeys: null },
    hasCallbacks: false,
    ...{ startedAt: new Date(0), endedAt: new Date(1) },
    ...given,
  };
}
