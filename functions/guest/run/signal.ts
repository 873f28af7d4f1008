/**
 * `ctx.signal`: aborts when the run is cancelled, and shortly before its time is over, so that a function can tidy up.
 * Made when it is asked for; the executor is told then, and gives such a run a moment when it cancels it, as it does one
 * whose response is under way.
 */
import { host, onMessage } from "../host.ts";
import { cancelResponse } from "../http/call-channel.ts";
import { type GuestAbortSignal, signals } from "../web/abort.ts";
import { domException } from "../web/dom-exception.ts";
import { type GuestRun, onRunEnd } from "./current-run.ts";
import { dateNow, max, min } from "./primordials.ts";
import { addTimer } from "./timers.ts";

/** How long before the end of its time a run is told: half a second, or a tenth of a shorter time. */
const TIDY_MS = 500;

let current: { run: GuestRun; signal: GuestAbortSignal } | undefined;

onRunEnd(() => {
  current = undefined;
});

/** To be called while the snapshot is made. */
export function receiveAborts(): void {
  onMessage("abort", (no) => {
    if (current?.run.no === no)
      signals.abort(current.signal, domException("AbortError", "The run was cancelled"));
    cancelResponse(no);
  });
}

/** @param wallMs the run's time in all */
export function signalOf(run: GuestRun, wallMs: number): GuestAbortSignal {
  if (current?.run === run) return current.signal;
  const signal = signals.create();
  if (run.ended) return signal;
  current = { run, signal };
  host().send("signal", run.no, "");
  const leftMs = run.deadlineAtMs - min(TIDY_MS, wallMs / 10) - dateNow();
  const timeOut = () => signals.abort(signal, domException("TimeoutError", "The run's time is almost over"));
  addTimer(timeOut, max(leftMs, 1), false);
  return signal;
}
