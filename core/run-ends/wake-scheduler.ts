/** The scheduler sleeps until the next instant it knows: a retry may come before, and the end that a run waits for. */
import type { Notifier } from "../store/notify.ts";
import type { EndedRun } from "../store/runs/end.ts";
import type { EndConsumer } from "./run-ends.ts";

export function wakeScheduler(notifier: Notifier): EndConsumer {
  const wake = () => notifier.notify("bellhop_schedule");
  const wakeForNext = (runs: EndedRun[]) => {
    if (runs.some(({ mayHoldNext }) => mayHoldNext)) wake();
  };
  return {
    name: "wake the scheduler",
    ...{ final: wakeForNext, dead: wakeForNext, scheduled: wake, givenBack: null },
  };
}
