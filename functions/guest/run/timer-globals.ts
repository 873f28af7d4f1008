/** setTimeout, setInterval, clearTimeout, clearInterval, queueMicrotask. */
import { bindContext } from "../node/context.ts";
import { currentRun, failRun } from "./current-run.ts";
import {
  apply,
  expose,
  NativePromise,
  NativeTypeError,
  promiseThen,
  toNumber,
  trunc,
} from "./primordials.ts";
import { addTimer, clearTimer } from "./timers.ts";

type Callback = (...args: unknown[]) => unknown;

const MAX_DELAY_MS = 2_147_483_647;

export function installTimers(): void {
  expose("setTimeout", function setTimeout(callback: Callback, delay?: unknown, ...args: unknown[]) {
    return add(callback, delay, args, false);
  });
  expose("setInterval", function setInterval(callback: Callback, delay?: unknown, ...args: unknown[]) {
    return add(callback, delay, args, true);
  });
  expose("clearTimeout", function clearTimeout(id?: unknown) {
    clearTimer(toNumber(id));
  });
  expose("clearInterval", function clearInterval(id?: unknown) {
    clearTimer(toNumber(id));
  });
  const resolved = NativePromise.resolve();
  expose("queueMicrotask", function queueMicrotask(callback: () => void) {
    if (typeof callback !== "function") throw new NativeTypeError("queueMicrotask takes a function.");
    const run = currentRun;
    const bound = bindContext(callback);
    promiseThen(resolved, () => {
      try {
        bound();
      } catch (thrown) {
        failRun(run, thrown);
      }
    });
  });
}

function add(callback: Callback, delay: unknown, args: unknown[], repeats: boolean): number {
  if (typeof callback !== "function") throw new NativeTypeError("A timer takes a function.");
  const wantedMs = trunc(toNumber(delay));
  const delayMs = wantedMs >= 1 && wantedMs <= MAX_DELAY_MS ? wantedMs : 1;
  const bound = bindContext(callback);
  return addTimer(() => apply(bound, undefined, args), delayMs, repeats);
}
