/**
 * Timers of the run under way, which end with it, and of the module: what is set while that is loaded stands as long as
 * the isolate, and rests between runs. The executor keeps one alarm for the isolate, set to the earliest of them; an
 * entry runs one timer, so that its microtasks run before the next one.
 */
import { GUEST_LIMITS } from "../limits.ts";
import { currentRun, failRun, isLoading, onRunEnd, runHost } from "./current-run.ts";
import {
  ceil,
  dateNow,
  mapDelete,
  mapForEach,
  mapSet,
  max,
  NativeMap,
  NativeRangeError,
} from "./primordials.ts";

interface Timer {
  readonly id: number;
  due: number;
  readonly callback: () => void;
  /** 0: once. */
  readonly everyMs: number;
  readonly isOfModule: boolean;
}

const timers = new NativeMap<number, Timer>();
let timerCount = 0;
let nextTimerId = 1;
/** The instant the executor's alarm is set to, on its clock. */
let armedFor = Number.POSITIVE_INFINITY;
let hostBase = 0;
let dateBase = 0;
const NEVER = Number.POSITIVE_INFINITY;
/** Each alarm costs the executor a message; beyond these an entry gets the earliest one there is. */
const MAX_WAKES = 16;
let wakes = 0;

onRunEnd(clearTimers);

/** To be called at every entry with the executor's monotonic clock. */
export function setClock(hostNow: number): void {
  hostBase = hostNow;
  dateBase = dateNow();
  wakes = 0;
}

/** Milliseconds, monotonic: the guest's own clock may be set back. */
export function clock(): number {
  return hostBase + max(dateNow() - dateBase, 0);
}

/** Answers an id for `clearTimer`. Throws RangeError beyond GUEST_LIMITS.timers. */
export function addTimer(callback: () => void, delayMs: number, repeats: boolean): number {
  const waitMs = max(delayMs, 1);
  if (currentRun.ended) return nextTimerId++;
  if (timerCount >= GUEST_LIMITS.timers) {
    throw new NativeRangeError(`A run may have at most ${GUEST_LIMITS.timers} timers at once.`);
  }
  timerCount++;
  const id = nextTimerId++;
  const due = clock() + waitMs;
  const everyMs = repeats ? waitMs : 0;
  mapSet(timers, id, { __proto__: null, id, due, callback, everyMs, isOfModule: isLoading } as Timer);
  if (due < armedFor && wakes <= MAX_WAKES) {
    const isLast = wakes++ === MAX_WAKES;
    armedFor = isLast ? -NEVER : due;
    runHost.wake(isLast ? 1 : waitMs);
  }
  return id;
}

export function clearTimer(id: number): void {
  if (mapDelete(timers, id)) timerCount--;
}

/** Runs the earliest timer that is due; answers the milliseconds to the next one, -1 where there is none. */
export function runDueTimer(): number {
  // An alarm that rang while the run ended: the module's timers rest, and what they throw would be nobody's.
  if (currentRun.ended) return -1;
  const now = clock();
  const timer = nextTimer();
  if (timer !== undefined && timer.due <= now) {
    const run = currentRun;
    if (timer.everyMs > 0) {
      // Back to the end of the map: among timers due at once the older goes first.
      mapDelete(timers, timer.id);
      timer.due = max(timer.due + timer.everyMs, now + 1);
      mapSet(timers, timer.id, timer);
    } else if (mapDelete(timers, timer.id)) timerCount--;
    try {
      timer.callback();
    } catch (thrown) {
      failRun(run, thrown);
    }
  }
  const next = nextTimer();
  armedFor = next === undefined ? NEVER : next.due;
  return next === undefined ? -1 : max(ceil(next.due - clock()), 0);
}

function nextTimer(): Timer | undefined {
  let first: Timer | undefined;
  mapForEach(timers, (timer) => {
    if (first === undefined || timer.due < first.due) first = timer;
  });
  return first;
}

/** To be called when a run begins: the module's timers go on. */
export function resumeTimers(): void {
  const next = timerCount === 0 ? undefined : nextTimer();
  if (next === undefined) return;
  armedFor = next.due;
  runHost.wake(max(ceil(next.due - clock()), 0));
}

function clearTimers(): void {
  // Also where all were cleared: the executor drops its alarm with the run.
  armedFor = NEVER;
  if (timerCount === 0) return;
  timerCount = 0;
  mapForEach(timers, ({ id, isOfModule }) => {
    if (isOfModule) timerCount++;
    else mapDelete(timers, id);
  });
}
