/**
 * The run under way in this isolate: one at a time. begun → ended, once, by `endRun`; what it logs, sets or asks for
 * after that is ignored.
 */
import { describeFailure } from "./attempt-words.ts";
import { stringify } from "./primordials.ts";

export interface GuestRun {
  /** The executor's number for it. */
  readonly no: number;
  ended: boolean;
  readonly maxLines: number;
  readonly maxResultBytes: number;
  /** When its time is over. */
  readonly deadlineAtMs: number;
  lines: number;
  dropped: number;
  /** A failure is final. */
  noRetry: boolean;
  /** Lets the next run of the row begin. */
  onOver: (() => void) | undefined;
  /** It has ended, and no other run may have the isolate. */
  isLast: boolean;
}

/** How the executor hears of a run. */
export interface RunHost {
  log(no: number, level: string, message: string, fields: string, at: number): void;
  settle(no: number, code: string, text: string, dropped: number, isUnfit: boolean): void;
  /** Asks for a timer entry in so many milliseconds, in place of a later one. */
  wake(delayMs: number): void;
}

export let runHost: RunHost;
export let currentRun: GuestRun = makeRun(0, 0, 0, 0);
currentRun.ended = true;

/** Called when a run has ended, in this order. */
const endHooks: (() => void)[] = [];

/**
 * Whether the isolate is not used again: its module was not loaded to its end, its memory is full, or something a run
 * asked for will never be answered.
 */
let isUnfit = false;

/** While the module is loaded, also while it waits at its top level. */
export let isLoading = false;

export function beginLoading(): void {
  isLoading = true;
}

export function endLoading(): void {
  isLoading = false;
}

/**
 * To be called where a run ends, or is over, before an answer that its code waits for: a module variable may hold the
 * promise, and later runs would wait for it in vain, or be given its rejection.
 */
export function noteUnanswered(): void {
  isUnfit = true;
}

export function connectRunHost(host: RunHost): void {
  runHost = host;
}

/** Called before a run ends, while it may still log. They call nothing that the author may have replaced. */
const lastHooks: (() => void)[] = [];

export function beforeRunEnd(hook: () => void): void {
  lastHooks[lastHooks.length] = hook;
}

export function onRunEnd(hook: () => void): void {
  endHooks[endHooks.length] = hook;
}

export function beginRun(
  no: number,
  maxLines: number,
  maxResultBytes: number,
  deadlineAtMs: number,
): GuestRun {
  currentRun = makeRun(no, maxLines, maxResultBytes, deadlineAtMs);
  return currentRun;
}

function makeRun(no: number, maxLines: number, maxResultBytes: number, deadlineAtMs: number): GuestRun {
  const counts = { maxLines, maxResultBytes, deadlineAtMs, lines: 0, dropped: 0 };
  const state = { ended: false, noRetry: false, isLast: false, onOver: undefined };
  return { __proto__: null, no, ...state, ...counts } as GuestRun;
}

export function endRun(run: GuestRun, code: string, text: string): void {
  if (run.ended) return;
  callAll(lastHooks);
  run.ended = true;
  callAll(endHooks);
  isUnfit ||= code === "load_failed" || code === "function_memory_exceeded";
  run.isLast = isUnfit;
  runHost.settle(run.no, code, text, run.dropped, isUnfit);
  run.onOver?.();
}

function callAll(hooks: readonly (() => void)[]): void {
  for (let i = 0; i < hooks.length; i++) {
    try {
      hooks[i]!();
    } catch {
      // Built-ins that the author replaced: what is left open then is his own runs' to see.
    }
  }
}

/** What V8 says where a buffer does not fit into the isolate's memory. */
const NO_MEMORY = "Array buffer allocation failed";

/** Whatever fails it while the module is loaded, a timer of the module's too: the next run loads that anew. */
export function failRun(run: GuestRun, thrown: unknown): void {
  if (run.ended) return;
  const failure = describeFailure(thrown);
  const { name, message } = failure;
  if (run.noRetry) failure.again = "fatal";
  if (name === "RangeError" && message === NO_MEMORY) endRun(run, "function_memory_exceeded", "");
  else endRun(run, isLoading ? "load_failed" : "function_error", stringify(failure));
}
