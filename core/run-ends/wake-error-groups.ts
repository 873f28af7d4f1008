/** A scheduler looks for failures each second while anything goes on; while nothing does, it is told of one. */
import type { Notifier } from "../store/notify.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

export function wakeErrorGroups(notifier: Notifier): EndConsumer {
  const wake = () => notifier.notify("bellhop_failures");
  const wakeForFailed = (runs: EndedRun[]) => {
    if (runs.some(({ state }) => state === "failed" || state === "expired")) wake();
  };
  return { name: "wake error groups", final: wakeForFailed, dead: wake, scheduled: null, givenBack: null };
}
