import type { ApiMetrics } from "../../core/telemetry/metrics/api.ts";
import type { DirectCaller } from "./direct-caller.ts";

/** Counts what became of each call: done by a worker, left to the queue, refused, or lost. */
export function measureCalls(caller: DirectCaller, { calls }: ApiMetrics): DirectCaller {
  return {
    begin(call, events) {
      caller.begin(call, {
        ...events,
        onDone(outcome) {
          calls.inc({ outcome: "handed_over" });
          events.onDone(outcome);
        },
        onNone(why) {
          if (why !== "left" && why !== "refused")
            calls.inc({ outcome: call.isPublic && why === "busy" ? "refused" : "queued" });
          events.onNone(why);
        },
        onLost(outcome) {
          calls.inc({ outcome: "lost" });
          events.onLost(outcome);
        },
      });
    },
  };
}
